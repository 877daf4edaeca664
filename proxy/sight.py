"""What a look-up saw: the place where a request's answer belongs, and what is there.

Floor 6, beside the driver. Pure values; finding is the cache's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.messages import CacheKey, StoredResponse
from proxy.outcomes import NotServed, Tier
from proxy.rules.route import Route
from proxy.store.base import Found


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look-up saw: the place where the request's answer belongs, and what is there."""

    place: CacheKey
    stored: StoredResponse | None
    tier: Tier | None = None
    missing: NotServed = NotServed.ABSENT
    soft: bool = False


def sighted(route: Route, place: CacheKey, found: Found | NotServed) -> Sight:
    """What was found at `place`, unless it is of no use to this route."""
    if isinstance(found, NotServed):
        return Sight(place, None, missing=found)
    entry = found.entry
    if not isinstance(entry, StoredResponse):
        return Sight(place, None, missing=NotServed.VARIANT)
    if entry.route_digest != route.digest:
        return Sight(place, None, missing=NotServed.ROUTE_CHANGED)
    return Sight(place, entry, found.tier, soft=found.soft)
