"""Something is known when it comes again soon enough."""

from __future__ import annotations

from proxy.edges.sightings import Sightings


def test_the_second_sighting() -> None:
    sightings = Sightings()
    assert [sightings.before(seen) for seen in (b"a", b"b", b"a", b"a")] == [
        False,
        False,
        True,
        True,
    ]


def test_what_came_long_ago_is_forgotten() -> None:
    sightings = Sightings()
    for number in range(20_000):
        assert not sightings.before(b"%d" % number)
    assert sightings.before(b"19999")
    assert sightings.before(b"12000")
    assert not sightings.before(b"0")
