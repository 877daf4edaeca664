"""The shared tier as one instance uses it: every answer judged, every write proven.

Each operation may suspend, and meanwhile the follower moves on: what was true
before an await is asked again after it. `losses` tells whether the place was
lost in between, in which case nothing learnt before it counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from proxy.errors import StoreError
from proxy.messages import Position, Stored
from proxy.outcomes import NotServed
from proxy.store.base import (
    Clock,
    Fact,
    JournalLostError,
    Record,
    SharedStore,
    Spawn,
    is_local,
)
from proxy.store.coherence import Coherence
from proxy.store.facts import Verdict, judge_by_marks, worse
from proxy.store.guard import Guard
from proxy.store.journal import Follower
from proxy.store.seeking import Heard, LookUp, Seeking

_FOLLOW_S: Final = 2.0
"""How long a write waits for its instance to follow up to it before it is given up."""
_SETTLE_S: Final = 0.5
"""How long the answer to a write waits for the same, to be stored as what it has written."""
_POLL_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)


Job = tuple[bytes, Stored | None]
"""A key, and the entry to be stored under it, or None: it is to be deleted."""
Proven = list[tuple[bytes, Record]]


class Far:
    """One instance's judged view of `shared`."""

    def __init__(
        self,
        shared: SharedStore,
        coherence: Coherence,
        guard: Guard,
        follower: Follower,
        spawn: Spawn,
    ) -> None:
        self.shared = shared
        self._seeking = Seeking(shared, coherence, guard, spawn)
        self.follower = follower
        self._coherence = coherence
        self._guard = guard

    def seek(self, key: bytes, told: Heard) -> None:
        """What is under `key` and provably alive; told once, at once or later. Raises nothing."""
        coherence = self._coherence
        if not coherence.online:
            told(NotServed.STORE_DOWN)
        elif not coherence.trusted():
            told(NotServed.UNPROVEN)
        else:
            LookUp(self._seeking, told).begin(key)

    async def write(self, jobs: Sequence[Job]) -> int:
        """Store entries that are still alive, delete where there is none; how many were dropped.

        All at once: the marks are read in one go, and what is proven by them is put together.
        """
        writes = [(key, entry) for key, entry in jobs if entry is not None]
        try:
            proven, dropped = await self._prove(writes)
        except StoreError:
            proven, dropped = [], len(writes)
        puts = (self._put(key, record) for key, record in proven)
        deletions = (self._delete(key) for key, entry in jobs if entry is None)
        outcomes = await asyncio.gather(*puts, *deletions, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, StoreError):
                dropped += 1
            elif outcome is not None:
                raise outcome
        return dropped

    async def _prove(self, writes: Sequence[tuple[bytes, Stored]]) -> tuple[Proven, int]:
        """The records of those that are alive, and how many nobody can tell of.

        1. Read or make the marks.  2. Read the journal's end.  3. Follow up to it.  4. Judge.
        A fact appended before (1) is seen by (4), even if its mark was evicted and made
        anew by (1); one confirmed after (1) is in the mark that the entry names, or that
        mark is gone, and then the entry is dead. So it is for each of many, whose marks are
        all read before the one end.
        """
        coherence, losses = self._coherence, self._coherence.losses
        if not writes:
            return [], 0
        if not coherence.online:
            raise StoreError("the shared store is out of reach")
        until: dict[str, float] = {}
        for _, entry in writes:
            expires_at = entry.expires_at
            until |= {tag: max(until.get(tag, 0.0), expires_at) for tag in entry.tags}
        reach = await self._guard.run("reach", lambda: self.shared.reach(until))
        if not await self.follower.passed(reach.end, _FOLLOW_S):
            raise StoreError("the journal could not be followed up to the write")
        if losses != coherence.losses:
            raise StoreError("the place in the journal was lost")
        known = dict(zip(until, reach.marks, strict=True))
        proven: Proven = []
        unproven = 0
        for key, entry in writes:
            marks = tuple(map(known.__getitem__, entry.tags))
            generations = tuple(mark.generation for mark in marks)
            by_marks = judge_by_marks(entry, generations, marks)
            if worse(by_marks, coherence.judge(entry)) is Verdict.DEAD:
                continue
            if coherence.proves(entry.born):
                proven.append((key, Record(entry, generations, reach.epoch)))
            else:
                unproven += 1
        return proven, unproven

    async def _put(self, key: bytes, record: Record) -> None:
        await self._guard.run("put", lambda: self.shared.put(key, record))

    async def _delete(self, key: bytes) -> None:
        await self._guard.run("delete", lambda: self.shared.delete(key))

    async def state(self, facts: Sequence[Fact]) -> Position | None:
        """Append, apply here, raise the marks; None if that failed: they have to wait."""
        coherence, losses = self._coherence, self._coherence.losses
        if not coherence.online:
            return None
        started = self.follower.clock()
        try:
            position = await self._guard.run(
                "append", lambda: self.shared.append(facts), insist=True
            )
            if losses != coherence.losses:
                return None
            coherence.note(facts, position)
            await self._guard.run(
                "confirm", lambda: self.shared.confirm(facts, position), insist=True
            )
            self.follower.in_time(started)
        except StoreError:
            # The follower joins again, and appends what waits before it believes the journal.
            coherence.go_offline()
            return None
        return position

    async def undisputed(self, claim: Stored, stated: Position) -> bool:
        """Whether nobody but who wrote the record at `stated` spoke of it since its birth.

        1. Our write begins.  2. Another's is answered, there, and its fact is appended.
        3. Ours is answered, and its fact has a later place. The answers may be in the other
        order than the writes, so neither is to be stored: hence the journal up to (3).
        """
        if is_local(claim.born) or is_local(stated):
            return False
        passed = await self.follower.passed(stated, _SETTLE_S)
        return passed and self._coherence.undisputed(claim, stated)

    async def wait_for_all(self, position: Position, within_s: float, clock: Clock) -> None:
        """Return once no instance serves from before `position`; StoreError: some still may."""
        started, pause = clock(), iter(_POLL_S)
        while behind := await self._behind(position):
            if clock() > started + within_s:
                raise StoreError(
                    f"{len(behind)} instance(s) have not followed the invalidation within "
                    f"{within_s:g} s; it holds, and they stop serving from memory by themselves"
                )
            await asyncio.sleep(next(pause, _POLL_S[-1]))

    async def close(self) -> None:
        """Give the lease back and let go."""
        if self._coherence.online:
            self._coherence.go_offline()
            with suppress(StoreError):
                await self.shared.leave(self.follower.instance)
        await self.shared.close()

    async def _behind(self, position: Position) -> tuple[str, ...]:
        try:
            return await self._guard.run("behind", lambda: self.shared.behind(position))
        except JournalLostError as error:
            raise StoreError("the journal was replaced while instances were waited for") from error
