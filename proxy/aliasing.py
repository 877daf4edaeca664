"""The other keys of a stored answer: put beside it, kept as long as it, and followed to it.

Floor 6, the shelf's hand and that of `sight`. Invariants: an answer lists every key that may
lead to it, so one that lists a key no longer is not found by it; an alias never takes the place
of a newer answer of the asked route's own; what it leads to is served fresh or not at all, and
only if nothing that either route's rules call it was invalidated.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from proxy.messages import Alias, StoredResponse, Variants
from proxy.outcomes import NotServed
from proxy.rules.aliases import alias_keys, ttl_of
from proxy.rules.targets import public_target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.messages import CacheKey
    from proxy.rules.route import Match
    from proxy.store.base import Found
    from proxy.store.cache import Cache
    from proxy.turn import Errand


def other_keys(errand: Errand, stored: StoredResponse) -> tuple[CacheKey, ...]:
    """The other keys of an errand's answer; none for a part of it."""
    if not errand.route.aliases or stored.part is not None:
        return ()
    subject = errand.as_get().subject.with_response(stored.response, stored.body)
    return tuple(key for key in alias_keys(errand.route, subject) if key != errand.key)


def lead(
    cache: Cache, keys: Iterable[CacheKey], target: CacheKey, stored: StoredResponse, now: float
) -> None:
    """Let these keys lead to `target`, the primary key of an answer that was stored just now."""
    for key in keys:
        found = cache.peek(key.digest, now)
        known = None if found is None else found.entry
        if isinstance(known, StoredResponse) and known.response_time > stored.response_time:
            continue
        alias = Alias(
            target=target.digest,
            route_digest=stored.route_digest,
            expires_at=stored.expires_at,
            tags=stored.tags,
            born=stored.born,
            url=stored.url,
            route=stored.route,
            head=key.head,
        )
        if isinstance(known, Alias) and known.target == alias.target:  # of another variant, perhaps
            alias = replace(alias, expires_at=max(alias.expires_at, known.expires_at))
        cache.keep(key.digest, alias, now)


def prolong(cache: Cache, stored: StoredResponse, now: float) -> None:
    """Let the aliases that memory has of an answer live as long as it does now.

    One that is only in the shared store ends when it would have: then its key is a miss.
    """
    for digest in stored.aliases:
        found = cache.peek(digest, now)
        alias = None if found is None else found.entry
        if not isinstance(alias, Alias) or alias.born != stored.born:
            continue
        if alias.route_digest == stored.route_digest and alias.expires_at < stored.expires_at:
            cache.keep(digest, replace(alias, expires_at=stored.expires_at), now)


def led_to(
    cache: Cache, match: Match, key: CacheKey, alias: Alias, found: Found | NotServed, now: float
) -> StoredResponse | NotServed:
    """What an alias under `key` led to, if this request may be answered with it as it stands."""
    if ttl_of(match.route, alias.route_digest) is None:
        return NotServed.ROUTE_CHANGED
    if isinstance(found, NotServed):
        return found
    entry = found.entry
    if not isinstance(entry, StoredResponse) or key.digest not in entry.aliases:
        return NotServed.ALIAS
    if entry.route_digest != alias.route_digest:
        return NotServed.ROUTE_CHANGED
    if found.soft or entry.ttl(now) <= 0:
        return NotServed.EXPIRED
    return _judged(cache, match, key, entry)


def _judged(
    cache: Cache, match: Match, key: CacheKey, entry: StoredResponse
) -> StoredResponse | NotServed:
    """The answer, unless it is dead by the names it would have as this request's own."""
    tags = match.route.tags(match.subject.with_response(entry.response, entry.body))
    if tags is None:
        return NotServed.ALIAS
    claim = Variants(
        names=(),
        expires_at=entry.expires_at,
        tags=tags,
        born=entry.born,
        url=public_target(match.subject.request.target),
        head=key.head,
    )
    return entry if cache.alive(claim) else NotServed.INVALIDATED
