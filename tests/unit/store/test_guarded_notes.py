"""Notes past the breaker: what the store's other operations learn of it holds for notes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from proxy.errors import StoreError
from proxy.outcomes import Tier
from proxy.store.breaker import Breaker
from proxy.store.guard import BreakerOpenError, Guard
from proxy.store.guarded_notes import GuardedNotes
from proxy.store.memory_notes import MemoryNotes
from tests.support.clock import ManualClock


class Failing(MemoryNotes):
    """Notes whose store is down."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def get(self, space: str, key: str) -> bytes | None:
        self.asked += 1
        raise StoreError(f"down: {space}/{key}")

    async def list(self, space: str) -> AsyncIterator[tuple[str, bytes]]:
        self.asked += 1
        if space:
            raise StoreError("down")
        yield "", b""


class Told:
    """Who is told of each operation."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __call__(self, tier: Tier, op: str, result: str, seconds: float) -> None:
        assert tier is Tier.SHARED
        assert seconds >= 0
        self.said.append((op, result))


async def test_every_operation_goes_through_and_is_told() -> None:
    told, clock = Told(), ManualClock()
    notes = GuardedNotes(MemoryNotes(), Guard(Breaker(clock), clock, told))
    await notes.put("due", "k", b"v", 60)
    assert await notes.get("due", "k") == b"v"
    assert await notes.claim("due", "k", b"w", 60) == b"v"
    assert await notes.replace("due", "k", b"v", b"w", 60)
    for key in "abc":
        await notes.put("due", key, b"v", 60)
    assert [key async for key, _ in notes.list("due")] == ["k", "a", "b", "c"]
    assert await notes.delete("due", "k")
    assert await notes.add("hits", "k", {"n": 1}) == {"n": 1}
    assert [found async for found in notes.counters("hits")] == [("k", {"n": 1})]
    assert {op for op, _ in told.said} == {
        "note-put",
        "note-get",
        "note-claim",
        "note-replace",
        "note-delete",
        "note-list",
        "note-add",
    }
    assert {result for _, result in told.said} == {"ok"}


async def test_a_store_that_fails_is_left_alone() -> None:
    told, clock, store = Told(), ManualClock(), Failing()
    breaker = Breaker(clock)
    notes = GuardedNotes(store, Guard(breaker, clock, told))
    while not breaker.is_open:
        with pytest.raises(StoreError, match="down"):
            await notes.get("due", "k")
    asked = store.asked
    with pytest.raises(BreakerOpenError):
        await notes.get("due", "k")
    with pytest.raises(BreakerOpenError):
        await anext(notes.list("due"))
    assert store.asked == asked


async def test_a_listing_that_fails_is_told_to_the_breaker() -> None:
    clock, store = ManualClock(), Failing()
    breaker = Breaker(clock)
    notes = GuardedNotes(store, Guard(breaker, clock, Told()))
    for _ in range(1000):
        with pytest.raises(StoreError):
            await anext(notes.list("due"))
        if breaker.is_open:
            return
    pytest.fail("the breaker stayed closed")
