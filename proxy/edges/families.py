"""Every metric of Larder's own: name, kind, labels, help. The documentation is held to it.

Knows nothing of counting. Invariants: names end as Prometheus asks, in base units;
a label is route, outcome, tier, reason or the like, of a bounded set, never a URL
or a key.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Labels = tuple[str, ...]


class Family(NamedTuple):
    """What a metric is called, what it counts and by what."""

    kind: Literal["counter", "gauge", "histogram"]
    labels: Labels
    help: str


METRICS: Final[dict[str, Family]] = {
    "larder_requests_total": Family(
        "counter", ("route", "outcome", "status_class"), "Requests answered"
    ),
    "larder_request_duration_seconds": Family(
        "histogram", ("route", "outcome"), "From the request's head to the answer's end"
    ),
    "larder_upstream_duration_seconds": Family(
        "histogram", ("route",), "From an upstream call to the head of its answer"
    ),
    "larder_upstream_responses_total": Family(
        "counter", ("route", "status_class"), "Answers the upstream gave"
    ),
    "larder_hits_total": Family("counter", ("route", "tier"), "Hits by the tier that had them"),
    "larder_reasons_total": Family(
        "counter", ("route", "outcome", "reason"), "Bypasses, refusals and misses with a reason"
    ),
    "larder_stored_total": Family("counter", ("route",), "Upstream answers stored"),
    "larder_not_stored_total": Family(
        "counter", ("route", "reason"), "Upstream answers not stored, by reason"
    ),
    "larder_collapsed_total": Family(
        "counter", ("route", "end"), "Requests that waited for another's upstream call, by outcome"
    ),
    "larder_aborted_total": Family("counter", ("route",), "Answers broken off before their end"),
    "larder_request_body_bytes_total": Family("counter", ("route",), "Request body bytes read"),
    "larder_response_body_bytes_total": Family(
        "counter", ("route", "outcome"), "Response body bytes sent to clients"
    ),
    "larder_requests_in_flight": Family("gauge", (), "Requests being answered now"),
    "larder_flights": Family("gauge", (), "Upstream calls under way that others may join"),
    "larder_buffered_bytes": Family(
        "gauge", (), "Bytes of bodies on their way: being recorded, waited for, or read for a key"
    ),
    "larder_background_jobs": Family(
        "gauge", (), "Prefetches and the like that run or wait for their turn"
    ),
    "larder_background_jobs_total": Family(
        "counter",
        ("upstream", "result"),
        "Such jobs by upstream (empty: they call none) and result: done, failed, dropped, refused",
    ),
    "larder_lane_answers_total": Family(
        "counter",
        ("lane",),
        "Requests answered without parsing them: hits in memory (hot) and in the shared store "
        "(far), and what was passed on (relay); `larder_requests_total` has them too",
    ),
    "larder_lane_requests": Family(
        "gauge", ("lane",), "Requests known beforehand; those that say the same are one"
    ),
    "larder_lane_bytes": Family("gauge", ("lane",), "Bytes taken up by what is known of them"),
    "larder_breaker_state": Family(
        "gauge", ("upstream",), "Upstream breaker: 0 closed, 1 half open, 2 open"
    ),
    "larder_store_bytes": Family("gauge", ("tier",), "Bytes a tier holds"),
    "larder_store_limit_bytes": Family("gauge", ("tier",), "Bytes a tier may hold"),
    "larder_store_entries": Family("gauge", ("tier",), "Stored responses a tier holds"),
    "larder_store_operations_total": Family(
        "counter", ("tier", "op", "result"), "Operations on a store"
    ),
    "larder_store_operation_duration_seconds": Family(
        "histogram", ("tier", "op"), "How long an operation on a store took"
    ),
    "larder_evictions_total": Family("counter", ("tier",), "Entries dropped to make room"),
    "larder_shared_store_up": Family(
        "gauge", (), "1 while the shared store answers and its journal is followed"
    ),
    "larder_shared_store_breaker_open": Family(
        "gauge", (), "1 while the shared store is left alone because it failed"
    ),
    "larder_journal_lag_seconds": Family(
        "gauge", (), "How long ago this instance last knew it had followed every invalidation"
    ),
    "larder_journal_trusted": Family(
        "gauge", (), "0 once that was longer ago than store.max_lag: memory is not served from"
    ),
    "larder_pending_invalidations": Family(
        "gauge", (), "Invalidations of this instance that wait for the shared store to come back"
    ),
    "larder_queued_writes": Family(
        "gauge", (), "Stored responses on their way to the shared store"
    ),
    "larder_dropped_writes_total": Family(
        "counter", (), "Stored responses that never reached the shared store"
    ),
    "larder_cost_total": Family(
        "counter", ("route", "unit"), "What answers have cost, of upstreams and from the cache"
    ),
    "larder_saved_total": Family(
        "counter", ("route", "unit"), "What answers from the cache have saved"
    ),
    "larder_unpriced_total": Family(
        "counter", ("route", "unit"), "Upstream answers whose cost is not known"
    ),
    "larder_alert_firing": Family("gauge", ("alert",), "1 while an alert of the rules fires"),
    "larder_rules_info": Family("gauge", ("digest",), "1, by the digest of the rules in force"),
    "larder_rules_loaded_timestamp_seconds": Family(
        "gauge", (), "When the rules in force were loaded"
    ),
    "larder_rules_last_reload_success": Family(
        "gauge", (), "1 when the last load succeeded, 0 when it was refused"
    ),
    "larder_rules_reloads_total": Family("counter", ("result",), "Loads by result: ok, refused"),
    "larder_log_lines_dropped_total": Family(
        "counter", (), "Log lines lost because nobody read them"
    ),
    "larder_build_info": Family("gauge", ("version", "python"), "1, by the version that runs"),
}
