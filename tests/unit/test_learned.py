"""The learnt lifetimes of a process."""

from __future__ import annotations

from proxy.decisions.adapting import Past
from proxy.learned import LearnedLifetimes, Span
from proxy.messages import StoredResponse
from tests.support.build import stored
from tests.support.clock import NOW

ENTRY = stored(b"long", learned=20.0, route="r", route_digest="d", fields={"ETag": '"a"', "X": "y"})


def test_an_entry_that_was_evicted_teaches_nothing_one_that_was_invalidated_changed() -> None:
    dead: list[StoredResponse] = []
    known = LearnedLifetimes(lambda entry: entry not in dead)
    known.note(b"p", ENTRY)
    assert known.past(b"p", "d") == Past(20.0, changed=False, due=False)
    dead.append(known._entries[b"p"])  # noqa: SLF001  the one it asks about
    assert known.past(b"p", "d") == Past(20.0, changed=True, due=True)
    assert dead[0].body == b""
    assert dead[0].fields.names() == {"etag"}


def test_other_places_rules_and_fixed_lifetimes_are_unknown() -> None:
    known = LearnedLifetimes(lambda _: True)
    known.note(b"p", ENTRY)
    assert known.past(b"q", "d") is None
    assert known.past(b"p", "another") is None
    known.note(b"p", stored())
    assert known.past(b"p", "d") is None


def test_it_is_bounded() -> None:
    known = LearnedLifetimes(lambda _: True, max_places=2)
    for place in (b"a", b"b", b"a", b"c"):
        known.note(place, ENTRY)
    assert [known.past(place, "d") is None for place in (b"a", b"b", b"c")] == [False, True, False]


def test_the_spans_are_of_what_is_not_over() -> None:
    known = LearnedLifetimes(lambda _: True)
    for place, seconds, route in ((b"a", 10.0, "r"), (b"b", 20.0, "r"), (b"c", 5.0, "s")):
        known.note(place, stored(learned=seconds, lifetime=seconds, route=route))
    assert known.spans(NOW) == {"r": Span(2, 10.0, 15.0, 20.0), "s": Span(1, 5.0, 5.0, 5.0)}
    assert known.spans(NOW + 15) == {"r": Span(1, 20.0, 20.0, 20.0)}
