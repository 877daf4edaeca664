"""What is read from the shared store for one request alone has to find room."""

from __future__ import annotations

import asyncio

import pytest

from proxy import room
from proxy.decisions.lookup import Fetch, LookupPlan, Refuse, Serve
from proxy.flow import tasks
from proxy.flow.budget import Budget, Lease
from proxy.messages import CacheKey
from proxy.outcomes import Forward, NotServed, Outcome, Refusal, Tier
from proxy.room import SMALL, Seen, own_bytes, with_room
from proxy.sight import Sight
from tests.support.build import stored

PLACE = CacheKey(b"k")
BODY = b"x" * (2 * SMALL)
ENTRY = stored(BODY)
SERVE = Serve(ENTRY, Outcome.HIT)
FETCH = Fetch(Forward.STALE, NotServed.EXPIRED, validate=ENTRY)
REFUSE = Refuse(504, Refusal.ONLY_IF_CACHED)

OWN: dict[str, tuple[Tier | None, LookupPlan, int]] = {
    "read-for-it": (Tier.SHARED, SERVE, len(BODY)),
    "to-be-validated": (Tier.SHARED, FETCH, len(BODY)),
    "in-memory-for-all": (Tier.MEMORY, SERVE, 0),
    "not-to-be-sent": (Tier.SHARED, REFUSE, 0),
    "nothing-there": (None, FETCH, 0),
}


@pytest.mark.parametrize(("tier", "plan", "size"), OWN.values(), ids=OWN)
def test_whose_a_body_is(tier: Tier | None, plan: LookupPlan, size: int) -> None:
    assert own_bytes(Sight(PLACE, ENTRY if tier else None, tier), plan) == size


class Store:
    """Answers look-ups with bodies of these sizes in turn, and counts them."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)
        self.looks = 0

    async def look(self) -> Seen:
        entry = stored(b"x" * self.sizes[min(self.looks, len(self.sizes) - 1)])
        self.looks += 1
        return Sight(PLACE, entry, Tier.SHARED), Serve(entry, Outcome.HIT)


async def test_a_small_one_is_held_though_there_is_no_room() -> None:
    budget = Budget(10)
    seen = await with_room(lease := Lease(budget), Store(SMALL).look)
    assert (seen is not None, lease.size, budget.held) == (True, 5, 5)


async def test_who_waited_looks_again_and_holds_what_it_saw_then() -> None:
    budget = Budget(6 * SMALL)
    full, lease = Lease(budget), Lease(budget)
    full.hold(5 * SMALL)
    store = Store(2 * SMALL, 3 * SMALL)
    waiting = tasks.spawn(with_room(lease, store.look), "wait")
    await asyncio.sleep(0)
    assert (waiting.done(), store.looks) == (False, 1)
    full.end()
    seen = await waiting
    assert seen is not None
    assert (own_bytes(*seen), lease.size, store.looks) == (3 * SMALL, 3 * SMALL, 2)


@pytest.mark.parametrize("grows", [False, True], ids=["never", "not-for-what-it-is-by-now"])
async def test_there_may_be_no_room(monkeypatch: pytest.MonkeyPatch, *, grows: bool) -> None:
    monkeypatch.setattr(room, "WAIT_S", 0.0 if not grows else 60.0)
    budget = Budget(8 * SMALL)
    full, lease = Lease(budget), Lease(budget)
    full.hold(7 * SMALL)
    waiting = tasks.spawn(with_room(lease, Store(2 * SMALL, 4 * SMALL).look), "wait")
    await asyncio.sleep(0)
    if grows:
        full.give(2 * SMALL)
    assert await waiting is None


async def test_one_that_is_larger_than_any_may_be_is_served_nevertheless() -> None:
    """Another instance stored it, or other rules did."""
    lease = Lease(Budget(4 * SMALL))
    assert await with_room(lease, Store(9 * SMALL).look) is not None
    assert lease.size == 2 * SMALL
