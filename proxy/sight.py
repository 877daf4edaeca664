"""Looking: the place where a request's answer belongs, what is there, what to do with it.

Floor 6, beside the driver, and what `explain` shows, so that the two tell one story.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from proxy.aliasing import led_to
from proxy.caching.partial import as_whole, asks_one_range
from proxy.caching.vary import select
from proxy.decisions.lookup import (
    Fetch,
    LookupPlan,
    Refuse,
    Serve,
    alone,
    plan_lookup,
    plan_range,
)
from proxy.fields import Fields
from proxy.messages import Alias, CacheKey, StoredResponse, Variants
from proxy.outcomes import NotServed, Outcome, Tier
from proxy.rules.route import Match, Route
from proxy.store.base import Found
from proxy.store.cache import Cache
from proxy.store.seeking import Fetched


@dataclass(slots=True)
class Sight:
    """What a look-up saw: the place where the request's answer belongs, and what is there.

    Nobody changes one; to make a frozen one of each look-up would cost three times as much.
    """

    place: CacheKey
    stored: StoredResponse | None
    tier: Tier | None = None
    missing: NotServed = NotServed.ABSENT
    soft: bool = False
    reached: CacheKey | None = None
    """Where it stands, if an alias led there from the request's own place."""
    head: bytes = b""
    """How its stored bytes begin, if it was read from the shared store (Record.head)."""


def sighted(route: Route, place: CacheKey, found: Found | NotServed, since: float = 0.0) -> Sight:
    """What was found at `place`, unless it is of no use to this route, or asked for too early."""
    if isinstance(found, NotServed):
        return Sight(place, None, missing=found)
    entry = found.entry
    if not isinstance(entry, StoredResponse):
        return Sight(place, None, missing=NotServed.VARIANT)
    if entry.route_digest != route.digest:
        return Sight(place, None, missing=NotServed.ROUTE_CHANGED)
    if entry.request_time < since:
        return Sight(place, None, missing=NotServed.SESSION_ENDED)
    head = found.record.head if isinstance(found, Fetched) else b""
    return Sight(place, entry, found.tier, soft=found.soft, head=head)


async def look(cache: Cache, match: Match, key: CacheKey, now: float) -> Sight:
    """Find the stored response this request selects, in either tier (RFC 9111 §4.1)."""
    fields = match.subject.request.fields
    place, found = await find_selected(cache, fields, key, now)
    alias = _alias(found)
    if alias is None:
        return sighted(match.route, place, found, match.since)
    place, found = await find_selected(cache, fields, CacheKey(alias.target), now)
    return _led(cache, match, key, alias, place, found, now)


async def find_selected(
    cache: Cache, fields: Fields, key: CacheKey, now: float
) -> tuple[CacheKey, Found | NotServed]:
    """What stands under a key, or the variant of it that these request fields select: where."""
    found = await cache.find(key.digest, now)
    if not isinstance(found, Found) or not isinstance(found.entry, Variants):
        return key, found
    place = key.variant(select(found.entry.names, fields))
    found = await cache.find(place.digest, now)
    return place, NotServed.VARIANT if found is NotServed.ABSENT else found


def glance(cache: Cache, match: Match, key: CacheKey, now: float) -> Sight | None:
    """The same in memory only, at once; None if it is not there."""
    place, found = _peek(cache, match, key, now)
    alias = _alias(found)
    if alias is not None:
        place, found = _peek(cache, match, CacheKey(alias.target), now)
        return None if found is None else _led(cache, match, key, alias, place, found, now)
    return None if found is None else sighted(match.route, place, found, match.since)


def _peek(cache: Cache, match: Match, key: CacheKey, now: float) -> tuple[CacheKey, Found | None]:
    found = cache.peek(key.digest, now)
    if found is None or not isinstance(found.entry, Variants):
        return key, found
    place = key.variant(select(found.entry.names, match.subject.request.fields))
    return place, cache.peek(place.digest, now)


def _alias(found: Found | NotServed | None) -> Alias | None:
    entry = found.entry if isinstance(found, Found) else None
    return entry if isinstance(entry, Alias) else None


def _led(
    cache: Cache,
    match: Match,
    key: CacheKey,
    alias: Alias,
    place: CacheKey,
    found: Found | NotServed,
    now: float,
) -> Sight:
    """What an alias led to, or nothing: then it is a miss of the request's own."""
    entry = led_to(cache, match, key, alias, found, now)
    if isinstance(entry, NotServed):
        return Sight(key, None, missing=entry)
    if entry.request_time < match.since:
        return Sight(key, None, missing=NotServed.SESSION_ENDED)
    return Sight(key, entry, found.tier if isinstance(found, Found) else None, reached=place)


def at_hand(cache: Cache, match: Match, key: CacheKey, now: float) -> tuple[Sight, Serve] | None:
    """What `see` comes to where memory has a fresh answer, at once; None: it has to look."""
    sight = glance(cache, match, key, now)
    if sight is None or sight.stored is None:
        return None
    plan = plan_for(match, sight, now)
    return (sight, plan) if isinstance(plan, Serve) and plan.outcome is Outcome.HIT else None


def plan_for(match: Match, sight: Sight, now: float) -> LookupPlan:
    """What the rules and the RFC make of what was seen."""
    route, subject, stored = match.route, match.subject, sight.stored
    serves = True
    if stored is not None and route.serve_if is not None:
        serves = route.serves(subject.with_response(stored.response, stored.body))
    plan = plan_lookup(
        subject.request,
        route.asked(subject.request),
        stored,
        now,
        missing=sight.missing,
        soft=sight.soft,
        serves=serves,
        repeats=route.repeats(subject.request.method) and subject.request.body is not None,
    )
    return plan if sight.reached is None else alone(plan)


async def see(
    cache: Cache,
    match: Match,
    key: CacheKey,
    clock: Callable[[], float],
    flying: Callable[[bytes], object | None],
) -> tuple[Sight, LookupPlan]:
    """What this request may be answered with, and the plan; `flying` finds flights to a place."""
    now = clock()
    sight = await look(cache, match, key, now)
    if sight.stored is None and flying(sight.place.digest) is None:
        # 1. the shared store has nothing; 2. while it says so, a flight for this answer
        # lands, stores and ends; 3. there is none to join: memory has the answer now.
        sight = glance(cache, match, key, now) or sight
    plan = plan_for(match, sight, clock())
    if not isinstance(plan, Serve) and wants_part(match):
        return await look_for_part(cache, match, sight, plan, clock())
    return sight, plan


def wants_part(match: Match) -> bool:
    """Whether one range would do; not of what only has its ETag once it is whole."""
    return match.route.etag is None and asks_one_range(match.subject.request)


async def look_for_part(
    cache: Cache, match: Match, sight: Sight, plan: Fetch | Refuse, now: float
) -> tuple[Sight, LookupPlan]:
    """For one range that no whole answer serves: the part there is, and what to do (§3.3).

    A flight for the range has a place of its own: it lands with nothing for anybody else.
    """
    route, subject, place = match.route, match.subject, sight.place.part
    seen = sighted(route, place, await cache.find(place.digest, now), match.since)
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
