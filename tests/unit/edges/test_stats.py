"""Statistics: counts, hit rate, bytes and seconds saved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.edges.stats import Statistics
from proxy.learned import Span
from proxy.observing import Again, Counts
from proxy.outcomes import Bypass, ExchangeRecord, Outcome
from tests.support.records import hit, miss


def _observed(*records: ExchangeRecord) -> dict[str, Any]:
    statistics = Statistics(since=100.0)
    for record in records:
        Counts(statistics.count)(record)
    snapshot: dict[str, Any] = json.loads(json.dumps(statistics.snapshot(now=160.0)))
    return snapshot


def test_an_empty_snapshot_has_no_hit_rate() -> None:
    snapshot = _observed()
    assert (snapshot["since"], snapshot["uptime_s"], snapshot["routes"]) == (100.0, 60.0, {})
    assert snapshot["total"]["hit_rate"] is None


def test_a_hit_saves_the_upstreams_seconds_and_its_bytes() -> None:
    total = _observed(miss(upstream_s=2.0), hit(), hit())["total"]
    assert total["requests"] == 3
    assert total["outcomes"]["hit"] == 2
    assert total["saved_s"] == 4.0
    assert total["saved_bytes"] == 200
    assert total["response_bytes"] == 300
    assert total["upstream_calls"] == 1
    assert total["hit_rate"] == pytest.approx(0.6667)


def test_upstream_seconds_are_smoothed() -> None:
    route = _observed(miss(upstream_s=1.0), miss(upstream_s=2.0))["routes"]["scenes"]
    assert route["upstream_s"] == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("outcome", "rate", "saved_s"),
    [
        (Outcome.HIT, 1.0, 1.0),
        (Outcome.STALE, 1.0, 1.0),
        (Outcome.STALE_ERROR, 1.0, 0.0),
        (Outcome.COLLAPSED, 1.0, 0.0),
        (Outcome.REVALIDATED, 0.0, 0.0),
        (Outcome.ERROR, 0.0, 0.0),
    ],
)
def test_what_counts_as_served(outcome: Outcome, rate: float, saved_s: float) -> None:
    """The first miss gives the upstream's seconds; the rate leaves it out."""
    total = _observed(miss(upstream_s=1.0), hit(outcome=outcome))["total"]
    assert total["hit_rate"] == rate / 2
    assert total["saved_s"] == saved_s


def test_what_was_not_looked_up_does_not_spoil_the_hit_rate() -> None:
    bypass = miss(outcome=Outcome.BYPASS, reason=Bypass.TTL_OFF, stored=False)
    refused = hit(outcome=Outcome.REFUSED, tier=None)
    assert _observed(hit(), bypass, refused)["total"]["hit_rate"] == 1.0


def test_a_follower_makes_no_upstream_call() -> None:
    follower = miss(outcome=Outcome.COLLAPSED, collapsed=True, stored=False)
    total = _observed(miss(), follower)["total"]
    assert total["upstream_calls"] == 1
    assert total["stored"] == 1


def test_learnt_lifetimes_are_told_of_routes_that_learn() -> None:
    statistics = Statistics(0.0)
    statistics.spans = lambda now: {"learns": Span(2, 10.0, now, 20.0)}
    for route in ("learns", "fixed"):
        Counts(statistics.count)(miss(route=route))
    routes: Any = statistics.snapshot(15.0)["routes"]
    told = {"entries": 2, "min_s": 10.0, "avg_s": 15.0, "max_s": 20.0}
    assert routes["learns"]["adaptive"] == told
    assert "adaptive" not in routes["fixed"]


def test_the_total_is_the_sum_of_the_routes() -> None:
    snapshot = _observed(hit(route="b"), miss(route="a", aborted=True, request_bytes=7))
    assert list(snapshot["routes"]) == ["a", "b"]
    total = snapshot["total"]
    for name in ("requests", "aborted", "stored", "request_bytes", "response_bytes"):
        assert total[name] == sum(route[name] for route in snapshot["routes"].values())
    assert total["outcomes"]["hit"] == 1
    assert total["upstream_s"] is None


MORE = Again(9.0, 3, ((0.002, 2), (0.5, 1)), (1.0, 2.0, 3.0), 700)


def _more(record: ExchangeRecord, again: Again) -> dict[str, Any]:
    statistics = Statistics(since=0.0)
    statistics.count(record, again)
    routes: dict[str, dict[str, Any]] = json.loads(json.dumps(statistics.snapshot(1.0)))["routes"]
    return routes["scenes"]


def test_more_of_one_kind_are_counted_each() -> None:
    route = _more(miss(outcome=Outcome.BYPASS, stored=False, request_bytes=2), MORE)
    assert (route["requests"], route["outcomes"]["bypass"], route["upstream_calls"]) == (3, 3, 3)
    assert (route["request_bytes"], route["response_bytes"], route["saved_bytes"]) == (6, 700, 0)


def test_their_calls_are_smoothed_in_their_order() -> None:
    each = _observed(*(miss(upstream_s=seconds) for seconds in MORE.upstream_s))
    assert _more(miss(), MORE)["upstream_s"] == each["routes"]["scenes"]["upstream_s"]


def test_more_hits_save_each_as_much() -> None:
    statistics = Statistics(since=0.0)
    statistics.count(miss(), Again.of(miss(upstream_s=2.0)))
    statistics.count(hit(), Again(9.0, 5, ((0.1, 5),), (), 500))
    total: Any = statistics.snapshot(1.0)["total"]
    assert (total["saved_s"], total["saved_bytes"], total["upstream_calls"]) == (10.0, 500, 1)


def test_more_that_no_client_waited_for_count_their_calls_alone() -> None:
    route = _more(miss(background=True), MORE)
    assert (route["requests"], route["upstream_calls"], route["response_bytes"]) == (0, 3, 0)


def test_more_that_followed_another_made_no_call() -> None:
    route = _more(miss(outcome=Outcome.COLLAPSED, collapsed=True), MORE)
    assert (route["requests"], route["upstream_calls"], route["upstream_s"]) == (3, 0, None)
