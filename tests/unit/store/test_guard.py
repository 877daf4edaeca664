from __future__ import annotations

import asyncio

import pytest

from proxy.errors import CorruptEntryError, StoreError
from proxy.outcomes import Tier
from proxy.store.base import JournalLostError, StoreTimeoutError
from proxy.store.breaker import Breaker
from proxy.store.guard import BreakerOpenError, Guard
from tests.support.clock import ManualClock

ROWS = [
    pytest.param("get", b"value", "ok", False, id="a value"),
    pytest.param("get", None, "miss", False, id="a miss"),
    pytest.param("put", None, "ok", False, id="nothing to return is no miss"),
    pytest.param("get", CorruptEntryError("x"), "corrupt", False, id="damaged bytes"),
    pytest.param("beat", JournalLostError("x"), "corrupt", False, id="a replaced journal"),
    pytest.param("get", StoreTimeoutError("x"), "timeout", True, id="a time-out"),
    pytest.param("get", StoreError("x"), "error", True, id="an error"),
]


class Counted:
    def __init__(self, clock: ManualClock) -> None:
        self.seen: list[tuple[Tier, str, str, float]] = []
        self.breaker = Breaker(clock, failures=1, open_s=2.0)
        self.guard = Guard(self.breaker, clock, lambda *told: self.seen.append(told))


@pytest.mark.parametrize(("op", "outcome", "result", "opens"), ROWS)
async def test_each_outcome_is_counted_and_told_to_the_breaker(
    clock: ManualClock, op: str, outcome: bytes | StoreError | None, result: str, opens: bool
) -> None:
    counted = Counted(clock)

    async def call() -> bytes | None:
        clock.advance(0.25)
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    if isinstance(outcome, StoreError):
        with pytest.raises(type(outcome)):
            await counted.guard.run(op, call)
    else:
        assert await counted.guard.run(op, call) == outcome
    assert counted.seen == [(Tier.SHARED, op, result, 0.25)]
    assert counted.breaker.is_open is opens


@pytest.mark.parametrize(("op", "outcome", "result", "opens"), ROWS)
def test_so_is_one_that_is_told_of(
    clock: ManualClock, op: str, outcome: bytes | StoreError | None, result: str, opens: bool
) -> None:
    counted = Counted(clock)
    began = counted.guard.begin(op)
    assert began is not None
    clock.advance(0.25)
    counted.guard.end(op, outcome, began)
    assert counted.seen == [(Tier.SHARED, op, result, 0.25)]
    assert counted.breaker.is_open is opens


def test_what_is_told_of_does_not_begin_while_the_breaker_is_open(clock: ManualClock) -> None:
    counted = Counted(clock)
    counted.breaker.failed()
    assert counted.guard.begin("get") is None
    assert counted.seen == [(Tier.SHARED, "get", "refused", 0.0)]
    clock.advance(2.0)
    began = counted.guard.begin("get")
    assert began is not None
    assert counted.guard.begin("get") is None, "one probe at a time"
    counted.guard.end("get", ValueError("a defect says nothing of the store"), began)
    assert counted.seen[-1][2] == "error"
    assert counted.guard.begin("get") is not None, "so that another may probe"


async def test_an_open_breaker_refuses_without_calling(clock: ManualClock) -> None:
    counted = Counted(clock)
    counted.breaker.failed()

    async def call() -> None:
        raise AssertionError("nobody asked for it")

    with pytest.raises(BreakerOpenError):
        await counted.guard.run("get", call)
    assert counted.seen == [(Tier.SHARED, "get", "refused", 0.0)]


async def test_a_cancelled_probe_leaves_room_for_the_next(clock: ManualClock) -> None:
    """A client that left says nothing of the store."""
    counted = Counted(clock)
    counted.breaker.failed()
    clock.advance(2.0)

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def works() -> str:
        return "value"

    with pytest.raises(asyncio.CancelledError):
        await counted.guard.run("get", cancelled)
    assert counted.seen[-1][2] == "abandoned"
    assert await counted.guard.run("get", works) == "value"
    assert not counted.breaker.is_open


async def test_who_insists_is_let_through_and_tells_the_breaker_nothing(clock: ManualClock) -> None:
    """An invalidation that is refused puts the instance offline and leaves the others stale."""
    counted = Counted(clock)
    counted.breaker.failed()

    async def call() -> bytes:
        return b"appended"

    with pytest.raises(BreakerOpenError):
        await counted.guard.run("get", call)
    assert await counted.guard.run("append", call, insist=True) == b"appended"
    assert counted.seen[-1] == (Tier.SHARED, "append", "ok", 0.0)
    assert counted.breaker.is_open, "one append says little of the many look-ups that failed"
