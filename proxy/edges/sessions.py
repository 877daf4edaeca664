"""What the admin API tells of sessions, and how one is cleared.

Knows their lives (shared by all instances), their statistics (of this one) and their stored
answers (of both tiers). Invariant: a session is named by its digest, never by its id.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Final

from proxy.decisions.session_life import Life
from proxy.edges.control import Control
from proxy.edges.members import Kind, Member
from proxy.edges.problem import ApiError
from proxy.edges.purges import COUNT_BUDGET_S
from proxy.errors import StoreError
from proxy.rules.tags import session_digest_of, session_tag_of
from proxy.store.base import Fact, FactKind
from proxy.store.cache import Cache
from proxy.store.entry_info import Selection

LIMIT: Final = 100
MEMBERS: Final = (Member("limit", Kind.COUNT, f"the most sessions to list; {LIMIT} unless given"),)
DIGEST: Final = (Member("digest", Kind.TEXT, "the session's digest as listed", required=True),)

_DIGEST: Final = re.compile("[0-9a-f]{24}")

Json = dict[str, object]


async def listed(control: Control, members: Mapping[str, object], now: float) -> Json:
    """The sessions used last, those idle longest at the end."""
    lives = await _lives(control, now)
    every = {*lives, *control.session_stats.digests()}
    told = [_figures(control, digest, lives.get(digest), now) for digest in every]
    told.sort(key=_idle)
    limit = members.get("limit", LIMIT)
    shown = told[: limit if isinstance(limit, int) else LIMIT]
    entries = await _counted(control.cache, now)
    for each in shown:
        each["entries"] = None if entries is None else entries.get(str(each["session"]), 0)
    return {"sessions": shown, "count": len(told)}


async def shown(control: Control, digest: str, now: float) -> Json:
    """One session; ApiError 404 if nothing is known of it."""
    lives = await _lives(control, now)
    entries = await _entries(control.cache, checked(digest), now)
    known = digest in lives or control.session_stats.of(digest) is not None
    if not known and not entries:
        raise _unknown()
    return {**_figures(control, digest, lives.get(digest), now), "entries": entries}


async def cleared(control: Control, digest: str, now: float) -> Json:
    """End a session everywhere: all that was stored in it is unusable; 404 if there is nothing."""
    entries = await _entries(control.cache, checked(digest), now)
    known = await end(control, digest)
    if not known and entries == 0:
        raise _unknown()
    await control.cache.invalidate([Fact(FactKind.TAG, session_tag_of(digest))])
    return {"session": digest, "count": entries}


async def end(control: Control, digest: str) -> bool:
    """Forget its life and its figures; whether there were any."""
    counted = control.session_stats.forget(digest)
    return await control.sessions.forget(digest) or counted


def checked(digest: str) -> str:
    """The same; ApiError 404 if it can be none, without repeating what may be an id."""
    if _DIGEST.fullmatch(digest) is None:
        raise ApiError(404, "no session has such a digest; GET /api/sessions lists them")
    return digest


def _unknown() -> ApiError:
    return ApiError(404, "nothing is known of this session; GET /api/sessions lists them")


async def _lives(control: Control, now: float) -> dict[str, Life]:
    """Those that go on; none if there is no ttl, or while notes are out of reach."""
    ttl = control.config().sessions.ttl
    try:
        return {} if ttl is None else await control.sessions.lives(now, ttl)
    except StoreError:
        return {}


def _figures(control: Control, digest: str, life: Life | None, now: float) -> Json:
    stats = control.session_stats.of(digest)
    began = [each.began_at for each in (life, stats) if each is not None]
    seen = [each.seen_at for each in (life, stats) if each is not None]
    hits, misses = (stats.hits, stats.misses) if stats is not None else (0, 0)
    return {
        "session": digest,
        "age_s": round(max(0.0, now - (life.began_at if life else min(began, default=now))), 3),
        "idle_s": round(max(0.0, now - max(seen, default=now)), 3),
        "alive": life is not None if control.config().sessions.ttl is not None else None,
        "requests": stats.requests if stats is not None else 0,
        "hits": hits,
        "misses": misses,
        "hit_rate": round(hits / (hits + misses), 4) if hits + misses else None,
        "counts": stats.counts() if stats is not None else {},
    }


def _idle(figures: Json) -> tuple[float, str]:
    idle = figures["idle_s"]
    return (idle if isinstance(idle, float) else 0.0), str(figures["session"])


async def _counted(cache: Cache, now: float) -> dict[str, int] | None:
    """How many stored answers each session has; None if that takes too long, or fails."""
    found: dict[str, int] = {}
    try:
        async with asyncio.timeout(COUNT_BUDGET_S):
            async for entry in cache.scan(now=now):
                for digest in filter(None, map(session_digest_of, entry.tags)):
                    found[digest] = found.get(digest, 0) + 1
    except (TimeoutError, StoreError):
        return None
    return found


async def _entries(cache: Cache, digest: str, now: float) -> int | None:
    """The same for one session."""
    selection, count = Selection(tag=session_tag_of(digest)), 0
    try:
        async with asyncio.timeout(COUNT_BUDGET_S):
            async for _ in cache.scan(selection, now=now):
                count += 1
    except (TimeoutError, StoreError):
        return None
    return count
