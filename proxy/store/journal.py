"""Following the journal: one task an instance.

A round: renew the lease, read on, take in. An error puts the instance offline
and the next round joins again: open, append what waits, catch up, go online.
The order of a join is what makes it safe; each step says why it stands there.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from proxy.errors import StoreError
from proxy.messages import Position
from proxy.store.base import (
    RAISE_S,
    Beat,
    Clock,
    JournalLostError,
    JournalRecord,
    SharedStore,
)
from proxy.store.coherence import Coherence
from proxy.store.pending import Pending

TAIL_S: Final = 60.0
"""How far back a newcomer begins, by the store's clock: RAISE_S, and what that clock may jump."""
LONGEST_LEASE_S: Final = 60.0
_BLOCK_S: Final = 1.0
_LEAST_BLOCK_S: Final = 0.02
"""However short max_lag is: without it rounds would follow one another without a pause."""
_BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)

_log = logging.getLogger(__name__)


class Follower:
    """Drives `coherence` from `shared`: `run` is its task, `step` one round of it."""

    def __init__(
        self,
        shared: SharedStore,
        coherence: Coherence,
        *,
        instance: str,
        max_lag: float,
        clock: Clock,
        pending: Pending | None = None,
    ) -> None:
        self._shared = shared
        self._coherence = coherence
        self.clock = clock
        self._lease_s = min(max_lag, LONGEST_LEASE_S)
        self._block_s = max(_LEAST_BLOCK_S, min(_BLOCK_S, max_lag / 4))
        self._moved = asyncio.Event()
        self._tried = asyncio.Event()
        self.instance = instance
        self.pending = Pending() if pending is None else pending
        self.problem = ""

    async def run(self) -> None:
        """Rounds until cancelled; errors are logged once an outage and waited out."""
        failures = 0
        while True:
            try:
                await self.step()
            except StoreError as error:
                self._report(error)
                self._tried.set()
                await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1
            else:
                failures = 0

    async def tried(self, within_s: float) -> None:
        """Wait for the first join to have succeeded or failed, at most `within_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._tried.wait()

    async def step(self) -> None:
        """One round, joining first if need be; StoreError puts the instance offline."""
        coherence = self._coherence
        try:
            # The round after a join does not wait: memory is trusted only once it is over.
            wait_s = self._block_s if coherence.online else 0.0
            if not coherence.online:
                await self._join()
            started = self.clock()
            end = await self._read_on(wait_s)
        except JournalLostError:
            coherence.lose()
            raise
        except StoreError:
            coherence.go_offline()
            raise
        finally:
            self._wake()
        if coherence.online and coherence.place is not None and coherence.place >= end:
            coherence.touch(started)
        self._tried.set()

    def in_time(self, started: float) -> None:
        """StoreError if marks were raised too late: the append was begun at `started`.

        Whoever joined meanwhile may know neither the record nor the marks.
        """
        if self.clock() - started > RAISE_S:
            raise StoreError("an invalidation was under way too long: it is appended anew")

    async def passed(self, position: Position, within_s: float) -> bool:
        """Wait until the place is at or after `position`; False if it did not get there."""
        losses = self._coherence.losses
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while losses == self._coherence.losses:
                    place = self._coherence.place
                    if place is not None and place >= position:
                        return True
                    await self._moved.wait()
        return False

    async def _join(self) -> None:
        coherence = self._coherence
        opened = await self._shared.open(coherence.floor)
        if coherence.place is not None and opened.epoch != coherence.epoch:
            coherence.lose()
        # What waits goes in first: once online, only the journal is believed.
        await self._flush()
        if coherence.place is None:
            await self._begin(opened.end)
        while True:
            end = await self._read_on(0.0)
            if self.pending:
                await self._flush()
            elif self._place() >= end:
                break
        # No await since the last look at `pending`: our facts are all in the table by now.
        coherence.go_online(opened.epoch)
        if self.problem:
            _log.warning("the shared store is back", extra={"store": self._shared.name})
        self.problem = ""

    async def _begin(self, end: Position) -> None:
        floor = self._coherence.floor
        if end <= floor:
            end = await self._shared.append((), floor)
        tail = await self._shared.tail(TAIL_S)
        # After the tail: a wide fact not in this answer is later than `tail`'s beginning.
        wide = await self._shared.wide()
        if not self._coherence.begin(end, tail, wide):
            raise JournalLostError("the journal changed while it was being read")

    async def _read_on(self, wait_s: float) -> Position:
        """Renew the lease, then take in what there is; the journal's end before that."""
        place = self._place()
        end = await self._shared.beat(Beat(self.instance, place, self._lease_s))
        if end < place:
            raise JournalLostError("the journal ends before this instance's place in it")
        for record in await self._shared.read(place, wait_s):
            self._take(record)
        return end

    def _take(self, record: JournalRecord) -> None:
        if not self._coherence.follow(record):
            raise JournalLostError("the journal was cut off before this instance had read it")
        self._wake()

    async def _flush(self) -> None:
        while waiting := self.pending.snapshot():
            facts, started = tuple(waiting), self.clock()
            position = await self._shared.append(facts)
            await self._shared.confirm(facts, position)
            self.in_time(started)
            self.pending.settle(waiting)
            await self.pending.kept()

    def _place(self) -> Position:
        if self._coherence.place is None:
            raise JournalLostError("this instance has lost its place in the journal")
        return self._coherence.place

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _report(self, error: StoreError) -> None:
        if not self.problem:
            _log.warning("the shared store is out of reach: %s", error)
        self.problem = str(error)
