"""Looking: the place where a request's answer belongs, what is there, what to do with it.

Floor 6, beside the driver, and what `explain` shows, so that the two tell one story.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from proxy.caching.partial import as_whole
from proxy.caching.vary import select
from proxy.decisions.lookup import Fetch, LookupPlan, Refuse, Serve, plan_lookup, plan_range
from proxy.messages import CacheKey, StoredResponse, Variants
from proxy.outcomes import NotServed, Tier
from proxy.rules.route import Match, Route
from proxy.store.base import Found
from proxy.store.cache import Cache


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


async def look(cache: Cache, match: Match, key: CacheKey, now: float) -> Sight:
    """Find the stored response this request selects, in either tier (RFC 9111 §4.1)."""
    place, found = key, await cache.find(key.digest, now)
    if isinstance(found, Found) and isinstance(found.entry, Variants):
        place = key.variant(select(found.entry.names, match.subject.request.fields))
        found = await cache.find(place.digest, now)
        if found is NotServed.ABSENT:
            found = NotServed.VARIANT
    return sighted(match.route, place, found)


def glance(cache: Cache, match: Match, key: CacheKey, now: float) -> Sight | None:
    """The same in memory only, at once; None if it is not there."""
    place, found = key, cache.peek(key.digest, now)
    if found is not None and isinstance(found.entry, Variants):
        place = key.variant(select(found.entry.names, match.subject.request.fields))
        found = cache.peek(place.digest, now)
    return None if found is None else sighted(match.route, place, found)


def plan_for(match: Match, sight: Sight, now: float) -> LookupPlan:
    """What the rules and the RFC make of what was seen."""
    route, subject, stored = match.route, match.subject, sight.stored
    serves = True
    if stored is not None and route.serve_if is not None:
        serves = route.serves(subject.with_response(stored.response, stored.body))
    return plan_lookup(
        subject.request,
        route.asked(subject.request),
        stored,
        now,
        missing=sight.missing,
        soft=sight.soft,
        serves=serves,
    )


async def look_for_part(
    cache: Cache, match: Match, sight: Sight, plan: Fetch | Refuse, now: float
) -> tuple[Sight, LookupPlan]:
    """For one range that no whole answer serves: the part there is, and what to do (§3.3).

    A flight for the range has a place of its own: it lands with nothing for anybody else.
    """
    route, subject, place = match.route, match.subject, sight.place.part
    seen = sighted(route, place, await cache.find(place.digest, now))
    part, serves = seen.stored, True
    if part is not None and route.serve_if is not None:
        serves = route.serves(subject.with_response(as_whole(part.response), None))
    made = plan_range(
        subject.request,
        route.asked(subject.request),
        plan,
        sight.stored,
        part,
        now,
        soft=seen.soft,
        serves=serves,
    )
    if isinstance(made, Serve):
        return seen, made
    fields = subject.request.fields
    asked = place.variant((name, fields.get(name)) for name in ("if-range", "range"))
    return replace(sight, place=asked), made
