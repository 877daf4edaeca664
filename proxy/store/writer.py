"""Writing behind the client's answer: a bounded queue before the shared store.

What waits is carried out together, the oldest first, one batch after the other: so the more
there is, the less each write costs, and the writes and deletions of a key keep their order. A
newer write takes the place of one that still waits. A full queue drops the write: the entry
is then only in memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from proxy.messages import Stored
from proxy.store.base import Spawn

MAX_JOBS: Final = 4096
MAX_BYTES: Final = 64 * 1024 * 1024
BATCH: Final = 128
BATCH_BYTES: Final = 1024 * 1024
"""To encode so much takes the loop a few milliseconds; a larger entry goes alone."""

_log = logging.getLogger(__name__)

Do = Callable[[Sequence[tuple[bytes, Stored | None]]], Awaitable[int]]
"""Carries out jobs, of which no two have the same key; how many entries were not stored.

An entry is written; where there is None, the key is deleted.
"""


@dataclass(slots=True)
class _Job:
    entry: Stored | None
    size: int = 0
    done: list[asyncio.Future[None]] = field(default_factory=list)


class WriteBehind:
    """`do` is called for one batch at a time; what it could not store is a dropped write."""

    def __init__(
        self, do: Do, spawn: Spawn, *, max_jobs: int = MAX_JOBS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._do = do
        self._spawn = spawn
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes
        self._bytes = 0
        self._jobs: OrderedDict[bytes, _Job] = OrderedDict()
        self._filled = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def start(self) -> None:
        """Begin to work."""
        self._task = self._spawn(self._work(), "store-writer")

    def __len__(self) -> int:
        return len(self._jobs)

    def write(self, key: bytes, entry: Stored) -> bool:
        """Queue a write; False if there is no room."""
        size, waiting = entry.size, self._jobs.get(key)
        room = self._max_bytes - self._bytes + (waiting.size if waiting else 0)
        if self._closing or size > room or (not waiting and len(self) >= self._max_jobs):
            self.dropped += 1
            return False
        self._put(key, _Job(entry, size))
        return True

    async def delete(self, key: bytes) -> None:
        """Delete after what was queued before; returns when it is done, whatever came of it."""
        done = asyncio.get_running_loop().create_future()
        job = _Job(None)
        self._put(key, job)
        job.done.append(done)
        await done

    async def close(self, within_s: float) -> int:
        """Finish what is queued, at most `within_s`; how many jobs were left."""
        self._closing = True
        self._filled.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=within_s)
            self._task.cancel()
        left = len(self)
        while self._jobs:
            self._settle(self._jobs.popitem()[1])
        return left

    def _put(self, key: bytes, job: _Job) -> None:
        waiting = self._jobs.pop(key, None)
        if waiting is not None:
            self._bytes -= waiting.size
            job.done += waiting.done
        self._bytes += job.size
        self._jobs[key] = job
        self._filled.set()

    async def _work(self) -> None:
        while self._jobs or not self._closing:
            if not self._jobs:
                self._filled.clear()
                await self._filled.wait()
                continue
            batch = self._batch()
            try:
                await self._carry_out(batch)
            finally:
                for _, job in batch:
                    self._settle(job)

    def _batch(self) -> list[tuple[bytes, _Job]]:
        """The next jobs: the oldest, and what fits beside it."""
        batch = [self._jobs.popitem(last=False)]
        size = batch[0][1].size
        while self._jobs and len(batch) < BATCH:
            size += next(iter(self._jobs.values())).size
            if size > BATCH_BYTES:
                break
            batch.append(self._jobs.popitem(last=False))
        return batch

    async def _carry_out(self, batch: Sequence[tuple[bytes, _Job]]) -> None:
        """Do them; if there is a defect in one, each by itself, so that it harms no other."""
        try:
            self.dropped += await self._do([(key, job.entry) for key, job in batch])
        except Exception:  # noqa: BLE001  one entry must not end all writing: it is logged
            if len(batch) == 1:
                self.dropped += 1
                _log.exception("a defect while writing to the shared store")
                return
            for each in batch:
                await self._carry_out([each])

    def _settle(self, job: _Job) -> None:
        self._bytes -= job.size
        for done in job.done:
            if not done.done():
                done.set_result(None)
