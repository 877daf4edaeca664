"""The budget of what is on its way; its laws under any sequence are in tests/property."""

from __future__ import annotations

import pytest

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
