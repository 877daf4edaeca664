"""The judged view of the shared tier, each of its checks forced by the interleaving it is for."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from proxy.messages import START
from proxy.outcomes import NotServed, Tier
from proxy.store.base import Fact, FactKind
from proxy.store.seeking import Fetched
from tests.support.clock import ManualClock
from tests.support.sim_shared import Fate
from tests.unit.store.party import KEY, MAX_LAG, OTHER, TAG, Party


async def test_what_another_wrote_is_found_and_may_be_kept(clock: ManualClock) -> None:
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    await one.keep(one.answer(b"kept"))
    found = await two.find()
    assert isinstance(found, Fetched)
    assert found.tier is Tier.SHARED
    assert (found.entry.born, found.keep, found.soft) == (
        one.coherence.position,
        True,
        False,
    )


async def test_before_it_joined_nothing_is_asked(clock: ManualClock) -> None:
    party = Party(clock)
    one = await party.joins("one")
    one.coherence.go_offline()
    assert await one.look_up() is NotServed.STORE_DOWN
    assert await one.far.write([(KEY, one.answer())]) == 1
    assert await one.far.state([TAG]) is None
    assert party.world.gates == []


async def test_out_of_contact_for_longer_than_max_lag_nothing_is_asked(clock: ManualClock) -> None:
    party = Party(clock)
    one = await party.joins("one")
    clock.advance(MAX_LAG + 0.1)
    assert await one.look_up() is NotServed.UNPROVEN
    assert party.world.gates == []


async def test_a_lost_answer_is_a_store_that_is_down(clock: ManualClock) -> None:
    party = Party(clock)
    one = await party.joins("one")
    look_up = party.begin(one.look_up())
    party.answer(await party.until(one, "get"), Fate.ANSWER_LOST)
    assert await look_up is NotServed.STORE_DOWN


# _accept: what is asked again after the last await.


async def test_accept_judges_again(clock: ManualClock) -> None:
    """1. Marks are read, none raised.  2. The fact comes.  3. It is followed.  4. Their answer."""
    party = Party(clock)
    one = await party.joins("one")
    await one.keep(one.answer())
    await one.state(OTHER)
    two = await party.joins("two")
    look_up = party.begin(two.look_up())
    party.answer(await party.until(two, "marks"))
    await asyncio.sleep(0)
    party.answer(await party.until(two, "marks"), Fate.LATE)
    held = await party.until(two, "marks answer")
    await one.state(TAG)
    await two.round()
    party.answer(held)
    assert await look_up is NotServed.INVALIDATED


async def test_accept_wants_the_facts_since_it_began(clock: ManualClock) -> None:
    """`complete`: a fact was followed *and forgotten* while the marks' answer was on its way.

    1. The newcomer, whose table holds two tags, reads the marks: none raised.  2. `t` is
    stated, and two other tags after it.  3. It follows all three: the table forgets `t`.
    4. The answer comes. Nothing at hand knows of `t`.
    """
    party = Party(clock)
    one = await party.joins("one")
    await one.keep(one.answer())
    await one.state(OTHER)
    two = await party.joins("two", max_tags=2)
    look_up = party.begin(two.look_up())
    party.answer(await party.until(two, "marks"))
    await asyncio.sleep(0)
    party.answer(await party.until(two, "marks"), Fate.LATE)
    held = await party.until(two, "marks answer")
    for name in ("t", "u", "v"):
        await one.state(type(TAG)(TAG.kind, name))
    for _ in range(3):
        await two.round()
    assert two.coherence.place == party.world.end()
    party.answer(held)
    assert await look_up is NotServed.UNPROVEN


async def test_accept_counts_losses(clock: ManualClock) -> None:
    """`losses`: positions of two journals compare to nothing.

    1. The entry is born at (1, 3).  2. A look-up has its answer on the way.  3. All is
    flushed; a newcomer, whose clock is behind, begins a journal at (1, 0) and states `t` at
    (1, 1).  4. The one who looks up loses its place and joins again, complete since (1, 1).
    5. The answer comes: by the numbers it was born after all that is known.
    """
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    for _ in range(3):
        await one.state(OTHER)
        await one.round()
    await one.keep(one.answer())
    look_up = party.begin(two.look_up())
    party.answer(await party.until(two, "get"), Fate.LATE)
    held = await party.until(two, "get answer")
    party.world.flush()
    behind = await party.joins("behind")
    await behind.state(TAG)
    while not (two.coherence.online and two.coherence.epoch == behind.coherence.epoch):
        await two.round()
    await two.round()
    assert two.coherence.trusted()
    assert two.coherence.proves((1, 3))
    party.answer(held)
    assert await look_up is NotServed.UNPROVEN


async def test_accept_wants_to_be_in_contact(clock: ManualClock) -> None:
    """`trusted`: 1. The answer is on its way.  2. This instance is cut off.  3. `t` is stated.

    4. max_lag passes, so whoever waited was told that all have followed.  5. The answer comes.
    """
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    await one.keep(one.answer())
    look_up = party.begin(two.look_up())
    party.answer(await party.until(two, "get"), Fate.LATE)
    held = await party.until(two, "get answer")
    party.world.cut_off.add("two")
    position = await one.state(TAG)
    clock.advance(MAX_LAG + 0.1)
    await one.followed()
    await party.through(one, one.far.wait_for_all(position, 0.0, clock))
    party.answer(held)
    assert await look_up is NotServed.UNPROVEN


async def test_what_is_found_offline_does_not_come_into_memory(clock: ManualClock) -> None:
    """Memory is for what later facts find there, and offline none is followed."""
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    await one.keep(one.answer())
    look_up = party.begin(two.look_up())
    party.answer(await party.until(two, "get"), Fate.LATE)
    held = await party.until(two, "get answer")
    two.coherence.go_offline()
    party.answer(held)
    found = await look_up
    assert isinstance(found, Fetched)
    assert not found.keep


# Writing.


async def test_a_fact_between_reach_and_put_is_in_the_marks_the_entry_names(
    clock: ManualClock,
) -> None:
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    write = party.begin(one.far.write([(KEY, one.answer())]))
    held = await party.until(one, "put")
    await two.state(TAG)
    party.answer(held)
    await write
    assert KEY in party.world.data.entries
    assert await (await party.joins("newcomer")).find() is NotServed.INVALIDATED
    assert await two.find() is NotServed.INVALIDATED


async def test_a_fact_whose_mark_was_evicted_before_reach_is_waited_for(clock: ManualClock) -> None:
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    entry = one.answer()
    await two.state(TAG)
    party.world.data.marks.clear()
    write = party.begin(one.far.write([(KEY, entry)]))
    await party.until(one, "end")
    for gate in list(party.world.gates):
        party.answer(gate)
    await asyncio.sleep(0)
    assert not write.done(), "the write waits for its instance to follow"
    await one.round()
    await write
    assert KEY not in party.world.data.entries


async def test_a_fact_in_the_marks_alone_is_enough_to_drop_the_write(clock: ManualClock) -> None:
    """The other's append is known to its marks before this instance reads on."""
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    entry = one.answer()
    write = party.begin(one.far.write([(KEY, entry)]))
    await party.until(one, "reach")
    await two.state(TAG)
    await party.until(one, "end")
    party.world.data.journal.pop()
    for gate in list(party.world.gates):
        party.answer(gate)
    await write
    assert KEY not in party.world.data.entries


async def test_a_write_under_way_when_the_place_is_lost_is_given_up(clock: ManualClock) -> None:
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    entry = one.answer()
    await two.state(OTHER)
    write = party.begin(one.far.write([(KEY, entry)]))
    held = await party.until(one, "end")
    party.answer(held)
    await asyncio.sleep(0)
    one.coherence.lose()
    await one.round()
    assert await write == 1
    assert KEY not in party.world.data.entries


async def test_a_write_of_an_entry_that_cannot_be_proven_is_given_up(clock: ManualClock) -> None:
    party = Party(clock)
    one = await party.joins("one")
    await one.state(OTHER)
    two = await party.joins("two")
    assert not two.coherence.proves(START)
    entry = two.answer()
    entry = replace(entry, born=START)
    assert await party.through(two, two.far.write([(KEY, entry)])) == 1
    assert KEY not in party.world.data.entries


async def test_no_entry_is_a_deletion(clock: ManualClock) -> None:
    party = Party(clock)
    one = await party.joins("one")
    await one.keep(one.answer())
    await party.through(one, one.far.write([(KEY, None)]))
    assert party.world.data.entries == {}


async def test_many_are_written_together_each_judged_by_itself(clock: ManualClock) -> None:
    """1. `v` is stated.  2. All marks are read, then the end.  3. So is `u`.  4. All are put."""
    party = Party(clock)
    one, two = await party.joins("one"), await party.joins("two")
    keys = {tag: tag.encode() * 32 for tag in ("t", "u", "v")}
    jobs = [(key, replace(one.answer(), tags=("*", tag))) for tag, key in keys.items()]
    await one.keep(one.answer())
    await two.state(Fact(FactKind.TAG, "v"))
    writing = party.begin(one.far.write([*jobs, (KEY, None)]))
    party.answer(await party.until(one, "end"))
    await one.round()
    await party.until(one, "put")
    await two.state(Fact(FactKind.TAG, "u"))
    for gate in tuple(party.world.gates):
        party.answer(gate)
    assert await writing == 0
    assert set(party.world.data.entries) == {keys["t"], keys["u"]}
    newcomer = await party.joins("newcomer")
    assert isinstance(await newcomer.find(keys["t"]), Fetched)
    assert await newcomer.find(keys["u"]) is NotServed.INVALIDATED


async def test_one_that_is_refused_is_one_that_is_dropped(clock: ManualClock) -> None:
    party = Party(clock)
    one = await party.joins("one")
    writing = party.begin(one.far.write([(KEY, one.answer()), (b"o" * 32, one.answer())]))
    await party.until(one, "put")
    await asyncio.sleep(0)
    first, second = party.world.gates
    party.answer(first, Fate.REFUSED)
    party.answer(second)
    assert await writing == 1
    assert set(party.world.data.entries) == {b"o" * 32}
