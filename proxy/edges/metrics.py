"""Prometheus metrics: counted from exchange records, read from the parts at a scrape.

The only file that imports prometheus_client. Every hit pays for `observe`, so it
counts into plain integers, and the client's families are made when somebody
scrapes, in another thread: what it reads is copied first. Invariant: every
family of Larder's own is in `families.METRICS`.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from proxy.edges.families import METRICS, Labels
from proxy.observing import Again, Counts, Observer
from proxy.outcomes import ExchangeRecord, Reason, Tier

Sample = tuple[str, Labels, float]
"""One value read at a scrape: the metric's name, its labels in order, the number."""

BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
_BOUNDS: Final = (*(str(bound) for bound in BUCKETS), "+Inf")


class _Histogram:
    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(BUCKETS, value)] += times
        self.sum += value * times

    def cumulative(self) -> list[tuple[str, float]]:
        return list(zip(_BOUNDS, map(float, accumulate(self.counts)), strict=True))


class _Series:
    """What is counted of every exchange with one route and outcome."""

    __slots__ = ("duration", "reasons", "response_bytes", "statuses", "tiers")

    def __init__(self) -> None:
        self.duration = _Histogram()
        self.response_bytes = 0
        self.statuses: dict[int, int] = defaultdict(int)
        self.tiers: dict[Tier, int] = defaultdict(int)
        self.reasons: dict[Reason, int] = defaultdict(int)

    def add(self, record: ExchangeRecord, again: Again) -> None:
        status, tier, reason, times = record.status // 100, record.tier, record.reason, again.times
        self.statuses[status] += times
        for seconds, alike in again.durations:
            self.duration.observe(seconds, alike)
        self.response_bytes += again.response_bytes
        if tier is not None:
            self.tiers[tier] += times
        if reason is not None:
            self.reasons[reason] += times


class _Counted(Collector):
    """Counts records and operations; turns the counts into families at a scrape."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], _Series] = defaultdict(_Series)
        self._upstream: dict[str, _Histogram] = defaultdict(_Histogram)
        self._operations: dict[tuple[str, str], _Histogram] = defaultdict(_Histogram)
        self._upstream_statuses: dict[tuple[str, int], int] = defaultdict(int)
        self._stored: dict[str, int] = defaultdict(int)
        self._counts: dict[tuple[str, Labels], int] = defaultdict(int)

    def operation(self, tier: Tier, op: str, result: str, seconds: float) -> None:
        self._count("larder_store_operations_total", tier, op, result)
        self._operations[tier, op].observe(seconds)

    def observe(self, record: ExchangeRecord, again: Again) -> None:
        if record.background:
            self._observe_upstream(record, again)
            return
        key = (record.route, record.outcome)
        self._series[key].add(record, again)
        if record.request_bytes:
            name = "larder_request_body_bytes_total"
            self._count(name, record.route, by=record.request_bytes * again.times)
        if record.aborted:
            self._count("larder_aborted_total", record.route, by=again.times)
        if record.collapsed:
            self._count("larder_collapsed_total", record.route, record.outcome, by=again.times)
        else:
            self._observe_upstream(record, again)

    def _observe_upstream(self, record: ExchangeRecord, again: Again) -> None:
        """Count the upstream calls that were these exchanges' own."""
        route = record.route
        if again.upstream_s:
            observe = self._upstream[route].observe
            for seconds in again.upstream_s:
                observe(seconds)
        if record.upstream_status is not None:
            self._upstream_statuses[route, record.upstream_status // 100] += again.times
        if record.stored:
            self._stored[route] += again.times
        if record.not_stored is not None:
            self._count("larder_not_stored_total", route, record.not_stored, by=again.times)

    def _count(self, name: str, *labels: str, by: int = 1) -> None:
        self._counts[name, labels] += by

    def collect(self) -> Iterator[Metric]:
        yield from _families(self._samples())
        durations = [(key, series.duration) for key, series in list(self._series.items())]
        yield _histograms("larder_request_duration_seconds", durations)
        upstream = [((route,), histogram) for route, histogram in list(self._upstream.items())]
        yield _histograms("larder_upstream_duration_seconds", upstream)
        operations = list(self._operations.items())
        yield _histograms("larder_store_operation_duration_seconds", operations)

    def _samples(self) -> Iterator[Sample]:
        hits: dict[Labels, int] = {}
        for key, series in list(self._series.items()):
            yield "larder_response_body_bytes_total", key, series.response_bytes
            for status, count in list(series.statuses.items()):
                yield "larder_requests_total", (*key, f"{status}xx"), count
            for reason, count in list(series.reasons.items()):
                yield "larder_reasons_total", (*key, reason), count
            for tier, count in list(series.tiers.items()):
                hits[key[0], tier] = hits.get((key[0], tier), 0) + count
        for labels, count in hits.items():
            yield "larder_hits_total", labels, count
        for (route, status), count in list(self._upstream_statuses.items()):
            yield "larder_upstream_responses_total", (route, f"{status}xx"), count
        for route, count in list(self._stored.items()):
            yield "larder_stored_total", (route,), count
        for (name, labels), count in list(self._counts.items()):
            yield name, labels, count


class _Scrape(Collector):
    """What one scrape gets: the registry, and samples read for it beforehand."""

    def __init__(self, registry: CollectorRegistry, readings: Iterable[Sample]) -> None:
        self._registry = registry
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        yield from self._registry.collect()
        yield from _families(self._readings)


def _histograms(name: str, found: Iterable[tuple[Labels, _Histogram]]) -> Metric:
    family = HistogramMetricFamily(name, METRICS[name].help, labels=METRICS[name].labels)
    for labels, histogram in found:
        family.add_metric(labels, histogram.cumulative(), histogram.sum)
    return family


def _families(samples: Iterable[Sample]) -> Iterator[Metric]:
    families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for name, labels, value in samples:
        family = families.get(name)
        if family is None:
            spec = METRICS[name]
            made = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
            family = families[name] = made(name, spec.help, labels=spec.labels)
        family.add_metric(labels, value)
    yield from families.values()


class Metrics:
    """The program's registry; `observe` is an Observer of exchanges, `operation` of the stores."""

    def __init__(self, version: str) -> None:
        """Make an empty registry of its own, with the process's metrics in it."""
        self._registry = CollectorRegistry(auto_describe=False)
        self._counted = _Counted()
        self._rules: dict[str, Sample] = {}
        self._reloads = {"ok": 0, "refused": 0}
        self._build = (version, platform.python_version())
        self.observe: Observer = Counts(self._counted.observe)
        self.operation: Callable[[Tier, str, str, float], None] = self._counted.operation
        self._registry.register(self._counted)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def rules_loaded(self, digest: str, at: float) -> None:
        """Note that these rules are in force since `at`."""
        self._reloads["ok"] += 1
        self._rules = {
            name: (name, labels, value)
            for name, labels, value in (
                ("larder_rules_info", (digest,), 1.0),
                ("larder_rules_loaded_timestamp_seconds", (), at),
                ("larder_rules_last_reload_success", (), 1.0),
            )
        }

    def rules_refused(self) -> None:
        """Note that a load was refused and the old rules stayed."""
        self._reloads["refused"] += 1
        name = "larder_rules_last_reload_success"
        self._rules[name] = (name, (), 0.0)

    def _own_samples(self) -> Iterator[Sample]:
        yield "larder_build_info", self._build, 1.0
        yield from self._rules.values()
        for result, count in self._reloads.items():
            yield "larder_rules_reloads_total", (result,), count

    def exposition(self, accept: str = "", readings: Iterable[Sample] = ()) -> tuple[bytes, str]:
        """The scrape's body and content type, in the format `accept` prefers.

        Reads files of /proc and may take milliseconds, so it is for a thread. `readings`
        are samples of the running parts, taken on the event loop.
        """
        encode, content_type = choose_encoder(accept)
        own = (*self._own_samples(), *readings)
        return encode(_Scrape(self._registry, own)), content_type
