"""Names are chosen when they come, few at once, and make room for those that come more often."""

from __future__ import annotations

from proxy.edges.frequent import Frequent


def sighted(*names: str, times: int = 1) -> Frequent:
    """What has seen these, each so often."""
    frequent = Frequent()
    for _ in range(times):
        for name in names:
            frequent.sighted([name])
    return frequent


def numbered(count: int, prefix: str = "junk") -> list[str]:
    """So many names."""
    return [f"{prefix}-{number}" for number in range(count)]


def test_a_name_is_chosen_when_it_comes() -> None:
    frequent = Frequent()
    assert frequent.sighted(["a", "b"])
    assert frequent.names == {"a", "b"}
    assert not frequent.sighted(["b"])
    assert not frequent.sighted(())


def test_when_half_of_the_places_are_taken_it_is_when_it_comes_again() -> None:
    frequent = sighted(*numbered(16))
    assert not frequent.sighted(["a", "b"])
    assert frequent.sighted(["b", "c"])
    assert frequent.names == {*numbered(16), "b"}


def test_what_comes_once_takes_no_more_places() -> None:
    assert sighted(*numbered(5000)).names == set(numbered(16))


def test_so_many_are_chosen_and_no_more() -> None:
    assert len(sighted(*numbered(60), times=3).names) == 32


def test_so_many_of_one_sighting_are_counted_and_no_more() -> None:
    frequent = Frequent()
    for _ in range(2):
        frequent.sighted(numbered(60))
    assert frequent.names == set(numbered(16))
    assert not frequent.sighted(numbered(60)[16:])
    assert frequent.sighted(numbered(60)[16:])
    assert frequent.names == set(numbered(32))


def test_a_name_that_comes_often_takes_the_place_of_one_that_does_not() -> None:
    frequent = sighted(*numbered(60), times=2)
    for _ in range(1024):
        frequent.sighted(["honest"])
    assert "honest" in frequent.names
    assert len(frequent.names) == 32


def test_a_name_among_ever_new_ones_is_chosen() -> None:
    frequent = sighted(*numbered(60), times=2)
    for number in range(4096):
        frequent.sighted([f"new-{number}-{each}" for each in range(15)])
        if number % 8 == 0:
            frequent.sighted(["honest"])
    assert "honest" in frequent.names


def test_the_choice_changes_seldom_once_there_is_no_room() -> None:
    frequent = sighted(*numbered(32), times=2)
    changes = sum(frequent.sighted([f"more-{number // 2}"]) for number in range(8192))
    assert 0 < changes <= 8192 // 1024


def test_what_is_chosen_stays_while_nothing_comes_more_often() -> None:
    names = numbered(32)
    frequent = sighted(*names, times=2)
    for _ in range(5000):
        assert not frequent.sighted(())
    assert frequent.names == set(names)
