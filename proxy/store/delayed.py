"""Facts that are due later: stated when their moment has come, by whichever instance sees it.

A note of the shared store holds each, so that a restart forgets none and every instance
knows all. Whoever stated it also waits for it himself: what the store has lost meanwhile is
stated all the same, and what it has not taken is on the disk (kept_file.py). There is no
claim: 1. due; 2. the fact is stated; 3. its note goes. Two that state it twice do no harm, one
that dies in between loses nothing. What is fetched once it was stated is not reached by it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from proxy.errors import StoreError
from proxy.store import codec
from proxy.store.base import EVERYTHING, Clock, Fact, FactKind, Spawn
from proxy.store.cache import Cache
from proxy.store.keeping import Keeping
from proxy.store.kept_file import KeptFile
from proxy.store.notes import MAX_VALUE_BYTES

SPACE: Final = "delayed"
POLL_S: Final = 1.0
MAX_WAITING: Final = 10_000
"""Facts of its own that an instance waits for; one more is a purge of all at its moment."""

_KEPT_S: Final = 86400.0
"""How long a note outlives its moment: somebody has to be there to see it."""
_SHARE: Final = 10
"""A look takes no more than one part in so many of the time, unless one takes half a second."""
_LONGEST_S: Final = 5.0
_START_S: Final = 2.0
_LAST_TRY_S: Final = 2.0
_MOMENT: Final = struct.Struct(">q")
_PURGE: Final = Fact(FactKind.TAG, EVERYTHING)
_pages: Final = msgspec.msgpack.Decoder(list[bytes])

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """Facts and their moment, in whole epoch seconds."""

    at: int
    facts: tuple[Fact, ...]

    @property
    def key(self) -> str:
        """The same for the same: what is stated again in the same second is there once."""
        return f"{self.at}-{hashlib.sha256(codec.encode_facts(self.facts)).hexdigest()[:32]}"

    def encode(self) -> bytes:
        """The value of its note."""
        return _MOMENT.pack(self.at) + codec.encode_facts(self.facts)


def decode(value: bytes) -> Due:
    """What a note holds; one that cannot be read may be about anything, and is due."""
    if len(value) < _MOMENT.size:
        return Due(0, (_PURGE,))
    (at,) = _MOMENT.unpack_from(value)
    return Due(at, codec.decode_facts(value[_MOMENT.size :]))


class Delayed:
    """`clock` is epoch seconds, by which facts are due; `file` has what the store did not take."""

    def __init__(
        self,
        cache: Cache,
        clock: Clock,
        *,
        spawn: Spawn,
        file: KeptFile | None = None,
        limit: int = MAX_WAITING,
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._spawn = spawn
        self._limit = limit
        self._own: dict[str, Due] = {}
        self._untaken: dict[str, Due] = {}
        self._stated: set[str] = set()
        self._disk = _Disk(file, self._untaken)
        self._looked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many this instance waits for itself."""
        return len(self._own)

    async def add(self, facts: Iterable[Fact], after_s: float) -> None:
        """State them in `after_s` seconds; on its return the store or the disk has them."""
        at = math.ceil(self._clock() + after_s)
        stated = tuple(dict.fromkeys(facts))
        if len(self._own) >= self._limit:
            stated = (_PURGE,)
        self._wait_for([Due(at, some) for some in _fitting(stated)])
        await self._pass_on()

    def _wait_for(self, dues: Iterable[Due]) -> None:
        for due in dues:
            if due.key not in self._own:
                self._own[due.key] = self._untaken[due.key] = due
                self._disk.changed()

    async def start(self) -> None:
        """Take over what earlier processes left; what was due meanwhile is stated, if it can be."""
        self._wait_for(await self._left_behind())
        self._task = self._spawn(self._run(), "delayed-invalidations")
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                await self._looked.wait()

    async def close(self) -> int:
        """Let the next process have them; how many are lost: neither store nor disk took them."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_TRY_S):
                await self._pass_on()
        kept = await self._disk.keep()
        await self._disk.close()
        lost = 0 if kept else len(self._untaken)
        if lost:
            _log.error(
                "%d delayed invalidation(s) are lost: neither the shared store nor the disk took "
                "them; purge what they were about, or everything",
                lost,
            )
        return lost

    async def step(self) -> None:
        """Pass on what waits for the store; state what is due, then remove its notes."""
        await self._pass_on()
        now = self._clock()
        there = await self._listed(now)
        due = there | {key: each for key, each in self._own.items() if each.at <= now}
        fresh = [each for key, each in due.items() if key not in self._stated]
        if fresh:
            await self._cache.invalidate(fact for each in fresh for fact in each.facts)
        for key in due:
            self._own.pop(key, None)
            if self._untaken.pop(key, None) is not None:
                self._disk.changed()
        await self._disk.keep()
        # One whose note cannot be removed is not stated again and again.
        self._stated = await self._remove(due)

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await self.step()
            self._looked.set()
            await asyncio.sleep(min(max(POLL_S, _SHARE * (clock() - began)), _LONGEST_S))

    async def _pass_on(self) -> None:
        """Let the store have what it has not taken, and the disk what it still has not."""
        for key, due in tuple(self._untaken.items()):
            life_s = max(0.0, due.at - self._clock()) + _KEPT_S
            try:
                await self._cache.notes.put(SPACE, key, due.encode(), life_s)
            except StoreError:
                break
            if self._untaken.pop(key, None) is not None:
                self._disk.changed()
        await self._disk.keep()

    async def _listed(self, now: float) -> dict[str, Due]:
        """What of the notes is due; nothing while the store is out of reach."""
        found: dict[str, Due] = {}
        with suppress(StoreError):
            async for key, value in self._cache.notes.list(SPACE):
                due = decode(value)
                if due.at <= now:
                    found[key] = due
        return found

    async def _remove(self, keys: Iterable[str]) -> set[str]:
        """Those that could not be removed."""
        left = set(keys)
        with suppress(StoreError):
            for key in tuple(left):
                await self._cache.notes.delete(SPACE, key)
                left.discard(key)
        return left

    async def _left_behind(self) -> list[Due]:
        try:
            left = await self._disk.adopt()
        except (OSError, msgspec.MsgspecError) as error:
            # What they are about is unknown, so all of it has to go.
            _log.error("delayed invalidations cannot be read: %s; all is purged", error)
            left = [Due(math.floor(self._clock()), (_PURGE,))]
        if left:
            _log.warning("%d delayed invalidation(s) of an earlier run are taken over", len(left))
        return left


def _fitting(facts: Sequence[Fact]) -> Iterator[tuple[Fact, ...]]:
    """The same in parts, each of which a note holds."""
    some = tuple(facts)
    if _MOMENT.size + len(codec.encode_facts(some)) <= MAX_VALUE_BYTES:
        yield some
    elif len(some) == 1:
        yield (_PURGE,)
    else:
        half = len(some) // 2
        yield from _fitting(some[:half])
        yield from _fitting(some[half:])


class _Disk:
    """What the store has not taken, in a file; without one nothing is kept."""

    def __init__(self, file: KeptFile | None, untaken: Mapping[str, Due]) -> None:
        self._file = file
        self._untaken = untaken
        write = None if file is None else partial(_write, file)
        self._keeping: Keeping[list[bytes]] = Keeping(write, "delayed invalidations")
        self.changed = self._keeping.changed

    async def adopt(self) -> list[Due]:
        """What processes before this one left; OSError, MsgspecError if that cannot be read."""
        if self._file is None:
            return []
        pages = await asyncio.to_thread(self._file.adopt)
        return [decode(value) for page in pages for value in _pages.decode(page)]

    async def keep(self) -> bool:
        """Once the disk has all of it, as it is when it is written; False if it fails."""
        return await self._keeping.keep(lambda: [due.encode() for due in self._untaken.values()])

    async def close(self) -> None:
        """Let the next process take over what is there."""
        if self._file is not None:
            await asyncio.to_thread(self._file.close)


def _write(file: KeptFile, values: list[bytes], version: int) -> None:
    file.write(msgspec.msgpack.encode(values) if values else b"", version)
