"""Work behind the clients' backs, and never ahead of them: prefetching, warming, expanding.

It knows names, upstreams and coroutines; no HTTP. Invariants: a job starts only while no
client's fetch to its upstream waits for a head; at most `limit` run at a time for one
upstream and at most `waiting` wait; one name is there once; whatever becomes of a job is
counted. Work for NO_UPSTREAM calls none, so no client's fetch holds it up.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from proxy.errors import LarderError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

NO_UPSTREAM: Final = ""
"""For jobs that send nothing."""

PATIENCE_S: Final = 5.0
"""How long a job waits for a busy upstream before it is dropped, unless it waits on."""


RUN_S: Final = 30.0
"""How long a job may take that nobody waits for: an upstream that hangs must not hold its places
for as long as clients are given (`timeout.idle`, `timeout.total`), for warming waits behind."""


class JobFailedError(LarderError):
    """What a job raises that came to nothing: it is counted, and nobody is told."""


class Fate(StrEnum):
    """What became of a job."""

    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    run: Callable[[], Awaitable[None]]
    wait_on: bool
    offered_at: float


@dataclass(slots=True)
class _Queue:
    """The jobs of one upstream, and how many clients' fetches wait for it."""

    upstream: str
    waiting: deque[_Job] = field(default_factory=deque)
    names: set[str] = field(default_factory=set)
    running: int = 0
    clients: int = 0
    busy_since: float = 0.0
    behind: Behind | None = None
    timer: asyncio.TimerHandle | None = None


class Behind:
    """While it lasts, a client's fetch waits for its head; any number of them at a time."""

    __slots__ = ("_background", "_queue")

    def __init__(self, background: Background, queue: _Queue) -> None:
        self._background = background
        self._queue = queue

    def begin(self) -> None:
        """One more waits."""
        queue = self._queue
        queue.clients += 1
        if queue.clients == 1:
            queue.busy_since = asyncio.get_running_loop().time()
            if queue.waiting:
                self._background.go_on(queue)

    def end(self) -> None:
        """One of them waits no more."""
        queue = self._queue
        queue.clients -= 1
        if queue.waiting:
            self._background.go_on(queue)

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()


class Background:
    """`limit` jobs at a time and `waiting` in line for each upstream."""

    def __init__(
        self,
        spawn: Callable[[Coroutine[object, object, None], str], asyncio.Task[None]],
        limit: int = 2,
        waiting: int = 1000,
        patience_s: float = PATIENCE_S,
        run_s: float = RUN_S,
    ) -> None:
        """`spawn` starts a task (tasks.spawn)."""
        self._spawn = spawn
        self._limit = limit
        self._waiting = waiting
        self._patience_s = patience_s
        self._run_s = run_s
        self._queues: dict[str, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._closed = False

    def __len__(self) -> int:
        return sum(len(queue.waiting) + queue.running for queue in self._queues.values())

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many jobs came to each fate, by upstream and fate."""
        return self._counts

    def offer(
        self,
        upstream: str,
        name: str,
        job: Callable[[], Awaitable[None]],
        *,
        wait_on: bool = False,
    ) -> bool:
        """Run `job` when there is nothing better to do; False if this one never will be.

        That is when one of its `name`, which is no secret, is there already, or too many
        wait. `wait_on`: it is not dropped, however long clients keep the upstream busy, nor
        given up while it runs.
        """
        queue = self._queues.setdefault(upstream, _Queue(upstream))
        if name in queue.names:
            return False
        if self._closed or len(queue.waiting) >= self._waiting:
            self._counts[upstream, Fate.REFUSED] += 1
            return False
        queue.names.add(name)
        queue.waiting.append(_Job(name, job, wait_on, asyncio.get_running_loop().time()))
        self.go_on(queue)
        return True

    def behind(self, upstream: str) -> Behind:
        """While this lasts, a client's fetch waits for its head: nothing is started."""
        queue = self._queues.get(upstream)
        if queue is None:
            queue = self._queues[upstream] = _Queue(upstream)
        if queue.behind is None:
            queue.behind = Behind(self, queue)
        return queue.behind

    async def drain(self, within_s: float) -> None:
        """Take nothing more on, drop what waits, finish what runs within `within_s` seconds."""
        self._closed = True
        for queue in self._queues.values():
            self._drop(queue, lambda _: True)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for task in self._tasks:
            task.cancel()

    def go_on(self, queue: _Queue) -> None:
        """Start what may start; what may not is given up in time."""
        while queue.waiting and not queue.clients and queue.running < self._limit:
            job = queue.waiting.popleft()
            queue.running += 1
            task = self._spawn(self._run(queue, job), f"background {job.name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if queue.clients and queue.timer is None:
            self._set_timer(queue)

    def _set_timer(self, queue: _Queue) -> None:
        ends = (self._end(queue, job) for job in queue.waiting if not job.wait_on)
        first = min(ends, default=None)
        if first is not None:
            loop = asyncio.get_running_loop()
            queue.timer = loop.call_at(first, self._give_up, queue)

    def _give_up(self, queue: _Queue) -> None:
        """Drop the jobs whose upstream has been busy for too long."""
        queue.timer = None
        if queue.clients:
            now = asyncio.get_running_loop().time()
            self._drop(queue, lambda job: not job.wait_on and self._end(queue, job) <= now)
            self._set_timer(queue)

    def _end(self, queue: _Queue, job: _Job) -> float:
        """When the job has waited long enough for clients."""
        return max(job.offered_at, queue.busy_since) + self._patience_s

    def _drop(self, queue: _Queue, condemned: Callable[[_Job], bool]) -> None:
        dropped = [job for job in queue.waiting if condemned(job)]
        queue.waiting = deque(job for job in queue.waiting if not condemned(job))
        queue.names.difference_update(job.name for job in dropped)
        self._counts[queue.upstream, Fate.DROPPED] += len(dropped)

    async def _run(self, queue: _Queue, job: _Job) -> None:
        fate, limit = Fate.FAILED, asyncio.timeout(None if job.wait_on else self._run_s)
        try:
            async with limit:
                await job.run()
            fate = Fate.DONE
        except LarderError:
            pass  # counted: nobody waits for it
        except TimeoutError:
            if not limit.expired():
                raise  # the job's own, a defect
        finally:
            self._counts[queue.upstream, fate] += 1
            queue.names.discard(job.name)
            queue.running -= 1
            self.go_on(queue)
