"""Notes in the SQLite file beyond the contract: expiry, the sweep, and what others put there."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.errors import CorruptEntryError
from proxy.messages import START
from proxy.store import sqlite_notes
from proxy.store.notes import Notes
from proxy.store.sqlite import SqliteStore
from tests.support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@pytest.fixture
async def store(path: Path, clock: ManualClock) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(path, clock=clock)
    await made.open(START)
    yield made
    await made.close()


@pytest.fixture
def notes(store: SqliteStore) -> Notes:
    return store.notes


def rows(path: Path, statement: str, *bound: object) -> list[tuple[object, ...]]:
    """A statement by somebody else."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return db.execute(statement, bound).fetchall()


def swept(path: Path, now: float) -> None:
    """What the file does between jobs."""
    with closing(sqlite3.connect(path)) as db, db:
        sqlite_notes.sweep(db, now)


async def test_a_note_ends_with_its_life(notes: Notes, clock: ManualClock) -> None:
    await notes.put("due", "k", b"v", 10)
    await notes.add("hits", "k", {"n": 1}, 10)
    clock.advance(9.9)
    assert await notes.get("due", "k") == b"v"
    await notes.add("hits", "k", {"m": 1})
    clock.advance(0.1)
    assert await notes.get("due", "k") is None
    assert [found async for found in notes.list("due")] == []
    assert [found async for found in notes.counters("hits")] == []
    assert not await notes.delete("hits", "k")
    assert await notes.add("hits", "k", {"m": 1}) == {"m": 1}


async def test_an_addition_prolongs_all_of_a_key(notes: Notes, clock: ManualClock) -> None:
    await notes.add("hits", "k", {"n": 1}, 10)
    await notes.add("hits", "k", {"m": 1}, 20)
    clock.advance(15)
    assert [found async for found in notes.counters("hits")] == [("k", {"m": 1, "n": 1})]


async def test_the_sweep_removes_what_has_ended(
    notes: Notes, path: Path, clock: ManualClock
) -> None:
    for life_s in (10, 20):
        await notes.put("due", f"{life_s}", b"v", life_s)
        await notes.add("hits", f"{life_s}", {"n": 1}, life_s)
    await notes.add("hits", "ever", {"n": 1})
    clock.advance(10)
    await asyncio.to_thread(swept, path, clock())
    assert rows(path, "SELECT key FROM notes") == [(b"20",)]
    assert rows(path, "SELECT key FROM counters ORDER BY key") == [(b"20",), (b"ever",)]


async def test_what_is_no_note_is_an_error_and_not_listed(notes: Notes, path: Path) -> None:
    await notes.put("due", "good", b"v", 60)
    await notes.add("due", "good", {"n": 1})
    for key, value in [(b"text", "a text"), (b"\xff", b"v"), (7, b"v"), (b"number", 5)]:
        rows(path, "INSERT INTO notes VALUES ('due', ?, ?, 1e18)", key, value)
    foreign = [
        (b"text", b"n", "abc"),
        (b"\xff", b"n", 1),
        (b"f", b"\xff", 1),
        (b"i", b"n", math.inf),
    ]
    for key, field, amount in foreign:
        rows(path, "INSERT INTO counters VALUES ('due', ?, ?, ?, 1e18)", key, field, amount)
    assert [found async for found in notes.list("due")] == [("good", b"v")]
    assert [found async for found in notes.counters("due")] == [("good", {"n": 1})]
    for key in ("text", "number"):
        with pytest.raises(CorruptEntryError):
            await notes.get("due", key)
        with pytest.raises(CorruptEntryError):
            await notes.claim("due", key, b"v", 60)
    with pytest.raises(CorruptEntryError):
        await notes.add("due", "i", {"n": 1})
    assert await notes.get("due", "good") == b"v"


async def test_a_new_journal_leaves_notes_alone(store: SqliteStore, path: Path) -> None:
    await store.notes.put("due", "k", b"v", 60)
    rows(path, "DELETE FROM journal")
    await store.open(START)
    assert await store.notes.get("due", "k") == b"v"
