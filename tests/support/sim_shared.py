"""A shared store in a dictionary, that a test can hold, break, forget and bring back.

Every operation stops at a gate until the test lets it through, fails it, or lets
it through and loses the answer; so a test chooses every interleaving. It keeps
the same protocol as the real ones, with the same losses: marks evicted, journal
trimmed, everything flushed, a restart from an old snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import TypeVar

from proxy.errors import StoreError
from proxy.messages import START, Position
from proxy.outcomes import Tier
from proxy.store.base import (
    EVERYTHING,
    RAISE_S,
    Beat,
    Fact,
    FactKind,
    JournalLostError,
    JournalRecord,
    Mark,
    Opened,
    Reach,
    Record,
    TierStatus,
)
from proxy.store.entry_info import EntryInfo
from proxy.store.facts import Latest
from proxy.store.memory_notes import MemoryNotes
from proxy.store.notes import Notes
from tests.support.clock import ManualClock
from tests.support.gated import Gated

Value = TypeVar("Value")


class Fate(Enum):
    """What becomes of an operation at its gate."""

    DONE = auto()
    LATE = auto()
    """It is done, and its answer waits at a gate of its own, named `… answer`."""
    REFUSED = auto()
    ANSWER_LOST = auto()


@dataclass
class Data:
    """What a snapshot holds."""

    epoch: str = ""
    run: int = 0
    journal: list[JournalRecord] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)
    entries: dict[bytes, Record] = field(default_factory=dict)
    wide: dict[Fact, Position] = field(default_factory=dict)


@dataclass
class Gate:
    """An operation under way: whose, which, and what opens it."""

    instance: str
    op: str
    future: asyncio.Future[Fate]


class World:
    """The one server that all instances share."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.data = Data()
        self.run = 1
        self.snapshot = Data()
        self.leases: dict[str, tuple[str, Position, float]] = {}
        self.gates: list[Gate] = []
        self.cut_off: set[str] = set()
        self.unconfirmed: dict[Position, float] = {}  # and when each was appended
        self.generations = 0
        self.epochs = 0

    def save(self) -> None:
        """Take a snapshot."""
        self.snapshot = deepcopy(self.data)

    def crash(self) -> None:
        """Restart with what the last snapshot holds."""
        self.data = deepcopy(self.snapshot)
        self.run += 1
        self.unconfirmed.clear()

    def flush(self) -> None:
        """Forget everything."""
        self.data = Data(run=self.run)
        self.unconfirmed.clear()

    def end(self) -> Position:
        """The journal's last position."""
        if not self.data.journal:
            raise JournalLostError("no journal")
        return self.data.journal[-1].position

    def behind(self, epoch: str, position: Position) -> tuple[str, ...]:
        """The instances with a lease that are not there yet."""
        return tuple(
            name
            for name, (known, place, until) in self.leases.items()
            if until >= self.clock() and (known != epoch or place < position)
        )


class SimStore(Gated):
    """One instance's connection to the world."""

    name = "sim"

    def __init__(self, world: World, instance: str) -> None:
        self.world = world
        self.instance = instance
        self.epoch = ""
        self.run = 0
        self.notes: Notes = MemoryNotes()
        self.waits: list[float] = []
        """How long each read would have waited for a first record."""

    async def _at(self, op: str, do: Callable[[], Value], *, opening: bool = False) -> Value:
        epoch, run = self.epoch, self.run
        fate = await self._gate(op)
        if fate is Fate.REFUSED or self.instance in self.world.cut_off:
            raise StoreError("out of reach")
        if not opening and (run != self.world.run or epoch != self.epoch):
            raise JournalLostError("another run of the server")
        value = do()
        if fate is Fate.LATE:
            fate = await self._gate(f"{op} answer")
        if fate is Fate.ANSWER_LOST or fate is Fate.REFUSED:
            raise StoreError("no answer")
        return value

    async def _gate(self, op: str) -> Fate:
        gate = Gate(self.instance, op, asyncio.get_running_loop().create_future())
        self.world.gates.append(gate)
        try:
            return await gate.future
        finally:
            self.world.gates = [other for other in self.world.gates if other is not gate]

    async def get(self, key: bytes) -> Record | None:
        def do() -> Record | None:
            record = self.world.data.entries.get(key)
            return record if record and record.epoch == self.epoch else None

        return await self._at("get", do)

    async def put(self, key: bytes, record: Record) -> None:
        if record.epoch != self.epoch:
            raise JournalLostError("another epoch")
        await self._at("put", lambda: self.world.data.entries.update({key: record}))

    async def delete(self, key: bytes) -> bool:
        return await self._at("delete", lambda: self.world.data.entries.pop(key, None) is not None)

    async def scan(self) -> AsyncIterator[EntryInfo]:
        for key, record in tuple(self.world.data.entries.items()):
            yield EntryInfo.of(key, record.entry, Tier.SHARED)

    async def close(self) -> None:
        return

    def status(self) -> TierStatus:
        return TierStatus()

    async def open(self, floor: Position) -> Opened:
        def do() -> Opened:
            world, data = self.world, self.world.data
            if not data.epoch or data.run != world.run or not data.journal:
                world.epochs += 1
                first = (floor[0] + 1, 0)
                genesis = JournalRecord(first, START, ())
                # Its positions begin below others' floors on purpose: clocks differ.
                world.data = Data(f"epoch-{world.epochs}", world.run, [genesis])
                world.data.entries.update(data.entries)
            self.epoch, self.run = world.data.epoch, world.run
            return Opened(self.epoch, world.end())

        return await self._at("open", do, opening=True)

    async def append(self, facts: Sequence[Fact], floor: Position = START) -> Position:
        def do() -> Position:
            end = self._own_end()
            position = (end[0], end[1] + 1) if end > floor else (floor[0] + 1, 0)
            self.world.data.journal.append(JournalRecord(position, end, tuple(facts)))
            if facts:
                self.world.unconfirmed[position] = self.world.clock()
            made.append(position)
            return position

        made: list[Position] = []
        try:
            return await self._at("append", do)
        except BaseException:
            for position in made:
                self.world.unconfirmed.pop(position, None)
            raise

    async def confirm(self, facts: Sequence[Fact], position: Position) -> None:
        # One key at a time, as everywhere: each mark is raised at a gate of its own.
        try:
            for fact in facts:
                await self._at("confirm", partial(self._raise, fact, position))
        finally:
            self.world.unconfirmed.pop(position, None)

    async def read(self, after: Position, wait_s: float) -> tuple[JournalRecord, ...]:
        self.waits.append(wait_s)

        def do() -> tuple[JournalRecord, ...]:
            self._own_end()
            return tuple(r for r in self.world.data.journal if r.position > after)[:2]

        return await self._at("read", do)

    async def tail(self, seconds: float) -> tuple[JournalRecord, ...]:
        del seconds

        # A tail is longer than any fact waits between journal and marks, and no longer.
        def do() -> tuple[JournalRecord, ...]:
            since, unconfirmed = self.world.clock() - RAISE_S, self.world.unconfirmed
            first = min((place for place, at in unconfirmed.items() if at >= since), default=None)
            tail = tuple(r for r in self.world.data.journal if first and r.position >= first)
            if first and (not tail or tail[0].position > first):
                raise JournalLostError("trimmed")
            return tail

        return await self._at("tail", do)

    async def wide(self) -> tuple[tuple[Fact, Position], ...]:
        return await self._at("wide", lambda: tuple(self.world.data.wide.items()))

    async def reach(self, tags: Mapping[str, float]) -> Reach:
        marks = [await self._at("reach", partial(self._mark, tag)) for tag in tags]
        end = await self._at("end", self._own_end)
        return Reach(self.epoch, tuple(marks), end)

    async def marks(self, tags: Sequence[str]) -> tuple[Mark | None, ...]:
        return tuple([await self._at("marks", partial(self._known, tag)) for tag in tags])

    async def beat(self, beat: Beat) -> Position:
        def do() -> Position:
            end = self._own_end()
            lease = (self.epoch, beat.position, self.world.clock() + beat.lease_s)
            self.world.leases[self.instance] = lease
            return end

        return await self._at("beat", do)

    async def leave(self, instance: str) -> None:
        self.world.leases.pop(instance, None)

    async def behind(self, position: Position) -> tuple[str, ...]:
        return await self._at("behind", lambda: self.world.behind(self.epoch, position))

    def _own_end(self) -> Position:
        if self.world.data.epoch != self.epoch:
            raise JournalLostError("another epoch")
        return self.world.end()

    def _known(self, tag: str) -> Mark | None:
        return self.world.data.marks.get(tag)

    def _mark(self, tag: str) -> Mark:
        if tag not in self.world.data.marks:
            self.world.generations += 1
            self.world.data.marks[tag] = Mark(self.world.generations)
        return self.world.data.marks[tag]

    def _raise(self, fact: Fact, position: Position) -> None:
        self._own_end()
        if fact.kind is not FactKind.TAG:
            known = self.world.data.wide.get(fact, START)
            self.world.data.wide[fact] = max(known, position)
            return
        mark = self._mark(fact.value)
        latest = Latest(mark.hard, mark.soft, mark.sparing).raised(fact, position)
        self.world.data.marks[fact.value] = Mark(
            mark.generation, latest.hard, latest.soft, latest.sparing
        )
        if fact.value == EVERYTHING:
            wide = self.world.data.wide
            self.world.data.wide = {f: at for f, at in wide.items() if at > position}
