"""The two tiers as one cache: what the driver uses. Nothing it answers was invalidated.

Memory is believed as it stands, because facts are applied to it as they arrive;
what comes from the shared store is judged (far.py). What nothing proves is a
miss. Why that holds is in `proxy/README.md`, race by race in `docs/coherence.md`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

from proxy.errors import StoreError
from proxy.messages import Position, Stored, StoredResponse
from proxy.outcomes import NotServed, NotStored
from proxy.store.base import (
    EVERYTHING,
    CacheStatus,
    Clock,
    Fact,
    FactKind,
    Found,
    Record,
    SharedStore,
    Spawn,
)
from proxy.store.breaker import Breaker
from proxy.store.coherence import Coherence
from proxy.store.entry_info import EntryInfo, Selection
from proxy.store.fact_file import FactFile
from proxy.store.facts import Verdict
from proxy.store.far import Far
from proxy.store.guard import Guard, OnOperation, ignore
from proxy.store.guarded_notes import GuardedNotes
from proxy.store.housekeeping import reclaiming, sweeping
from proxy.store.journal import Follower
from proxy.store.memory import MemoryStore, Slot
from proxy.store.memory_notes import MemoryNotes
from proxy.store.newness import chosen, is_over
from proxy.store.notes import Notes
from proxy.store.pending import Pending
from proxy.store.seeking import Fetched, Heard
from proxy.store.told import awaited
from proxy.store.writer import WriteBehind

WAIT_S: Final = 10.0
_ALL: Final = Selection()
_START_S: Final = 3.0
"""How long a start waits for the shared store before it goes on without."""
_LAST_TRY_S: Final = 2.0
"""How long an end waits to pass on the invalidations that wait."""
_PURGE: Final = Fact(FactKind.TAG, EVERYTHING)


class Cache:
    """`shared` None: memory only. `max_lag` in seconds; `clock` counts them and never goes back.

    `notes` are what is shared beside the answers: this process's own if nothing is shared.
    `fact_file` keeps the invalidations that the shared store has not taken when the process ends.
    """

    def __init__(
        self,
        memory: MemoryStore,
        shared: SharedStore | None,
        *,
        spawn: Spawn,
        max_lag: float = 5.0,
        max_object: int = 16 * 1024 * 1024,
        clock: Clock = time.monotonic,
        on_operation: OnOperation = ignore,
        fact_file: FactFile | None = None,
    ) -> None:
        self._memory = memory
        self._look = memory.look
        self.touch = memory.touch
        self._spawn = spawn
        self._clock = clock
        self._max_object = max_object
        self.breaker = Breaker(clock)
        self._tasks: list[asyncio.Task[None]] = []
        self._coherence = Coherence(memory, shared=shared is not None, max_lag=max_lag, clock=clock)
        self._far: Far | None = None
        self._writes: WriteBehind | None = None
        self.notes: Notes = MemoryNotes(clock)
        if shared is not None:
            guard = Guard(self.breaker, clock, on_operation)
            self.notes = GuardedNotes(shared.notes, guard)
            follower = Follower(
                shared,
                self._coherence,
                instance=secrets.token_hex(8),
                max_lag=max_lag,
                clock=clock,
                pending=Pending(file=fact_file),
            )
            self._far = Far(shared, self._coherence, guard, follower, spawn)
            self._writes = WriteBehind(self._far.write, spawn)

    @property
    def position(self) -> Position:
        """A place in the journal that exists now: the `born` of a fetch that begins now."""
        return self._coherence.position

    def peek(self, key: bytes, now: float) -> Found | None:
        """What memory has, at once."""
        if self._clock() > self._coherence.trusted_until:
            return None
        return self._look(key, now)

    @property
    def standing(self) -> Callable[[bytes], Slot | None]:
        """What finds a slot of memory that may be served from while it is fresh (MemoryStore)."""
        return self._memory.standing if self._far is None else self._trusted

    def _trusted(self, key: bytes) -> Slot | None:
        in_time = self._clock() <= self._coherence.trusted_until
        return self._memory.standing(key) if in_time else None

    def alive(self, entry: Stored) -> bool:
        """Whether an answer still on its way may be used: nothing it names was invalidated."""
        judged = self._coherence.judge(entry)
        return judged is Verdict.ALIVE and self._coherence.proves(entry.born)

    async def undisputed(self, claim: Stored, stated: Position) -> bool:
        """Whether only the fact at `stated` is about it and later than its birth (see far)."""
        if self._far is None:
            return self._coherence.undisputed(claim, stated)
        return await self._far.undisputed(claim, stated)

    async def find(self, key: bytes, now: float) -> Found | NotServed:
        """What either tier has; what is found in the shared one comes into memory.

        It is asked for what is stale here, too: another instance may have renewed it.
        """
        return await awaited(partial(self.seek, key, now))

    def seek(self, key: bytes, now: float, told: Heard) -> None:
        """The same, told once: before this returns, or in a later turn. There is no cancelling."""
        found = self.peek(key, now)
        if self._far is None or (found is not None and not is_over(found, now)):
            told(found or NotServed.ABSENT)
        else:
            self._far.seek(key, partial(self._fetched, key, now, told))

    def _fetched(self, key: bytes, now: float, told: Heard, fetched: Found | NotServed) -> None:
        found: Found | NotServed = NotServed.STORE_DOWN
        try:
            # 1. The read begins.  2. A newer one is kept.  3. It ends.
            found = chosen(self.peek(key, now), fetched, now)
            if found is fetched and isinstance(fetched, Fetched) and fetched.keep:
                self._memory.place(key, fetched.record, soft=fetched.soft)
        finally:
            told(found)

    def keep(self, key: bytes, entry: Stored, now: float) -> NotStored | None:
        """Store: in memory at once, in the shared store behind. None: at least one takes it."""
        verdict = self._coherence.judge(entry)
        refusal = self._refusal(entry, verdict, now)
        if refusal is not None:
            return refusal
        in_memory = self._memory.place(key, Record(entry), soft=verdict is Verdict.SOFT)
        if self._writes is None:
            return None if in_memory else NotStored.TOO_LARGE
        queued = self._coherence.online and self._writes.write(key, entry)
        return None if in_memory or queued else NotStored.STORE_DOWN

    def _refusal(self, entry: Stored, verdict: Verdict, now: float) -> NotStored | None:
        if entry.expires_at <= now:
            return NotStored.EXPIRED
        if isinstance(entry, StoredResponse) and len(entry.body) > self._max_object:
            return NotStored.TOO_LARGE
        if verdict is Verdict.DEAD or not self._coherence.proves(entry.born):
            return NotStored.INVALIDATED
        return None

    async def forget(self, key: bytes) -> None:
        """Remove one entry from this instance's memory and from the shared store.

        Housekeeping (damaged, replaced). Other instances' memory is reached by `invalidate` only.
        """
        self._memory.drop(key)
        if self._writes is not None and self._coherence.online:
            await self._writes.delete(key)

    async def invalidate(self, facts: Iterable[Fact], *, wait: bool = False) -> Position:
        """From its return on, this instance serves nothing these facts speak of that is older.

        The others follow within milliseconds, at most `max_lag`; with `wait` all have
        when it returns. If the journal is out of reach the facts hold here, are kept on the
        disk, and are appended when it is back; the position is then a local one
        (`is_local`), and with `wait` StoreError is raised.
        """
        stated = tuple(dict.fromkeys(facts))
        if not stated:
            return self.position
        if self._coherence.too_many_wide and any(f.kind is not FactKind.TAG for f in stated):
            stated = (*stated, _PURGE)
        if self._far is None:
            return self._coherence.note_local(stated)
        pending = self._far.follower.pending
        try:
            position = await self._far.state(stated)
        except asyncio.CancelledError:
            self._let_wait(stated, pending)  # it may be in the journal, or not
            raise
        if position is None:
            position = self._let_wait(stated, pending)
            await pending.kept()
            if wait:
                raise StoreError(
                    "the journal is out of reach: invalidated here, the other instances follow "
                    "when it is back"
                )
        elif wait:
            await self._far.wait_for_all(position, WAIT_S, self._clock)
        return position

    def _let_wait(self, facts: tuple[Fact, ...], pending: Pending) -> Position:
        # No await between these: whoever goes online now finds them waiting.
        position = self._coherence.note_local(facts)
        self._coherence.go_offline()
        pending.add(facts)
        return position

    async def scan(self, selection: Selection = _ALL, *, now: float) -> AsyncIterator[EntryInfo]:
        """The entries of both tiers, memory first, without those known to be dead.

        Redis may name one twice while its table grows or shrinks.
        StoreError if the shared store fails in the middle; memory has been listed by then.
        """
        seen = set()
        for listed in self._memory.entries(now):
            seen.add(listed.key)
            if selection.holds(listed):
                yield listed
        if self._far is None or not self._coherence.online:
            return
        async for listed in self._far.shared.scan():
            if listed.key in seen or listed.expires_at <= now or not selection.holds(listed):
                continue
            if self._coherence.judge(listed) is not Verdict.DEAD:
                yield listed

    async def start(self) -> None:
        """Join and follow the shared store; if it is not there, take it up when it comes."""
        self._tasks.append(self._spawn(sweeping(self._memory), "store-sweeper"))
        self._tasks.append(self._spawn(reclaiming(self._memory), "store-reclaimer"))
        if self._far is None or self._writes is None:
            return
        await self._far.follower.pending.adopt()
        self._writes.start()
        self._tasks.append(self._spawn(self._far.follower.run(), "store-follower"))
        await self._far.follower.tried(_START_S)

    async def close(self, within_s: float = 5.0) -> int:
        """Finish queued writes within the deadline, leave, let go.

        How many invalidations are lost: those neither the shared store took nor the disk.
        """
        if self._writes is not None:
            await self._writes.close(within_s if self._coherence.online else 0.0)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._far is None:
            return 0
        pending = self._far.follower.pending
        if pending:
            with suppress(StoreError, TimeoutError):
                async with asyncio.timeout(min(within_s, _LAST_TRY_S)):
                    await self._far.follower.step()
        await self._far.close()
        return await pending.close()

    def status(self) -> CacheStatus:
        """How it is, without asking anybody."""
        memory, coherence = self._memory.status(), self._coherence
        if self._far is None or self._writes is None:
            return CacheStatus(memory=memory)
        return CacheStatus(
            memory=memory,
            shared=self._far.shared.status(),
            shared_name=self._far.shared.name,
            online=coherence.online,
            epoch=coherence.epoch,
            lag_s=None if coherence.contact is None else self._clock() - coherence.contact,
            trusted=coherence.trusted(),
            breaker_open=self.breaker.is_open,
            pending_facts=len(self._far.follower.pending),
            queued_writes=len(self._writes),
            dropped_writes=self._writes.dropped,
            problem=self._far.follower.problem,
        )
