"""Notes in memory: bounded per space, by its own clock. The rest is in tests/contract."""

from __future__ import annotations

import pytest

from proxy.decisions.claim import CLAIMS, PARTS
from proxy.errors import CorruptEntryError, StoreError
from proxy.store.memory_notes import MemoryNotes
from proxy.store.notes import NotesFullError
from tests.support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_a_note_ends_with_its_life(clock: ManualClock) -> None:
    notes = MemoryNotes(clock)
    await notes.put("due", "k", b"v", 10)
    await notes.add("hits", "k", {"n": 1}, 10)
    clock.advance(9.99)
    assert await notes.get("due", "k") == b"v"
    clock.advance(0.01)
    assert await notes.get("due", "k") is None
    assert [found async for found in notes.list("due")] == []
    assert [found async for found in notes.counters("hits")] == []


async def test_an_expired_note_is_not_listed_by_a_listing_under_way(clock: ManualClock) -> None:
    notes = MemoryNotes(clock)
    for key in "ab":
        await notes.put("due", key, b"v", 10)
    listing = notes.list("due")
    assert await anext(listing) == ("a", b"v")
    clock.advance(10)
    assert [found async for found in listing] == []


async def test_a_full_space_refuses_and_leaves_the_others_alone(clock: ManualClock) -> None:
    notes = MemoryNotes(clock, max_notes=2)
    for key in "ab":
        assert await notes.claim("claim", key, b"v", 10) is None
    with pytest.raises(StoreError, match="no room"):
        await notes.claim("claim", "c", b"v", 10)
    with pytest.raises(StoreError, match="no room"):
        await notes.add("claim", "c", {"n": 1})
    assert await notes.claim("claim", "a", b"w", 10) == b"v"
    assert await notes.replace("claim", "a", b"v", b"w", 20)
    await notes.put("due", "c", b"v", 10)
    clock.advance(10)
    assert await notes.claim("claim", "c", b"v", 10) is None
    assert [found async for found in notes.list("claim")] == [("a", b"w"), ("c", b"v")]


async def test_bytes_are_bounded_and_given_back(clock: ManualClock) -> None:
    notes = MemoryNotes(clock, max_bytes=100)
    await notes.put("due", "a", b"v" * 90, 10)
    with pytest.raises(StoreError, match="no room"):
        await notes.put("due", "a", b"v" * 100, 10)
    assert await notes.get("due", "a") == b"v" * 90
    with pytest.raises(StoreError, match="no room"):
        await notes.put("due", "b", b"v" * 20, 10)
    await notes.put("due", "a", b"v", 10)
    await notes.put("due", "b", b"v" * 90, 10)
    await notes.delete("due", "b")
    await notes.put("due", "c", b"v" * 90, 10)
    clock.advance(10)
    await notes.put("due", "d", b"v" * 99, 10)


@pytest.mark.parametrize("notes", [MemoryNotes(max_notes=2), MemoryNotes(max_bytes=20)])
async def test_of_answers_the_oldest_make_room_and_of_claims_none(notes: MemoryNotes) -> None:
    for key in "abc":
        await notes.put(PARTS, key, b"12345678", 10)
    assert [key async for key, _ in notes.list(PARTS)] == ["b", "c"]
    for key in "ab":
        assert await notes.claim(CLAIMS, key, b"12345678", 10) is None
    with pytest.raises(NotesFullError):
        await notes.claim(CLAIMS, "c", b"12345678", 10)
    assert [key async for key, _ in notes.list(CLAIMS)] == ["a", "b"]


async def test_an_answer_larger_than_all_room_drives_nothing_out() -> None:
    notes = MemoryNotes(max_bytes=20)
    await notes.put(PARTS, "a", b"12345678", 10)
    with pytest.raises(NotesFullError):
        await notes.put(PARTS, "b", b"1" * 20, 10)
    assert await notes.get(PARTS, "a") == b"12345678"


async def test_what_has_expired_goes_by_itself(clock: ManualClock) -> None:
    notes = MemoryNotes(clock, max_notes=5000, max_bytes=30_000)
    for round_ in range(10):
        for n in range(2000):
            await notes.put("due", f"{round_}/{n}", b"1234", 10)
        clock.advance(10)


async def test_a_value_is_no_counters() -> None:
    notes = MemoryNotes()
    await notes.put("mixed", "value", b"v", 10)
    await notes.add("mixed", "counters", {"n": 1})
    with pytest.raises(CorruptEntryError):
        await notes.add("mixed", "value", {"n": 1})
    with pytest.raises(CorruptEntryError):
        await notes.get("mixed", "counters")


async def test_what_the_caller_changes_later_changes_no_note() -> None:
    notes = MemoryNotes()
    await notes.add("hits", "k", {"n": 1})
    async for _, sums in notes.counters("hits"):
        sums["n"] = 100
    assert await notes.add("hits", "k", {"n": 1}) == {"n": 2}
