"""Writing behind the client's answer: a bounded queue before the shared store.

A key always goes through the same lane, so its writes and deletions keep their
order; a newer write takes the place of one that still waits. A full queue drops
the write: the entry is then only in memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from proxy.errors import StoreError
from proxy.messages import Stored
from proxy.store.base import Spawn

LANES: Final = 4
MAX_JOBS: Final = 4096
MAX_BYTES: Final = 64 * 1024 * 1024

_log = logging.getLogger(__name__)

Do = Callable[[bytes, Stored | None], Awaitable[None]]
"""Carries out one job: writes the entry, or deletes if it is None."""


@dataclass(slots=True)
class _Job:
    entry: Stored | None
    done: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return 0 if self.entry is None else self.entry.size


@dataclass(slots=True)
class _Lane:
    jobs: OrderedDict[bytes, _Job] = field(default_factory=OrderedDict)
    filled: asyncio.Event = field(default_factory=asyncio.Event)


class WriteBehind:
    """`do` is called for one job of a lane at a time; an error of it is a dropped write."""

    def __init__(
        self, do: Do, spawn: Spawn, *, max_jobs: int = MAX_JOBS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._do = do
        self._spawn = spawn
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lanes = tuple(_Lane() for _ in range(LANES))
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self.dropped = 0

    def start(self) -> None:
        """Begin to work."""
        for number, lane in enumerate(self._lanes):
            self._tasks.append(self._spawn(self._work(lane), f"store-writer-{number}"))

    def __len__(self) -> int:
        return sum(len(lane.jobs) for lane in self._lanes)

    def write(self, key: bytes, entry: Stored) -> bool:
        """Queue a write; False if there is no room."""
        waiting = self._lane(key).jobs.get(key)
        room = self._max_bytes - self._bytes + (waiting.size if waiting else 0)
        if self._closing or entry.size > room or (not waiting and len(self) >= self._max_jobs):
            self.dropped += 1
            return False
        self._put(key, entry)
        return True

    async def delete(self, key: bytes) -> None:
        """Delete after what was queued before; returns when it is done, whatever came of it."""
        done = asyncio.get_running_loop().create_future()
        self._put(key, None).done.append(done)
        await done

    async def close(self, within_s: float) -> int:
        """Finish what is queued, at most `within_s`; how many jobs were left."""
        self._closing = True
        for lane in self._lanes:
            lane.filled.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for task in self._tasks:
            task.cancel()
        left = len(self)
        for lane in self._lanes:
            while lane.jobs:
                self._settle(lane.jobs.popitem()[1])
        return left

    def _lane(self, key: bytes) -> _Lane:
        return self._lanes[hash(key) % LANES]

    def _put(self, key: bytes, entry: Stored | None) -> _Job:
        lane = self._lane(key)
        waiting = lane.jobs.pop(key, _NOTHING)
        job = _Job(entry, waiting.done[:])
        self._bytes += job.size - waiting.size
        lane.jobs[key] = job
        lane.filled.set()
        return job

    async def _work(self, lane: _Lane) -> None:
        while lane.jobs or not self._closing:
            if not lane.jobs:
                lane.filled.clear()
                await lane.filled.wait()
                continue
            key, job = lane.jobs.popitem(last=False)
            try:
                await self._do(key, job.entry)
            except StoreError:
                self.dropped += 1
            except Exception:  # noqa: BLE001  one entry must not end all writing: it is logged
                self.dropped += 1
                _log.exception("a defect while writing to the shared store")
            finally:
                self._settle(job)

    def _settle(self, job: _Job) -> None:
        self._bytes -= job.size
        for done in job.done:
            if not done.done():
                done.set_result(None)


_NOTHING: Final = _Job(None)
