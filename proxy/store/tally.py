"""Counting on a busy path: at once here, and behind that in the notes all instances share.

`add` never waits and never fails: what is counted waits in memory, its keys
bounded, until a round passes it on. An addition whose outcome the store did not
tell is passed on again, so after an outage a sum may be too high by what was
under way, never too low; what was dropped for want of room is counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from proxy.errors import CorruptEntryError, StoreError
from proxy.store.base import Spawn
from proxy.store.notes import Notes, check_amounts

MAX_KEYS: Final = 10_000
MAX_FIELDS: Final = 64
_LAST_TRY_S: Final = 2.0

_Sums = dict[str, float]


class Tally:
    """Counters of one space. `ttl_s`: how long they outlive the last addition; None for ever.

    `max_keys` bounds what waits and what is remembered, each; the fields of a key are bounded, too.
    """

    def __init__(
        self,
        notes: Notes,
        space: str,
        spawn: Spawn,
        every_s: float = 5.0,
        *,
        ttl_s: float | None = None,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._notes = notes
        self._space = space
        self._spawn = spawn
        self._every_s = every_s
        self._ttl_s = ttl_s
        self._max_keys = max_keys
        self._pending: dict[str, _Sums] = {}
        self._known: dict[str, _Sums] = {}
        self._flying: dict[str, _Sums] = {}
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self.dropped = 0
        """How many additions there was no room for."""

    def start(self) -> None:
        """Begin the rounds; the first that reaches the store reads what was counted before."""
        self._task = self._spawn(self._run(), f"tally-{self._space}")

    def add(self, key: str, amounts: Mapping[str, float]) -> None:
        """Count; passed on with the next round."""
        waiting = self._pending.get(key, {})
        more = {field: waiting.get(field, 0.0) + amount for field, amount in amounts.items()}
        full = key not in self._pending and len(self._pending) >= self._max_keys
        if full or not _fits({**waiting, **more}):
            self.dropped += 1
        else:
            self._pending[key] = {**waiting, **more}

    def sums(self, key: str) -> _Sums:
        """What the store last said, of all instances, and what waits here. Empty if unknown."""
        known = (self._known, self._flying, self._pending)
        return _sum(part.get(key, {}) for part in known)

    def totals(self) -> dict[str, _Sums]:
        """The sums of every key that is known or waits."""
        return {key: self.sums(key) for key in {**self._known, **self._flying, **self._pending}}

    async def read(self) -> None:
        """Learn what all instances have counted; StoreError, and then nothing is changed."""
        async with self._one_at_a_time:
            known: dict[str, _Sums] = {}
            async for key, sums in self._notes.counters(self._space):
                if len(known) < self._max_keys:
                    known[key] = sums
            self._known = known

    async def flush(self) -> None:
        """Pass on what waits; StoreError if the store did not take all, and the rest waits on."""
        async with self._one_at_a_time:
            # What is counted meanwhile is the next round's, or a busy one would not end.
            for key in tuple(self._pending):
                await self._pass_on(key)

    async def close(self) -> int:
        """One last round, of seconds at most. How many additions were lost in all."""
        self._closing.set()
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_LAST_TRY_S):
                if self._task is not None:
                    await asyncio.wait((self._task,))  # it may have been cancelled
                await self.flush()
        return self.dropped + len(self._pending)

    async def _run(self) -> None:
        has_read = False
        while not self._closing.is_set():
            with suppress(StoreError):  # the next round tries again
                if not has_read:
                    await self.read()
                    has_read = True
                await self.flush()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._closing.wait()

    async def _pass_on(self, key: str) -> None:
        amounts = self._flying[key] = self._pending.pop(key)
        try:
            sums = await self._notes.add(self._space, key, amounts, self._ttl_s)
        except CorruptEntryError:
            self.dropped += 1  # it would be refused for ever, and keep the others waiting
        except BaseException:
            self._pending[key] = _sum((amounts, self._pending.get(key, {})))
            raise
        else:
            self._learn(key, sums)
        finally:
            del self._flying[key]

    def _learn(self, key: str, sums: Mapping[str, float]) -> None:
        """The key that was heard of longest ago goes, if there is no room."""
        known = self._known.pop(key, {})
        if len(self._known) >= self._max_keys:
            del self._known[next(iter(self._known))]
        self._known[key] = {**known, **sums}


def _fits(amounts: Mapping[str, float]) -> bool:
    try:
        check_amounts(amounts)
    except ValueError:
        return False
    return len(amounts) <= MAX_FIELDS


def _sum(parts: Iterable[Mapping[str, float]]) -> _Sums:
    total: _Sums = {}
    for part in parts:
        for field, amount in part.items():
            total[field] = total.get(field, 0.0) + amount
    return total
