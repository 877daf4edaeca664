"""The samples a scrape reads from the running parts: stores, journal, breakers, flights.

Knows Readings and CacheStatus; counts nothing itself. Invariant: what a part
cannot tell is left out, never given as 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.edges.control import Control, Readings
from proxy.edges.metrics import Sample
from proxy.outcomes import Tier
from proxy.store.base import CacheStatus, TierStatus


def samples(control: Control) -> Iterator[Sample]:
    """Everything a scrape reads from the running program."""
    yield from _of_program(control.readings())
    yield from _of_cache(control.cache.status())
    yield from control.accounts.samples()


def _of_program(readings: Readings) -> Iterator[Sample]:
    yield "larder_requests_in_flight", (), readings.in_flight
    yield "larder_flights", (), readings.flights
    yield "larder_buffered_bytes", (), readings.buffered_bytes
    yield "larder_background_jobs", (), readings.behind
    for labels, count in readings.behind_done.items():
        yield "larder_background_jobs_total", labels, count
    yield "larder_log_lines_dropped_total", (), readings.dropped_log_lines
    for name, lane in readings.lanes.items():
        yield "larder_lane_answers_total", (name,), lane.answered
        yield "larder_lane_requests", (name,), lane.requests
        yield "larder_lane_bytes", (name,), lane.size_bytes
    for upstream, state in readings.breakers.items():
        yield "larder_breaker_state", (upstream,), state


def _of_cache(status: CacheStatus) -> Iterator[Sample]:
    yield from _of_tier(Tier.MEMORY, status.memory)
    if status.shared is None:
        return
    yield from _of_tier(Tier.SHARED, status.shared)
    yield "larder_shared_store_up", (), status.online
    yield "larder_shared_store_breaker_open", (), status.breaker_open
    if status.lag_s is not None:
        yield "larder_journal_lag_seconds", (), status.lag_s
    yield "larder_journal_trusted", (), status.trusted
    yield "larder_pending_invalidations", (), status.pending_facts
    yield "larder_queued_writes", (), status.queued_writes
    yield "larder_dropped_writes_total", (), status.dropped_writes


def _of_tier(tier: Tier, status: TierStatus) -> Iterator[Sample]:
    for name, value in (
        ("larder_store_bytes", status.size_bytes),
        ("larder_store_limit_bytes", status.max_bytes),
        ("larder_store_entries", status.entries),
        ("larder_evictions_total", status.evictions),
    ):
        if value is not None:
            yield name, (tier,), value
