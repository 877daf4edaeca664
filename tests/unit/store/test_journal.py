from __future__ import annotations

import asyncio

import pytest

from proxy.errors import StoreError
from proxy.store.base import RAISE_S
from tests.support.clock import ManualClock
from tests.support.sim_shared import Fate
from tests.unit.store.party import KEY, TAG, Party


async def test_a_fact_stated_anew_while_its_append_is_confirmed_is_appended_anew(
    clock: ManualClock,
) -> None:
    """1. `t` waits; it is appended.  2. Another's fetch begins after that and is shared.

    3. `t` is stated anew, here, before the journal is believed again.  4. The first append is
    confirmed. Were it settled by its name, (3) would never reach the other.
    """
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    one.coherence.go_offline()
    one.coherence.note_local([TAG])
    one.follower.pending.add([TAG])
    joining = party.begin(one.follower.step())
    held = await party.until(one, "confirm")
    await two.round()
    await two.keep(two.answer())
    one.coherence.note_local([TAG])
    one.follower.pending.add([TAG])
    party.answer(held)
    while not joining.done():
        for gate in [gate for gate in party.world.gates if gate.instance == "one"]:
            party.answer(gate)
        await asyncio.sleep(0)
    assert len(one.follower.pending) == 0
    appended = [record.position for record in party.world.data.journal if TAG in record.facts]
    assert len(appended) == 2
    assert party.world.data.entries[KEY].entry.born < appended[1]


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.ANSWER_LOST])
async def test_a_join_that_fails_half_way_begins_again(clock: ManualClock, fate: Fate) -> None:
    party = Party(clock)
    one = await party.joins("one")
    one.coherence.go_offline()
    one.follower.pending.add([TAG])
    joining = party.begin(one.follower.step())
    party.answer(await party.until(one, "confirm"), fate)
    with pytest.raises(StoreError):
        await joining
    assert (one.coherence.online, len(one.follower.pending)) == (False, 1)
    await one.round()
    assert (one.coherence.online, len(one.follower.pending)) == (True, 0)
    assert party.world.data.marks["t"].hard == one.coherence.place


@pytest.mark.parametrize("max_lag", [0.001, 0.01, 5.0, 3600.0])
async def test_rounds_never_follow_without_a_pause(clock: ManualClock, max_lag: float) -> None:
    """The wait for a record is the only pause there is; and it is shorter than the lease."""
    party = Party(clock)
    one = await party.joins("one", max_lag=max_lag)
    await one.round()
    assert 0.02 <= one.store.waits[-1] <= max(0.02, max_lag / 4)
    assert one.store.waits[-1] <= 1.0


async def test_trust_counts_from_the_beginning_of_a_round(clock: ManualClock) -> None:
    """So does the lease: else others would stop waiting while this one still serves memory."""
    party = Party(clock)
    one = await party.joins("one")
    under_way = party.begin(one.follower.step())
    held = await party.until(one, "read")
    clock.advance(3.0)
    party.answer(held)
    await under_way
    clock.advance(2.1)
    assert not one.coherence.trusted()
    assert party.world.leases["one"][2] < clock()


async def test_a_round_that_did_not_come_to_the_end_is_no_contact(clock: ManualClock) -> None:
    """What is still to be read may be the very invalidation another has waited for."""
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    for _ in range(5):
        await one.state(TAG)
    clock.advance(4.9)
    await two.round()
    clock.advance(0.2)
    assert not two.coherence.trusted()
    await two.round()
    await two.round()
    assert two.coherence.trusted()


async def test_what_waits_and_is_raised_too_late_waits_on(clock: ManualClock) -> None:
    party = Party(clock)
    one = await party.joins("one")
    one.coherence.go_offline()
    one.follower.pending.add([TAG])
    joining = party.begin(one.follower.step())
    held = await party.until(one, "confirm")
    clock.advance(RAISE_S + 0.1)
    party.answer(held)
    with pytest.raises(StoreError):
        await joining
    assert (one.coherence.online, len(one.follower.pending)) == (False, 1)
