"""Notes in the SQLite file: two tables beside the entries', on the same thread.

The statements run in the transaction of their job, so each operation is atomic
for every process that uses the file. What is bound is bytes and floats only, and
what is read is decoded off the thread: nothing foreign can end it. Expired rows
are not seen; `sweep` removes them in the file's background round.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeVar

from proxy.errors import CorruptEntryError
from proxy.store.base import Clock
from proxy.store.heads import text_in, text_out
from proxy.store.notes import check, check_amounts, check_value
from proxy.store.sqlite_file import SqliteFile

_PAGE: Final = 256
_VALUES: Final = (
    "SELECT key, value FROM notes WHERE space = ?1 AND expires > ?2 "
    "AND (?3 IS NULL OR key > ?3) ORDER BY key LIMIT ?4"
)
_SUMS: Final = (
    "SELECT key, field, amount FROM counters WHERE space = ?1 AND key IN "
    "(SELECT DISTINCT key FROM counters WHERE space = ?1 AND expires > ?2 "
    "AND (?3 IS NULL OR key > ?3) ORDER BY key LIMIT ?4) ORDER BY key"
)
_VALUE: Final = "SELECT value FROM notes WHERE space = ? AND key = ? AND expires > ?"
_PUT: Final = "INSERT OR REPLACE INTO notes (space, key, value, expires) VALUES (?, ?, ?, ?)"
_COUNTED: Final = "SELECT amount FROM counters WHERE space = ? AND key = ? AND expires > ?"
_END: Final = "SELECT max(expires) FROM counters WHERE space = ? AND key = ?"
_ADD: Final = (
    "INSERT INTO counters (space, key, field, amount, expires) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (space, key, field) DO UPDATE SET amount = amount + excluded.amount "
    "RETURNING amount"
)

Value = TypeVar("Value")
_Row = tuple[Any, ...]
"""Of any type: the file holds what was put in, whoever put it there."""
_Where = tuple[str, bytes]
"""Space and key as they are bound."""


class SqliteNotes:
    """`read_s` bounds one look-up, `write_s` everything else; `clock` is every process's."""

    def __init__(self, file: SqliteFile, *, clock: Clock, read_s: float, write_s: float) -> None:
        self._file = file
        self._clock = clock
        self._read_s = read_s
        self._write_s = write_s

    async def get(self, space: str, key: str) -> bytes | None:
        """The value of a note that is there."""
        check(space)
        seen = (space, text_out(key), self._clock())
        found = await self._file.run(
            lambda db: db.execute(_VALUE, seen).fetchone(), self._read_s, writes=False
        )
        return None if found is None else _bytes(found[0])

    async def put(self, space: str, key: str, value: bytes, ttl_s: float) -> None:
        """Leave a note in place of what was there."""
        check(space, ttl_s)
        check_value(value)
        row = (space, text_out(key), bytes(value), self._clock() + ttl_s)
        await self._write(lambda db: db.execute(_PUT, row).rowcount)

    async def claim(self, space: str, key: str, value: bytes, ttl_s: float) -> bytes | None:
        """Leave a note unless one is there."""
        check(space, ttl_s)
        check_value(value)
        where, now = (space, text_out(key)), self._clock()

        def take(db: sqlite3.Connection) -> tuple[object] | None:
            there: tuple[object] | None = db.execute(_VALUE, (*where, now)).fetchone()
            if there is None:
                db.execute(_PUT, (*where, bytes(value), now + ttl_s))
            return there

        found = await self._write(take)
        return None if found is None else _bytes(found[0])

    async def replace(
        self, space: str, key: str, old: bytes, new: bytes | None, ttl_s: float = 0.0
    ) -> bool:
        """Put `new` in place of exactly `old`, or remove it."""
        check(space, ttl_s)
        check_value(new or b"")
        now = self._clock()
        if_old = (space, text_out(key), now, bytes(old))
        which = "WHERE space = ? AND key = ? AND expires > ? AND value = ?"
        if new is None:
            statement, bound = f"DELETE FROM notes {which}", if_old  # noqa: S608  words of our own
        else:
            statement = f"UPDATE notes SET value = ?, expires = ? {which}"  # noqa: S608  the same
            bound = (bytes(new), now + ttl_s, *if_old)  # type: ignore[assignment]  # other columns
        return await self._write(lambda db: db.execute(statement, bound).rowcount) > 0

    async def delete(self, space: str, key: str) -> bool:
        """Remove a note or counters; whether there was any."""
        check(space)
        where, now = (space, text_out(key)), self._clock()
        return await self._write(lambda db: _delete(db, where, now))

    async def list(self, space: str) -> AsyncIterator[tuple[str, bytes]]:
        """Every value with its key, a page at a time."""
        check(space)
        last: bytes | None = None
        while rows := await self._page(_VALUES, space, last):
            last = rows[-1][0]
            for key, value in rows:
                name = _name(key)
                if name is not None and isinstance(value, bytes):
                    yield name, value

    async def add(
        self, space: str, key: str, amounts: Mapping[str, float], ttl_s: float | None = None
    ) -> dict[str, float]:
        """Add to counters, all or none; the new sums of the fields given."""
        check(space, ttl_s)
        check_amounts(amounts)
        where, now = (space, text_out(key)), self._clock()
        added = [(text_out(field), float(amount)) for field, amount in amounts.items()]
        until = None if ttl_s is None else now + ttl_s
        sums = await self._write(lambda db: _add(db, where, added, now, until))
        return dict(zip(amounts, sums, strict=True))

    async def counters(self, space: str) -> AsyncIterator[tuple[str, dict[str, float]]]:
        """Every key with all its sums, a page of keys at a time."""
        check(space)
        last: bytes | None = None
        while rows := await self._page(_SUMS, space, last):
            last = rows[-1][0]
            for key, fields in groupby(rows, key=itemgetter(0)):
                name, sums = _name(key), _sums(fields)
                if name is not None and sums is not None:
                    yield name, sums

    async def _page(self, statement: str, space: str, last: bytes | None) -> Sequence[_Row]:
        bound = (space, self._clock(), last, _PAGE)
        return await self._file.run(
            lambda db: db.execute(statement, bound).fetchall(), self._write_s, writes=False
        )

    async def _write(self, do: Callable[[sqlite3.Connection], Value]) -> Value:
        return await self._file.run(do, self._write_s)


def sweep(db: sqlite3.Connection, now: float) -> None:
    """Remove what has expired."""
    db.execute("DELETE FROM notes WHERE expires <= ?", (now,))
    db.execute("DELETE FROM counters WHERE expires <= ?", (now,))


def _delete(db: sqlite3.Connection, where: _Where, now: float) -> bool:
    seen = (*where, now)
    there = db.execute(f"{_VALUE} UNION ALL {_COUNTED}", (*seen, *seen)).fetchone() is not None
    for table in ("notes", "counters"):
        db.execute(f"DELETE FROM {table} WHERE space = ? AND key = ?", where)  # noqa: S608  ours
    return there


def _add(
    db: sqlite3.Connection,
    where: _Where,
    added: Sequence[tuple[bytes, float]],
    now: float,
    until: float | None,
) -> list[float]:
    """The new sums in order; all counters of a key expire together."""
    db.execute("DELETE FROM counters WHERE space = ? AND key = ? AND expires <= ?", (*where, now))
    if until is not None:
        db.execute("UPDATE counters SET expires = ? WHERE space = ? AND key = ?", (until, *where))
    else:
        (known,) = db.execute(_END, where).fetchone()
        until = math.inf if known is None else known
    sums = [
        db.execute(_ADD, (*where, field, amount, until)).fetchone()[0] for field, amount in added
    ]
    if not all(map(_finite, sums)):
        raise CorruptEntryError("a counter in the SQLite file is no number")
    return sums


def _finite(amount: object) -> bool:
    return isinstance(amount, int | float) and math.isfinite(amount)


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise CorruptEntryError("a note in the SQLite file holds no bytes")
    return value


def _name(key: object) -> str | None:
    try:
        return text_in(_bytes(key))
    except (CorruptEntryError, UnicodeDecodeError):
        return None


def _sums(rows: Iterable[_Row]) -> dict[str, float] | None:
    sums = {}
    for _, field, amount in rows:
        name = _name(field)
        if name is None or not _finite(amount):
            return None
        sums[name] = amount
    return sums
