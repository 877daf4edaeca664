"""Statistics since the start, per route and in all: what the cache was worth.

Knows ExchangeRecord and nothing of metrics or logs. Kept on the event loop's
thread. Invariants: `total` is the sum of the routes; a snapshot is plain data,
ready for JSON; seconds saved are an estimate (a route's smoothed upstream
seconds, once for each hit) and are called one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.learned import Span
from proxy.observing import Again
from proxy.outcomes import PASSED, SERVED, ExchangeRecord, Outcome

SAVED: Final = frozenset({Outcome.HIT, Outcome.STALE})
"""Outcomes in which the client waited for no upstream at all."""

_SMOOTHING: Final = 0.2

Json = dict[str, object]


@dataclass(slots=True)
class RouteStats:
    """The running figures of one route."""

    requests: int = 0
    aborted: int = 0
    upstream_calls: int = 0
    stored: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    saved_bytes: int = 0
    saved_s: float = 0.0
    upstream_s: float | None = None
    outcomes: dict[Outcome, int] = field(default_factory=dict)

    def add(self, record: ExchangeRecord, again: Again) -> None:
        """Count so many alike; of those that no client waited for, only the upstream calls."""
        if record.background:
            self._add_calls(again)
            return
        outcome, times = record.outcome, again.times
        self.requests += times
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + times
        self.aborted += record.aborted * times
        self.stored += record.stored * times
        self.request_bytes += record.request_bytes * times
        self.response_bytes += again.response_bytes
        if not record.collapsed:
            self._add_calls(again)
        if outcome in SERVED:
            self.saved_bytes += again.response_bytes
        if outcome in SAVED:
            self.saved_s += (self.upstream_s or 0.0) * times

    def _add_calls(self, again: Again) -> None:
        self.upstream_calls += len(again.upstream_s)
        for new in again.upstream_s:
            old = self.upstream_s
            self.upstream_s = new if old is None else old + _SMOOTHING * (new - old)

    def merge(self, other: RouteStats) -> None:
        """Add another's counts; the smoothed upstream seconds stay a route's own."""
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count

    def snapshot(self) -> Json:
        """The figures as plain data; `hit_rate` is None until something was looked up."""
        served = sum(self.outcomes.get(outcome, 0) for outcome in SERVED)
        looked_up = self.requests - sum(self.outcomes.get(outcome, 0) for outcome in PASSED)
        return {
            "requests": self.requests,
            "hit_rate": round(served / looked_up, 4) if looked_up else None,
            "outcomes": {outcome.value: self.outcomes.get(outcome, 0) for outcome in Outcome},
            "upstream_calls": self.upstream_calls,
            "upstream_s": None if self.upstream_s is None else round(self.upstream_s, 6),
            "stored": self.stored,
            "aborted": self.aborted,
            "request_bytes": self.request_bytes,
            "response_bytes": self.response_bytes,
            "saved_bytes": self.saved_bytes,
            "saved_s": round(self.saved_s, 3),
        }


_SUMMED: Final = (
    "requests",
    "aborted",
    "upstream_calls",
    "stored",
    "request_bytes",
    "response_bytes",
    "saved_bytes",
    "saved_s",
)


class Statistics:
    """An Observer that keeps a RouteStats for each route."""

    def __init__(self, since: float) -> None:
        """Start counting at `since`, epoch seconds."""
        self.since = since
        self.spans: Callable[[float], Mapping[str, Span]] = _none_learnt
        """The learnt lifetimes by route now."""
        self._routes: dict[str, RouteStats] = {}

    def count(self, record: ExchangeRecord, again: Again) -> None:
        """Count so many alike under their route."""
        route = self._routes.get(record.route)
        if route is None:
            route = self._routes[record.route] = RouteStats()
        route.add(record, again)

    def reset(self, at: float) -> None:
        """Count from nothing again since `at`, epoch seconds."""
        self.since = at
        self._routes.clear()

    def snapshot(self, now: float) -> Json:
        """Everything as plain data: since when, the total, and each route by name."""
        spans = self.spans(now)
        return {
            "since": self.since,
            "uptime_s": round(now - self.since, 3),
            "total": _total(self._routes.values()).snapshot(),
            "routes": {
                name: {**stats.snapshot(), **_adaptive(spans.get(name))}
                for name, stats in sorted(self._routes.items())
            },
        }


def _none_learnt(_: float) -> Mapping[str, Span]:
    return {}


def _adaptive(span: Span | None) -> Json:
    """The learnt lifetimes of a route's entries, where its rule has any learnt."""
    if span is None:
        return {}
    return {
        "adaptive": {
            "entries": span.entries,
            "min_s": round(span.least, 3),
            "avg_s": round(span.average, 3),
            "max_s": round(span.most, 3),
        }
    }


def _total(routes: Iterable[RouteStats]) -> RouteStats:
    total = RouteStats()
    for route in routes:
        total.merge(route)
    return total
