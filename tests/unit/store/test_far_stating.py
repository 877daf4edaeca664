"""Stating facts through the shared tier, and waiting until no instance serves from before them."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from proxy.errors import StoreError
from proxy.messages import START
from proxy.store.base import RAISE_S, Beat, Record, is_local
from tests.support.clock import ManualClock
from tests.support.sim_shared import Fate
from tests.unit.store.party import KEY, TAG, Party


async def test_stating_raises_the_marks_and_kills_here_at_once(clock: ManualClock) -> None:
    party = Party(clock)
    one = await party.joins("one")
    one.memory.place(KEY, Record(one.answer()))
    held = party.begin(one.far.state([TAG]))
    gate = await party.until(one, "confirm")
    assert one.memory.look(KEY, clock()) is None
    party.answer(gate)
    position = await held
    assert party.world.data.marks["t"].hard == position


@pytest.mark.parametrize("op", ["append", "confirm"])
@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.ANSWER_LOST])
async def test_a_fact_that_is_not_whole_in_the_store_waits(
    clock: ManualClock, op: str, fate: Fate
) -> None:
    party = Party(clock)
    one = await party.joins("one")
    stating = party.begin(one.far.state([TAG]))
    party.answer(await party.until(one, op), fate)
    assert await stating is None
    assert not one.coherence.online, "it joins again, and appends what waits first"


async def test_a_fact_appended_to_a_journal_that_was_lost_meanwhile_waits(
    clock: ManualClock,
) -> None:
    """1. `t` is appended, the answer on its way.  2. The place is lost.  3. The answer comes."""
    party = Party(clock)
    one = await party.joins("one")
    stating = party.begin(one.far.state([TAG]))
    party.answer(await party.until(one, "append"), Fate.LATE)
    held = await party.until(one, "append answer")
    one.coherence.lose()
    await one.round()
    party.answer(held)
    assert await stating is None


async def test_waiting_for_all_says_how_many_are_behind(clock: ManualClock) -> None:
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    position = await one.state(TAG)
    await one.followed()
    moments = count(clock())
    with pytest.raises(StoreError, match="1 instance"):
        await party.through(one, one.far.wait_for_all(position, 2.0, lambda: next(moments)))
    await two.followed()
    await party.through(one, one.far.wait_for_all(position, 0.0, clock))


async def test_waiting_counts_nobody_who_still_serves_what_it_fetched_offline(
    clock: ManualClock,
) -> None:
    """The lease of one who joins names its place before it is online.

    1. `two` lost its place and keeps what it fetches meanwhile.  2. `t` is stated.  3. `two`
    takes a place after it, and its lease says so.  4. `one` need not wait for it any more.
    5. Only now `two` goes online and drops what it fetched offline.
    """
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    two.coherence.lose()
    entry = two.answer()
    assert is_local(entry.born)
    two.memory.place(KEY, Record(entry))
    position = await one.state(TAG)
    await one.followed()
    joining = party.begin(two.follower.step())
    party.answer(await party.until(two, "beat"))
    await asyncio.sleep(0)
    assert await party.through(one, one.store.behind(position)) == ()
    assert not two.coherence.online
    assert two.coherence.trusted()
    assert two.memory.look(KEY, clock()) is None
    assert not two.coherence.proves(entry.born)
    await party.until(two, "read")
    for gate in list(party.world.gates):
        party.answer(gate)
    joining.cancel()


async def test_waiting_fails_when_the_journal_is_replaced(clock: ManualClock) -> None:
    party = Party(clock)
    one = await party.joins("one")
    position = await one.state(TAG)
    party.world.crash()
    with pytest.raises(StoreError, match="replaced"):
        await party.through(one, one.far.wait_for_all(position, 1.0, clock))


async def test_closing_gives_the_lease_back(clock: ManualClock) -> None:
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    await party.through(one, one.store.beat(Beat("one", START, 60.0)))
    await one.far.close()
    assert "one" not in party.world.leases
    position = await two.state(TAG)
    await two.followed()
    await party.through(two, two.far.wait_for_all(position, 0.0, clock))


@pytest.mark.parametrize(("taken", "acknowledged"), [(RAISE_S, True), (RAISE_S + 0.1, False)])
async def test_a_fact_whose_marks_took_too_long_waits(
    clock: ManualClock, taken: float, acknowledged: bool
) -> None:
    party = Party(clock)
    one = await party.joins("one")
    stating = party.begin(one.far.state([TAG]))
    gate = await party.until(one, "confirm")
    clock.advance(taken)
    party.answer(gate)
    assert (await stating is not None) is acknowledged
    assert one.coherence.online is acknowledged
