"""Metrics: counted from records, read at a scrape, in the formats Prometheus reads."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.edges.metrics import BUCKETS, Metrics
from proxy.observing import Again, Counts
from proxy.outcomes import Bypass, ExchangeRecord, NotStored, Outcome, Tier
from tests.support.records import hit, miss

Scrape = dict[tuple[str, frozenset[tuple[str, str]]], float]


def _scrape(metrics: Metrics) -> Scrape:
    text = metrics.exposition()[0].decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _observed(*records: ExchangeRecord) -> Scrape:
    metrics = Metrics("1.2.3")
    for record in records:
        metrics.observe(record)
    return _scrape(metrics)


def _value(scrape: Scrape, name: str, **labels: str) -> float:
    return scrape[name, frozenset(labels.items())]


def test_requests_by_route_outcome_and_status_class() -> None:
    scrape = _observed(hit(), hit(), hit(status=304), miss())
    name = "larder_requests_total"
    assert _value(scrape, name, route="scenes", outcome="hit", status_class="2xx") == 2
    assert _value(scrape, name, route="scenes", outcome="hit", status_class="3xx") == 1
    assert _value(scrape, name, route="scenes", outcome="miss", status_class="2xx") == 1


def test_hits_of_a_tier_are_counted_together_whatever_became_of_them() -> None:
    scrape = _observed(hit(), hit(outcome=Outcome.STALE), hit(tier=Tier.SHARED))
    assert _value(scrape, "larder_hits_total", route="scenes", tier="memory") == 2
    assert _value(scrape, "larder_hits_total", route="scenes", tier="shared") == 1


@pytest.mark.parametrize("duration", [0.0, *BUCKETS, 1e9])
def test_durations_fall_into_the_bucket_that_bounds_them(duration: float) -> None:
    scrape = _observed(hit(duration_s=duration))
    name = "larder_request_duration_seconds_bucket"
    for bound in (*BUCKETS, math.inf):
        le = "+Inf" if bound == math.inf else str(bound)
        expected = 1 if duration <= bound else 0
        assert _value(scrape, name, route="scenes", outcome="hit", le=le) == expected
    sums = _value(scrape, "larder_request_duration_seconds_sum", route="scenes", outcome="hit")
    assert sums == duration


@pytest.mark.parametrize(
    ("record", "name", "labels", "value"),
    [
        (hit(), "larder_hits_total", {"tier": "memory"}, 1),
        (hit(tier=Tier.SHARED), "larder_hits_total", {"tier": "shared"}, 1),
        (
            miss(outcome=Outcome.BYPASS, reason=Bypass.TTL_OFF),
            "larder_reasons_total",
            {"outcome": "bypass", "reason": "ttl-off"},
            1,
        ),
        (miss(), "larder_stored_total", {}, 1),
        (
            miss(stored=False, not_stored=NotStored.PRIVATE),
            "larder_not_stored_total",
            {"reason": "private"},
            1,
        ),
        (miss(), "larder_upstream_duration_seconds_sum", {}, 0.5),
        (miss(upstream_status=503), "larder_upstream_responses_total", {"status_class": "5xx"}, 1),
        (
            miss(outcome=Outcome.COLLAPSED, collapsed=True),
            "larder_collapsed_total",
            {"end": "collapsed"},
            1,
        ),
        (hit(aborted=True), "larder_aborted_total", {}, 1),
        (hit(request_bytes=7), "larder_request_body_bytes_total", {}, 7),
        (hit(), "larder_response_body_bytes_total", {"outcome": "hit"}, 100),
    ],
)
def test_what_a_record_counts(
    record: ExchangeRecord, name: str, labels: dict[str, str], value: float
) -> None:
    assert _value(_observed(record), name, route="scenes", **labels) == value


def test_a_follower_counts_no_upstream_call() -> None:
    scrape = _observed(miss(outcome=Outcome.COLLAPSED, collapsed=True))
    names = {name for name, _ in scrape}
    assert "larder_upstream_responses_total" not in names
    assert "larder_stored_total" not in names


def test_rules_and_build() -> None:
    metrics = Metrics("1.2.3")
    metrics.rules_loaded("abc", 5.0)
    metrics.rules_loaded("def", 6.0)
    metrics.rules_refused()
    scrape = _scrape(metrics)
    assert _value(scrape, "larder_rules_info", digest="def") == 1
    assert ("larder_rules_info", frozenset({("digest", "abc")})) not in scrape
    assert _value(scrape, "larder_rules_loaded_timestamp_seconds") == 6.0
    assert _value(scrape, "larder_rules_last_reload_success") == 0
    assert _value(scrape, "larder_rules_reloads_total", result="ok") == 2
    assert _value(scrape, "larder_rules_reloads_total", result="refused") == 1
    assert any(name == "larder_build_info" for name, _ in scrape)
    assert any(name == "process_resident_memory_bytes" for name, _ in scrape)


def test_readings_of_the_moment_are_in_the_scrape_they_were_taken_for() -> None:
    metrics = Metrics("1")
    body, _ = metrics.exposition("", [("larder_flights", (), 2.0)])
    assert b"larder_flights 2.0\n" in body
    assert b"larder_flights" not in metrics.exposition()[0]


def test_openmetrics_is_given_to_who_prefers_it() -> None:
    metrics = Metrics("1")
    metrics.observe(hit())
    body, content_type = metrics.exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


MORE = Again(9.0, 3, ((0.002, 2), (0.5, 1)), (0.25, 0.125, 2.0), 700)
"""Three with calls: their durations, their calls' and the bytes of all."""


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("larder_requests_total", {"outcome": "bypass", "status_class": "2xx"}, 3),
        ("larder_reasons_total", {"outcome": "bypass", "reason": "ttl-off"}, 3),
        ("larder_request_duration_seconds_count", {"outcome": "bypass"}, 3),
        ("larder_request_duration_seconds_sum", {"outcome": "bypass"}, 0.504),
        ("larder_request_duration_seconds_bucket", {"outcome": "bypass", "le": "0.1"}, 2),
        ("larder_upstream_duration_seconds_count", {}, 3),
        ("larder_upstream_duration_seconds_sum", {}, 2.375),
        ("larder_upstream_duration_seconds_bucket", {"le": "1.0"}, 2),
        ("larder_upstream_responses_total", {"status_class": "2xx"}, 3),
        ("larder_response_body_bytes_total", {"outcome": "bypass"}, 700),
        ("larder_request_body_bytes_total", {}, 6),
    ],
)
def test_more_of_one_kind_are_counted_each(name: str, labels: dict[str, str], value: float) -> None:
    metrics = Metrics("1")
    assert isinstance(metrics.observe, Counts)
    record = miss(outcome=Outcome.BYPASS, reason=Bypass.TTL_OFF, stored=False, request_bytes=2)
    metrics.observe.add(record, MORE)
    assert _value(_scrape(metrics), name, route="scenes", **labels) == pytest.approx(value)


def test_more_that_no_client_waited_for_count_their_calls_alone() -> None:
    metrics = Metrics("1")
    assert isinstance(metrics.observe, Counts)
    metrics.observe.add(miss(background=True, stored=False), MORE)
    scrape = _scrape(metrics)
    assert _value(scrape, "larder_upstream_duration_seconds_count", route="scenes") == 3
    assert "larder_requests_total" not in {name for name, _ in scrape}


def test_more_that_called_nobody_have_no_call() -> None:
    metrics = Metrics("1")
    assert isinstance(metrics.observe, Counts)
    metrics.observe.add(hit(), MORE._replace(upstream_s=()))
    names = {name for name, _ in _scrape(metrics)}
    assert "larder_upstream_duration_seconds_count" not in names
    assert "larder_upstream_responses_total" not in names
