"""An exchange record with defaults, for the tests of its observers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proxy.outcomes import ExchangeRecord, Outcome, Tier

HIT = ExchangeRecord(
    at=1_700_000_000.25,
    method="GET",
    path="/db/projects/42",
    upstream="db",
    route="scenes",
    status=200,
    outcome=Outcome.HIT,
    tier=Tier.MEMORY,
    age_s=1.5,
    ttl_s=298.5,
    duration_s=0.0002,
    response_bytes=100,
    key="db GET /projects/42",
)


def hit(**changes: Any) -> ExchangeRecord:
    """A hit, but for `changes`."""
    return replace(HIT, **changes)


def miss(**changes: Any) -> ExchangeRecord:
    """A stored miss, but for `changes`."""
    fields: dict[str, Any] = {
        "outcome": Outcome.MISS,
        "tier": None,
        "age_s": None,
        "ttl_s": None,
        "stored": True,
        "upstream_s": 0.5,
        "upstream_status": 200,
        "duration_s": 0.6,
    }
    return replace(HIT, **{**fields, **changes})
