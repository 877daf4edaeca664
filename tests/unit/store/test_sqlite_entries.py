"""Rows of entries: found, bounded, evicted in the order of their use."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.errors import StoreError
from proxy.store import sqlite_entries
from proxy.store.sqlite_entries import EntryRows

SCHEMA = Path(sqlite_entries.__file__).parent / "schema.sql"
A, B, C, D = (bytes([letter]) * 32 for letter in b"abcd")


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA.read_text("utf-8"))
    yield connection
    connection.close()


def there(db: sqlite3.Connection, now: float = 0.0) -> list[bytes]:
    found = sqlite_entries.find(db, (A, B, C, D), now)
    return [key for key in (A, B, C, D) if key in found]


def test_the_least_recently_used_go_until_all_fits(db: sqlite3.Connection) -> None:
    rows = EntryRows(max_size=3600)
    for moment, key in enumerate((A, B, C)):
        rows.put(db, key, bytes(1000), 1e9, moment)
    row = sqlite_entries.find(db, [A], 100.0)[A]
    assert rows.found(A, row, 100.0) == bytes(1000)
    rows.put(db, D, bytes(1900), 1e9, 101.0)
    assert there(db) == [A, D]
    status = rows.status()
    assert (status.entries, status.evictions) == (2, 2)
    assert status.size_bytes == 2900 + 2 * (32 + 160)


def test_a_use_within_the_minute_is_not_written(db: sqlite3.Connection) -> None:
    rows = EntryRows(max_size=2400)
    rows.put(db, A, bytes(1000), 1e9, 0.0)
    rows.put(db, B, bytes(1000), 1e9, 1.0)
    row = sqlite_entries.find(db, [A], 50.0)[A]
    rows.found(A, row, 50.0)
    rows.put(db, C, bytes(1000), 1e9, 51.0)
    assert there(db) == [B, C]


def test_replacing_counts_once(db: sqlite3.Connection) -> None:
    rows = EntryRows(max_size=10_000)
    for size in (1000, 10, 500):
        rows.put(db, A, bytes(size), 1e9, 0.0)
    assert (rows.status().entries, rows.status().size_bytes) == (1, 500 + 192)


def test_totals_are_those_of_every_process(db: sqlite3.Connection) -> None:
    one, two = EntryRows(max_size=2400), EntryRows(max_size=2400)
    one.put(db, A, bytes(1000), 1e9, 0.0)
    two.put(db, B, bytes(1000), 1e9, 1.0)
    two.put(db, C, bytes(1000), 1e9, 2.0)
    assert there(db) == [B, C]


def test_one_that_can_never_fit_puts_nobody_out(db: sqlite3.Connection) -> None:
    rows = EntryRows(max_size=1500)
    rows.put(db, A, bytes(1000), 1e9, 0.0)
    with pytest.raises(StoreError, match="larger than"):
        rows.size(B, bytes(1400))
    assert there(db) == [A]


def test_expiry(db: sqlite3.Connection) -> None:
    rows = EntryRows(max_size=10_000)
    rows.put(db, A, b"a", 10.0, 0.0)
    rows.put(db, B, b"b", 20.0, 0.0)
    assert there(db, 10.0) == [B]
    assert [key for _, key, _ in sqlite_entries.page(db, 0, 10.0)] == [B]
    rows.remove_expired(db, 10.0)
    assert rows.status().entries == 1


def test_beginnings(db: sqlite3.Connection) -> None:
    EntryRows(max_size=10_000).put(db, A, b"0123456789", 10.0, 0.0)
    assert sqlite_entries.beginning(db, A, 4) == b"0123"
    assert sqlite_entries.beginning(db, B, 4) == b""
    assert sqlite_entries.delete(db, A)
    assert not sqlite_entries.delete(db, A)
