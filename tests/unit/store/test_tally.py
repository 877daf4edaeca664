"""Counting behind: nothing waits for the store, nothing is lost while it is away."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

import pytest

from proxy.errors import CorruptEntryError, StoreError
from proxy.flow.tasks import spawn
from proxy.store.memory_notes import MemoryNotes
from proxy.store.tally import MAX_FIELDS, Tally
from tests.support.larder import until


class Notes(MemoryNotes):
    """Notes whose store a test can take away, hold, or find damaged at one key."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.damaged = ""
        self.open = asyncio.Event()
        self.open.set()

    async def add(
        self, space: str, key: str, amounts: Mapping[str, float], ttl_s: float | None = None
    ) -> dict[str, float]:
        await self.open.wait()
        if self.down:
            raise StoreError("down")
        if key == self.damaged:
            raise CorruptEntryError("damaged")
        return await super().add(space, key, amounts, ttl_s)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def tally(notes: Notes) -> Tally:
    return Tally(notes, "ledger", spawn)


async def stored(notes: Notes) -> dict[str, dict[str, float]]:
    return {key: sums async for key, sums in notes.counters("ledger")}


async def test_what_is_counted_is_seen_at_once_and_passed_on_later(
    notes: Notes, tally: Tally
) -> None:
    tally.add("k", {"spent": 20})
    tally.add("k", {"spent": 1.5, "hits": 1})
    assert tally.sums("k") == {"spent": 21.5, "hits": 1}
    assert await stored(notes) == {}
    await tally.flush()
    assert tally.sums("k") == {"spent": 21.5, "hits": 1}
    assert await stored(notes) == {"k": {"spent": 21.5, "hits": 1}}
    assert tally.sums("unknown") == {}


async def test_the_sums_are_all_instances(notes: Notes, tally: Tally) -> None:
    other = Tally(notes, "ledger", spawn)
    other.add("k", {"spent": 1, "saved": 5})
    other.add("theirs", {"spent": 2})
    await other.flush()
    tally.add("k", {"spent": 10})
    assert tally.sums("k") == {"spent": 10}
    await tally.flush()
    assert tally.sums("k")["spent"] == 11
    await tally.read()
    tally.add("k", {"spent": 100})
    assert tally.totals() == {"k": {"spent": 111, "saved": 5}, "theirs": {"spent": 2}}


async def test_an_outage_loses_nothing(notes: Notes, tally: Tally) -> None:
    notes.down = True
    for key in "ab":
        tally.add(key, {"n": 1})
    with pytest.raises(StoreError):
        await tally.flush()
    tally.add("a", {"n": 1})
    assert tally.totals() == {"a": {"n": 2}, "b": {"n": 1}}
    notes.down = False
    await tally.flush()
    await tally.flush()
    assert await stored(notes) == tally.totals() == {"a": {"n": 2}, "b": {"n": 1}}


async def test_what_is_counted_while_a_round_is_under_way_is_the_next_one_s(
    notes: Notes, tally: Tally
) -> None:
    notes.open.clear()
    tally.add("k", {"n": 1})
    round_ = spawn(tally.flush(), "test-round")
    await asyncio.sleep(0)
    tally.add("k", {"n": 2})
    assert tally.totals() == {"k": {"n": 3}}
    notes.open.set()
    await round_
    assert await stored(notes) == {"k": {"n": 1}}
    assert tally.sums("k") == {"n": 3}


async def test_a_round_that_is_cancelled_keeps_what_it_had(notes: Notes, tally: Tally) -> None:
    notes.open.clear()
    tally.add("k", {"n": 1})
    round_ = spawn(tally.flush(), "test-round")
    await asyncio.sleep(0)
    round_.cancel()
    await asyncio.wait([round_])
    notes.open.set()
    await tally.flush()
    assert await stored(notes) == {"k": {"n": 1}}


async def test_what_waits_is_bounded_and_what_is_dropped_is_counted(notes: Notes) -> None:
    tally = Tally(notes, "ledger", spawn, max_keys=2)
    for key in "abcd":
        tally.add(key, {"n": 1})
    tally.add("a", {"n": 1})
    assert tally.totals() == {"a": {"n": 2}, "b": {"n": 1}}
    assert tally.dropped == 2
    await tally.flush()
    tally.add("c", {"n": 1})
    await tally.flush()
    assert len(tally.totals()) == 2
    assert len(await stored(notes)) == 3
    await tally.read()
    assert len(tally.totals()) == 2


DROPPED = [
    pytest.param({"n": math.nan}, id="no number"),
    pytest.param({"m": 1, "n": math.inf}, id="infinite"),
    pytest.param({"n": 1e300}, id="too much"),
    pytest.param({f"f{n}": 1 for n in range(MAX_FIELDS)}, id="too many fields"),
]


@pytest.mark.parametrize("amounts", DROPPED)
async def test_what_cannot_be_counted_is_dropped_whole(
    notes: Notes, tally: Tally, amounts: dict[str, float]
) -> None:
    tally.add("k", {"n": 1})
    tally.add("k", amounts)
    assert tally.dropped == 1
    await tally.flush()
    assert await stored(notes) == {"k": {"n": 1}}


async def test_a_damaged_key_does_not_keep_the_others_waiting(notes: Notes, tally: Tally) -> None:
    notes.damaged = "a"
    for key in "ab":
        tally.add(key, {"n": 1})
    await tally.flush()
    assert await stored(notes) == {"b": {"n": 1}}
    assert tally.dropped == 1


async def test_rounds_read_what_was_there_and_pass_on(notes: Notes) -> None:
    await notes.add("ledger", "k", {"n": 5})
    notes.down = True
    tally = Tally(notes, "ledger", spawn, every_s=0.001)
    tally.add("k", {"n": 1})
    tally.start()
    await until(lambda: tally.sums("k") == {"n": 6})
    assert await stored(notes) == {"k": {"n": 5}}
    notes.down = False
    tally.add("k", {"n": 1})

    async def passed_on() -> bool:
        return await stored(notes) == {"k": {"n": 7}}

    await until(passed_on)
    assert await tally.close() == 0


async def test_closing_passes_on_what_waits(notes: Notes) -> None:
    tally = Tally(notes, "ledger", spawn, every_s=1000)
    tally.start()
    tally.add("k", {"n": 1})
    assert await tally.close() == 0
    assert await stored(notes) == {"k": {"n": 1}}


async def test_closing_says_what_is_lost(notes: Notes, tally: Tally) -> None:
    notes.down = True
    tally.add("k", {"n": 1})
    assert await tally.close() == 1


async def test_counters_live_as_long_as_is_said(notes: Notes) -> None:
    tally = Tally(notes, "ledger", spawn, ttl_s=0)
    tally.add("k", {"n": 1})
    await tally.flush()
    assert await stored(notes) == {}
