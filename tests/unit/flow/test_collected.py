"""The beginning of a body that is read before it is passed on: nothing lost, all counted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from proxy.flow.budget import Budget, Lease
from proxy.flow.collected import chain, collect

PARTS = [b"one ", b"two ", b"three ", b"four"]


async def body() -> AsyncIterator[bytes]:
    for part in PARTS:
        yield part


COLLECTED = {
    "all": (100, 1000, PARTS),
    "up-to-the-limit": (5, 1000, PARTS[:2]),
    "up-to-the-budget": (100, 9, PARTS[:2]),
}


@pytest.mark.parametrize(("limit", "total", "held"), COLLECTED.values(), ids=COLLECTED)
async def test_what_is_collected_is_counted_until_it_is_passed_on(
    limit: int, total: int, held: list[bytes]
) -> None:
    budget = Budget(total)
    lease, chunks = Lease(budget), body()
    beginning = await collect(chunks, limit, lease)
    assert (beginning, budget.held) == (held, sum(map(len, held)))
    assert [part async for part in chain(beginning, chunks, lease)] == PARTS
    assert budget.held == 0


async def test_what_nobody_passes_on_is_given_back_with_the_lease() -> None:
    budget = Budget(1000)
    lease = Lease(budget)
    await collect(body(), 100, lease)
    lease.end()
    assert budget.held == 0
