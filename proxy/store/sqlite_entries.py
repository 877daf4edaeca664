"""The rows of entries in the SQLite file, bounded in bytes: the least recently used go first.

All of it runs on the file's thread, but `found`, which the store calls with what
it read. Knows nothing of what the data means.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from proxy.errors import StoreError
from proxy.store.base import TierStatus
from proxy.store.codec import HEAD_BYTES

PAGE: Final = 256
_ENTRY_BYTES: Final = 160
"""What a row costs besides its data: key, columns, indexes."""
_TOUCH_S: Final = 60.0
"""A use is noted at most this often: which entry is older matters by minutes, not by the second."""

Row = tuple[bytes, float]
"""Data, and when it was last used as far as the file knows."""


class EntryRows:
    """`max_size` in bytes of entries, of all processes together: triggers keep the totals."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._touched: dict[bytes, float] = {}
        self._totals = (0, 0)
        self._evictions = 0

    def status(self) -> TierStatus:
        """The numbers of the last write or rest."""
        entries, size = self._totals
        return TierStatus(
            entries=entries, size_bytes=size, max_bytes=self._max_size, evictions=self._evictions
        )

    def size(self, key: bytes, data: bytes) -> int:
        """What a row takes; StoreError if it can never fit."""
        size = len(data) + len(key) + _ENTRY_BYTES
        if size > self._max_size:
            raise StoreError(f"an entry of {size} bytes is larger than store.max_size")
        return size

    def found(self, key: bytes, row: Row, now: float) -> bytes:
        """The data of a row that was read, whose use is noted with the next write."""
        data, used = row
        if used < now - _TOUCH_S:
            self._touched[key] = now
        return data

    def put(
        self, db: sqlite3.Connection, key: bytes, data: bytes, expires: float, now: float
    ) -> None:
        """Put a row in place of what was there; others go until all fits."""
        db.execute("DELETE FROM entries WHERE key = ?", (key,))
        db.execute(
            "INSERT INTO entries (key, expires, used, size, data) VALUES (?, ?, ?, ?, ?)",
            (key, expires, now, self.size(key, data), data),
        )
        self._note_uses(db)
        self.count(db)
        while self._totals[1] > self._max_size:
            self._evictions += db.execute(
                "DELETE FROM entries WHERE id IN (SELECT id FROM entries ORDER BY used, id LIMIT 1)"
            ).rowcount
            self.count(db)

    def remove_expired(self, db: sqlite3.Connection, now: float) -> None:
        """Remove what has expired."""
        self._note_uses(db)
        db.execute("DELETE FROM entries WHERE expires <= ?", (now,))
        self.count(db)

    def count(self, db: sqlite3.Connection) -> None:
        """Read the totals."""
        self._totals = db.execute("SELECT entries, size FROM totals").fetchone()

    def _note_uses(self, db: sqlite3.Connection) -> None:
        while self._touched:
            key, used = self._touched.popitem()
            db.execute("UPDATE entries SET used = ? WHERE key = ?", (used, key))


def find(db: sqlite3.Connection, keys: Sequence[bytes], now: float) -> dict[bytes, Row]:
    """The rows under these keys that have not expired."""
    rows = db.execute(
        "SELECT key, data, used FROM entries "  # noqa: S608  question marks only
        f"WHERE key IN ({','.join('?' * len(keys))}) AND expires > ?",
        (*keys, now),
    ).fetchall()
    return {key: (data, used) for key, data, used in rows}


def delete(db: sqlite3.Connection, key: bytes) -> bool:
    """Remove `key`; whether it was there."""
    return db.execute("DELETE FROM entries WHERE key = ?", (key,)).rowcount > 0


def page(db: sqlite3.Connection, last: int, now: float) -> list[tuple[int, bytes, bytes]]:
    """Some rows after number `last`: number, key, the beginning of the data."""
    return db.execute(
        "SELECT id, key, substr(data, 1, ?) FROM entries "
        "WHERE id > ? AND expires > ? ORDER BY id LIMIT ?",
        (HEAD_BYTES, last, now, PAGE),
    ).fetchall()


def beginning(db: sqlite3.Connection, key: bytes, length: int) -> bytes:
    """The first bytes of the data under `key`; none if it is gone."""
    row = db.execute("SELECT substr(data, 1, ?) FROM entries WHERE key = ?", (length, key))
    found: tuple[bytes] | None = row.fetchone()
    return found[0] if found else b""
