"""Later ends for what is stored: because it is used (`sliding`), or because the upstream said so.

Floor 6, the driver's and the fetcher's hand toward the cache. Invariants: a stored response
keeps its `born`, and the cache judges it again when it is put back, so that what was
invalidated meanwhile stays dead; nothing is put back that is not fresh.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy.aliasing import prolong
from proxy.decisions.keeping import slide
from proxy.messages import StoredResponse
from proxy.rules.aliases import ttl_of
from proxy.rules.lifetimes import TimedTtl
from proxy.sight import find_selected
from proxy.store.base import Fact, FactKind, Found

if TYPE_CHECKING:
    from proxy.messages import CacheKey
    from proxy.rules.route import Route
    from proxy.rules.subject import Subject
    from proxy.store.cache import Cache

SLACK_S: Final = 1.0
"""Clocks, and a Date in whole seconds, make the same end look a little earlier."""

_SUCCESS: Final = range(200, 300)


def slide_used(
    cache: Cache, route: Route, place: CacheKey, stored: StoredResponse, now: float
) -> None:
    """Lengthen the life of an answer that `route` used, by the rule that stored it."""
    ttl = ttl_of(route, stored.route_digest)
    slid = slide(stored, ttl, now) if isinstance(ttl, TimedTtl) else None
    if slid is not None:
        cache.keep(place.digest, slid, now)
        prolong(cache, slid, now)


async def extend(cache: Cache, route: Route, subject: Subject, now: float) -> None:
    """Move the end of what the subject's answer extends; what ends sooner than known is dropped.

    An earlier end has to reach every instance's memory, and only an invalidation does.
    """
    extension, response = route.extension, subject.response
    if extension is None or response is None or response.status not in _SUCCESS:
        return
    end, tags = extension.end(subject, now), extension.names(subject)
    if end is None or tags is None or not (route.enabled and route.caching):
        return
    sooner = False
    for digest, key in extension.keys(subject, route.upstream):
        place, stored = await _extendable(cache, subject, key, now)
        if stored is None or stored.route_digest != digest or not set(tags) <= set(stored.tags):
            continue
        sooner = sooner or end < stored.fresh_until - SLACK_S
        if end > stored.fresh_until:
            moved = replace(stored, lifetime=stored.lifetime + end - stored.fresh_until)
            cache.keep(place.digest, moved, now)
            prolong(cache, moved, now)
    if sooner:
        await cache.invalidate(Fact(FactKind.TAG, tag) for tag in tags)


async def _extendable(
    cache: Cache, subject: Subject, key: CacheKey, now: float
) -> tuple[CacheKey, StoredResponse | None]:
    """What is fresh under a key, or the variant of it that this request selects."""
    place, found = await find_selected(cache, subject.request.fields, key, now)
    if not isinstance(found, Found) or found.soft or not isinstance(found.entry, StoredResponse):
        return place, None
    return place, found.entry if found.entry.ttl(now) > 0 else None
