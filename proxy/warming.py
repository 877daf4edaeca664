"""Warming: the requests of `warm`, made by the proxy itself, at the start, in time, and on demand.

Floor 6. It decides when; what becomes of a request is the driver's. Ticks are counted from
the epoch, and each is claimed, so that of several instances one does it. Invariants: a job
waits behind the clients' own fetches, however long; one entry is fetched once at a time; what
the rules no longer name is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from proxy.errors import ClientError, StoreError
from proxy.fields import Fields
from proxy.flow.background import Background, JobFailedError

if TYPE_CHECKING:
    from proxy.inner import Discarded
    from proxy.rules.compiled import Config
    from proxy.rules.warm import Warm
    from proxy.store.base import Spawn
    from proxy.store.notes import Notes

_LOG: Final = logging.getLogger("larder")
SPACE: Final = "warm"
TICK_S: Final = 1.0
"""How often the clock is looked at."""
_SUCCESS: Final = range(200, 400)
_FAILED: Final = 502


class Get(Protocol):
    """How a request of the proxy's own is made (inner.py)."""

    async def __call__(
        self, url_target: str, fields: Fields = ..., *, authority: str = ...
    ) -> Discarded:
        """Its answer, once that is over; ClientError."""


@dataclass(slots=True)
class Warmed:
    """What is known of one entry: the last answer's status and moment, None: none yet.

    `tick` is the latest that was seen, `busy` whether it is being fetched or waits for that.
    """

    entry: Warm
    tick: int
    status: int | None = None
    at: float | None = None
    failed: bool = False
    busy: bool = False


@dataclass(slots=True)
class Run:
    """What was begun together: ids of entries that are `left`, and how many came to what."""

    began_at: float
    left: set[str] = field(default_factory=set)
    done: int = 0
    failed: int = 0


class Warming:
    """`config` gives the rules in force; `clock` is epoch seconds, by which entries are due."""

    def __init__(
        self,
        get: Get,
        background: Background,
        notes: Notes,
        *,
        config: Callable[[], Config],
        clock: Callable[[], float],
        spawn: Spawn,
    ) -> None:
        self._get = get
        self._background = background
        self._notes = notes
        self._config = config
        self._clock = clock
        self._spawn = spawn
        self._known: dict[str, Warmed] = {}
        self._task: asyncio.Task[None] | None = None
        self.run: Run | None = None

    def start(self) -> None:
        """Warm what is to be warm at the start, and look at the clock from now on."""
        self._task = self._spawn(self._go(), "warming")

    async def close(self) -> None:
        """Begin nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def running(self) -> bool:
        """Whether something that was begun together is not over."""
        return self.run is not None and bool(self.run.left)

    def begin(self, *, force: bool = False) -> bool:
        """Warm every entry now; False while that, or a start, is under way.

        With `force` also what is stored, unless it stays fresh for as long as `every`.
        """
        if self.running:
            return False
        self._begin(self._config().warm, force=force)
        return True

    def entries(self) -> Iterator[Warmed]:
        """What is known of each entry of the rules in force, in their order."""
        for entry in self._config().warm:
            yield self._known.get(entry.id) or Warmed(entry, 0)

    async def tick(self) -> None:
        """Look at the clock: begin what is new and wanted at once, and what is due."""
        entries, now = self._config().warm, self._clock()
        self._known = {each.id: self._known[each.id] for each in entries if each.id in self._known}
        new = [entry for entry in entries if entry.id not in self._known]
        for entry in new:
            self._known[entry.id] = Warmed(entry, _tick(entry, now))
        self._begin([entry for entry in new if entry.on_start], force=False)
        for entry in entries:
            known, tick = self._known[entry.id], _tick(entry, now)
            if tick != known.tick:  # a clock may be set back
                known.entry, known.tick = entry, tick
                if await self._is_ours(entry, tick):
                    self._offer(known, force=True)

    async def _go(self) -> None:
        while True:
            await self.tick()
            await asyncio.sleep(TICK_S)

    async def _is_ours(self, entry: Warm, tick: int) -> bool:
        """Whether no other instance does it; without the store each does."""
        life_s = 2 * (entry.every or 0.0)
        try:
            return await self._notes.claim(SPACE, f"{entry.id}-{tick}", b"1", life_s) is None
        except StoreError:
            return True

    def _begin(self, entries: Sequence[Warm], *, force: bool) -> None:
        """Warm these, as part of what is under way or as a run of their own."""
        if not entries:
            return
        if self.run is None or not self.run.left:
            self.run = Run(self._clock())
        run, now = self.run, self._clock()
        for entry in entries:
            known = self._known.setdefault(entry.id, Warmed(entry, _tick(entry, now)))
            run.left.add(entry.id)
            self._offer(known, force=force)

    def _offer(self, known: Warmed, *, force: bool) -> None:
        """Fetch it when its upstream has nothing better to do, unless that is under way."""
        if known.busy:
            return
        entry = known.entry
        job = partial(self._fetch, known, _forced(entry) if force else entry.headers)
        known.busy = True
        if not self._background.offer(entry.upstream, f"warm {entry.id}", job, wait_on=True):
            self._ended(known, None)

    async def _fetch(self, known: Warmed, fields: Fields) -> None:
        entry, status, before = known.entry, _FAILED, known.failed
        why = ""
        try:
            reply = await self._get(entry.target, fields, authority=entry.authority)
            status = reply.status if reply.whole else _FAILED
            why = "" if reply.whole else ", cut off"
        except ClientError as error:
            status = error.status
            why = f": {error}"
        finally:
            self._ended(known, status)
        if known.failed and not before:  # once, however often it is tried until it succeeds
            _LOG.warning("warming %s was answered %d%s", _shown(entry.target), status, why)
        if known.failed:
            raise JobFailedError(f"warming was answered {status}")

    def _ended(self, known: Warmed, status: int | None) -> None:
        """Note what became of it; None: it was never begun, for too much waits already."""
        known.busy, known.failed = False, status not in _SUCCESS
        if status is not None:
            known.status, known.at = status, self._clock()
        if self.run is not None and known.entry.id in self.run.left:
            self.run.left.discard(known.entry.id)
            self.run.done += not known.failed
            self.run.failed += known.failed


def _tick(entry: Warm, now: float) -> int:
    return 0 if entry.every is None else int(now // entry.every)


def _shown(target: str) -> str:
    """The target for a log: a query may hold secrets."""
    path, question, _ = target.partition("?")
    return f"{path}?…" if question else path


def _forced(entry: Warm) -> Fields:
    """Its headers, so that only what stays fresh until the next tick will do."""
    wanted = "no-cache" if entry.every is None else f"min-fresh={math.ceil(entry.every)}"
    return Fields((*entry.headers, ("Cache-Control", wanted)))
