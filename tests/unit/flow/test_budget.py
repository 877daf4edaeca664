"""The budget of what is on its way; its laws under any sequence are in tests/property."""

from __future__ import annotations

import asyncio

import pytest

from proxy.flow import tasks
from proxy.flow.budget import Budget, Lease, total_for

MIB = 1 << 20

TOTALS = {
    "as-much-as-the-memory-tier": ((256 * MIB, 16 * MIB, 64 * MIB), 256 * MIB),
    "a-body-of-the-largest-size-always-finds-room": ((MIB, 16 * MIB, 64 * MIB), 128 * MIB),
    "without-a-memory-tier-answers-are-still-recorded": ((0, 16 * MIB, MIB), 32 * MIB),
}


@pytest.mark.parametrize(("sizes", "total"), TOTALS.values(), ids=TOTALS)
def test_the_total_follows_from_the_limits_there_are(
    sizes: tuple[int, int, int], total: int
) -> None:
    assert total_for(*sizes) == total
    lone = Lease(Budget(total))
    assert lone.take(max(sizes[1:]))


def test_one_who_holds_much_leaves_as_much_again() -> None:
    budget = Budget(100)
    greedy, small = Lease(budget), Lease(budget)
    assert (greedy.take(50), greedy.take(1), small.take(25), small.take(1)) == (
        True,
        False,
        True,
        False,
    )
    assert budget.held == 75


def test_what_is_passed_on_is_counted_though_there_is_no_room() -> None:
    budget = Budget(10)
    lease = Lease(budget)
    lease.hold(11)
    assert (budget.held, lease.take(1), Lease(budget).take(1)) == (11, False, False)


def test_a_lease_is_given_back_by_its_last_owner() -> None:
    budget = Budget(100)
    lease = Lease(budget)
    lease.take(10)
    lease.share().end()
    assert budget.held == 10
    lease.end()
    assert (budget.held, lease.size) == (0, 0)


def test_to_give_back_what_was_never_taken_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        Budget(100).give(1)


async def test_what_is_given_back_goes_to_one_of_those_who_wait_for_it() -> None:
    budget = Budget(100)
    held, waiting = Lease(budget), [Lease(budget) for _ in range(3)]
    held.hold(90)
    asked = [tasks.spawn(each.take_in_time(40, 60.0), "ask") for each in waiting]
    await asyncio.sleep(0)
    held.give(10)
    await asyncio.sleep(0)
    assert (budget.held, [task.done() for task in asked]) == (80, [False] * 3)
    held.give(30)
    assert await asked[0]
    assert (budget.held, [task.done() for task in asked]) == (90, [True, False, False])
    held.end()
    waiting[0].end()
    assert await asyncio.gather(*asked) == [True, True, True]
    assert budget.held == 80


async def test_who_waits_for_room_in_vain_holds_nothing() -> None:
    budget = Budget(100)
    held, late = Lease(budget), Lease(budget)
    held.hold(90)
    assert not await late.take_in_time(40, 0.0)
    assert (late.size, budget.held, late.most) == (0, 90, 50)
