"""What some routes have stored, read into memory at the start: their first requests are hits too.

It knows routes by name. Every entry is judged like any other that is looked up. It goes on
behind when it takes long, and ends when memory is full, so that nothing restored is
evicted by what is restored after it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from proxy.errors import StoreError
from proxy.outcomes import Tier
from proxy.store.base import Clock, Found, Spawn
from proxy.store.cache import Cache

START_S: Final = 3.0
"""How long a start waits for it."""
_RETRY_S: Final = 1.0

_log = logging.getLogger(__name__)


class Restoring:
    """`clock` is epoch seconds; `max_object` the largest body memory keeps, in bytes."""

    def __init__(self, cache: Cache, clock: Clock, *, spawn: Spawn, max_object: int) -> None:
        self._cache = cache
        self._clock = clock
        self._spawn = spawn
        self._max_object = max_object
        self._task: asyncio.Task[None] | None = None

    async def start(self, routes: frozenset[str]) -> None:
        """Restore the entries of these routes; return once that is done, or has taken START_S.

        A shared store that is not there does not hold up the start: it is read when it comes.
        """
        status = self._cache.status()
        if not routes or status.shared is None:
            return
        self._task = self._spawn(self._run(routes), "restore")
        if status.online:
            await asyncio.wait([self._task], timeout=START_S)

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, routes: frozenset[str]) -> None:
        while not self._cache.status().online:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(_RETRY_S)
        try:
            count, whole = await self._read(routes)
        except StoreError as error:
            _log.warning(
                "stored answers could not all be read into memory: %s; "
                "the others are read when they are asked for",
                error,
            )
            return
        full = "" if whole else "; memory is full, the others are read when they are asked for"
        _log.info("%d stored answer(s) are read into memory%s", count, full)

    async def _read(self, routes: frozenset[str]) -> tuple[int, bool]:
        """How many were read, and whether that is all."""
        count, evicted = 0, self._evictions()
        async for listed in self._cache.scan(now=self._clock()):
            if listed.route not in routes or listed.tier is not Tier.SHARED:
                continue
            if listed.body_bytes > self._max_object:
                continue
            count += isinstance(await self._cache.find(listed.key, self._clock()), Found)
            if self._evictions() > evicted:
                return count, False
        return count, True

    def _evictions(self) -> int:
        return self._cache.status().memory.evictions
