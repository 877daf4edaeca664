"""Figures of each session, bounded."""

from __future__ import annotations

from proxy.edges.session_stats import MAX_SESSIONS, MAX_VALUES, SessionStatistics
from proxy.observing import Counts
from proxy.outcomes import Outcome
from tests.support.records import hit, miss


def test_hits_misses_and_what_is_counted() -> None:
    statistics = SessionStatistics()
    Counts(statistics.count)(miss(at=10.0, session="s", counted=(("devices", "a"), ("ways", "x"))))
    Counts(statistics.count)(hit(at=20.0, session="s", counted=(("devices", "b"),)))
    Counts(statistics.count)(hit(at=15.0, session="s", counted=(("devices", "a"),)))
    Counts(statistics.count)(hit(at=20.0, session="s", outcome=Outcome.BYPASS))
    Counts(statistics.count)(miss(at=20.0, session="s", outcome=Outcome.ERROR, stored=False))
    stats = statistics.of("s")
    assert stats is not None
    assert (stats.began_at, stats.seen_at) == (10.0, 20.0)
    assert (stats.requests, stats.hits, stats.misses) == (5, 2, 2)
    assert stats.counts() == {"devices": 2, "ways": 1}


def test_others_are_not_counted() -> None:
    statistics = SessionStatistics()
    Counts(statistics.count)(hit())
    Counts(statistics.count)(hit(session="s", background=True))
    assert statistics.digests() == ()


def test_the_session_used_least_recently_makes_room() -> None:
    statistics = SessionStatistics()
    for number in range(MAX_SESSIONS):
        Counts(statistics.count)(hit(session=f"{number}"))
    Counts(statistics.count)(hit(session="0"))
    Counts(statistics.count)(hit(session="new"))
    assert len(statistics.digests()) == MAX_SESSIONS
    assert (statistics.of("0") is None, statistics.of("1") is None) == (False, True)


def test_values_are_counted_to_a_bound() -> None:
    statistics = SessionStatistics()
    for number in range(MAX_VALUES + 5):
        Counts(statistics.count)(hit(session="s", counted=(("devices", f"{number}"),)))
    stats = statistics.of("s")
    assert stats is not None
    assert stats.counts() == {"devices": MAX_VALUES}


def test_forgetting() -> None:
    statistics = SessionStatistics()
    Counts(statistics.count)(hit(session="s"))
    assert (statistics.forget("s"), statistics.forget("s")) == (True, False)
    assert statistics.of("s") is None
