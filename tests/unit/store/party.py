"""Instances over the simulated shared store, in which a test holds and loses single operations.

A member has all parts of an instance below `Cache`, so that a test can look at
each. Nothing moves by itself: `through` lets one thing go on to its end, `until`
stops it at an operation, `answer` lets that one operation through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from proxy.errors import StoreError
from proxy.flow.tasks import spawn
from proxy.messages import Position, StoredResponse
from proxy.outcomes import NotServed
from proxy.store.base import Fact, FactKind, Found
from proxy.store.breaker import Breaker
from proxy.store.coherence import Coherence
from proxy.store.facts import MAX_TAGS
from proxy.store.far import Far
from proxy.store.guard import Guard, ignore
from proxy.store.journal import Follower
from proxy.store.memory import MemoryStore
from proxy.store.told import awaited
from tests.support.build import stored
from tests.support.clock import ManualClock
from tests.support.sim_shared import Fate, Gate, SimStore, World

KEY = b"k" * 32
TAG, OTHER = Fact(FactKind.TAG, "t"), Fact(FactKind.TAG, "another")
MAX_LAG = 5.0
_TURNS = 2000

Value = TypeVar("Value")


class Member:
    """One instance; `joined` and `stated` take it through all of that."""

    def __init__(self, party: Party, name: str, max_tags: int, max_lag: float) -> None:
        self.party = party
        self.name = name
        self.store = SimStore(party.world, name)
        self.memory = MemoryStore(max_size=1 << 20)
        clock = party.clock
        self.coherence = Coherence(
            self.memory, shared=True, max_lag=max_lag, clock=clock, max_tags=max_tags
        )
        self.follower = Follower(
            self.store, self.coherence, instance=name, max_lag=max_lag, clock=clock
        )
        self.far = Far(
            self.store, self.coherence, Guard(Breaker(clock), clock, ignore), self.follower, spawn
        )

    async def round(self) -> None:
        """One round to its end, whatever comes of it."""

        async def step() -> None:
            with suppress(StoreError):
                await self.follower.step()

        await self.party.through(self, step())

    async def followed(self) -> None:
        """Read on, and say so: a lease names the place at which its round began."""
        await self.round()
        await self.round()

    async def state(self, *facts: Fact) -> Position:
        """Invalidate, from end to end."""
        position = await self.party.through(self, self.far.state(facts))
        assert position is not None
        return position

    async def keep(self, entry: StoredResponse, key: bytes = KEY) -> None:
        """Write, from end to end."""
        assert await self.party.through(self, self.far.write([(key, entry)])) == 0

    async def find(self, key: bytes = KEY) -> Found | NotServed:
        """Look up, from end to end."""
        return await self.party.through(self, self.look_up(key))

    async def look_up(self, key: bytes = KEY) -> Found | NotServed:
        """Look up; it stops at its gates."""
        return await awaited(partial(self.far.seek, key))

    def answer(self, body: bytes = b"stored") -> StoredResponse:
        """An answer whose fetch begins now, under `t`."""
        return stored(body, tags=("*", "t"), born=self.coherence.position, lifetime=1e6)


class Party:
    """The world and its instances."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.world = World(clock)

    async def joins(
        self, name: str, *, max_tags: int = MAX_TAGS, max_lag: float = MAX_LAG
    ) -> Member:
        """A newcomer, online and trusted."""
        member = Member(self, name, max_tags, max_lag)
        await member.round()
        assert member.coherence.online
        assert member.coherence.trusted()
        return member

    def begin(self, coro: Coroutine[Any, Any, Value]) -> asyncio.Task[Value]:
        """Start something that will stop at a gate."""
        return spawn(coro, "test-party")

    async def until(self, member: Member, op: str) -> Gate:
        """Let a member's operations through up to the next one named so, which stays held."""
        for _ in range(_TURNS):
            for gate in self._of(member):
                if gate.op == op:
                    return gate
                self.answer(gate)
            await asyncio.sleep(0)
        raise AssertionError(f"{member.name} never came to {op}")

    def answer(self, gate: Gate, fate: Fate = Fate.DONE) -> None:
        """Let one operation through, or fail it."""
        if not gate.future.done():
            gate.future.set_result(fate)

    async def through(self, member: Member, coro: Coroutine[Any, Any, Value]) -> Value:
        """Let one thing of a member go on to its end; what it has held before stays held."""
        held = self._of(member)
        task = self.begin(coro)
        for _ in range(_TURNS):
            if task.done():
                return task.result()
            for gate in self._of(member):
                if gate not in held:
                    self.answer(gate)
            await asyncio.sleep(0)
        raise AssertionError(f"{member.name} never came to an end")

    def _of(self, member: Member) -> list[Gate]:
        return [gate for gate in self.world.gates if gate.instance == member.name]
