"""The embedded shared store: one SQLite file that survives a restart and serves several workers.

Appending and raising the marks could be one transaction here; they are the two
steps of the protocol all the same, so that it is one protocol. Bounded in bytes:
the least recently used go first. Statements only; the file is sqlite_file.py's.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from proxy.errors import CorruptEntryError, StoreError
from proxy.messages import START, Position
from proxy.store import codec
from proxy.store.base import (
    EVERYTHING,
    Beat,
    Clock,
    EntryInfo,
    Fact,
    FactKind,
    JournalLostError,
    JournalRecord,
    Mark,
    Opened,
    Reach,
    Record,
    TierStatus,
    new_generation,
)
from proxy.store.sqlite_file import SqliteFile

JOURNAL_S: Final = 3600.0
JOURNAL_RECORDS: Final = 1_000_000
_ENTRY_BYTES: Final = 160
"""What a row costs besides its data: key, columns, indexes."""
_PAGE: Final = 256
_POLL_S: Final = 0.02
_TOUCH_S: Final = 60.0
"""A use is noted at most this often: which entry is older matters by minutes, not by the second."""

Value = TypeVar("Value")


class SqliteStore:
    """`max_size` in bytes of entries. Nothing touches the disk before the first call."""

    def __init__(
        self,
        path: Path,
        *,
        max_size: int = 1 << 30,
        codec_: codec.Codec | None = None,
        clock: Clock = time.time,
        read_s: float = 0.25,
        write_s: float = 5.0,
    ) -> None:
        self._codec = codec_ or codec.Codec()
        self._max_size = max_size
        self._clock = clock
        self._read_s = read_s
        self._write_s = write_s
        self._file = SqliteFile(path, idle=self._clean)
        self._epoch = ""
        self._appended = asyncio.Event()
        self._touched: dict[bytes, float] = {}
        self._totals = (0, 0)
        self._evictions = 0

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"sqlite:{self._file.path}"

    # -- entries

    async def get(self, key: bytes) -> Record | None:
        """The record under `key`, unless it has expired."""
        now = self._clock()

        row = await self._read(
            lambda db: db.execute(
                "SELECT data, used FROM entries WHERE key = ? AND expires > ?", (key, now)
            ).fetchone()
        )
        if row is None:
            return None
        if row[1] < now - _TOUCH_S:
            self._touched[key] = now
        return self._codec.decode(row[0])

    async def put(self, key: bytes, record: Record) -> None:
        """Keep `record`; what has been used least goes until all fits."""
        data = self._codec.encode(record)
        await self.put_bytes(key, data, record.entry.expires_at, epoch=record.epoch)

    async def put_bytes(
        self, key: bytes, data: bytes, expires_at: float, *, epoch: str = ""
    ) -> None:
        """Keep bytes as they are."""
        size = len(data) + len(key) + _ENTRY_BYTES
        if size > self._max_size:
            raise StoreError(f"an entry of {size} bytes is larger than store.max_size")
        row = (key, expires_at, self._clock(), size, data)

        def write(db: sqlite3.Connection) -> None:
            if epoch:
                self._check(db, epoch)
            db.execute("DELETE FROM entries WHERE key = ?", (key,))
            db.execute(
                "INSERT INTO entries (key, expires, used, size, data) VALUES (?, ?, ?, ?, ?)", row
            )
            self._evict(db)

        await self._file.run(write, self._write_s)

    async def delete(self, key: bytes) -> bool:
        """Remove `key`; whether it was there."""
        return await self._file.run(
            lambda db: db.execute("DELETE FROM entries WHERE key = ?", (key,)).rowcount > 0,
            self._write_s,
        )

    async def scan(self) -> AsyncIterator[EntryInfo]:
        """Every entry not expired, a page at a time; damaged ones are left out."""
        last = 0
        while rows := await self._page(last):
            last = rows[-1][0]
            for _, key, beginning in rows:
                listed = await self._listed(key, beginning or b"")
                if listed is not None:
                    yield listed

    async def _page(self, last: int) -> list[tuple[int, bytes, bytes]]:
        return await self._file.run(
            lambda db: db.execute(
                "SELECT id, key, substr(data, 1, ?) FROM entries "
                "WHERE id > ? AND expires > ? ORDER BY id LIMIT ?",
                (codec.HEAD_BYTES, last, self._clock(), _PAGE),
            ).fetchall(),
            self._write_s,
            writes=False,
        )

    async def _listed(self, key: bytes, beginning: bytes) -> EntryInfo | None:
        try:
            needed = codec.head_length(beginning)
            if needed > len(beginning):
                row = await self._file.run(
                    lambda db: db.execute(
                        "SELECT substr(data, 1, ?) FROM entries WHERE key = ?", (needed, key)
                    ).fetchone(),
                    self._write_s,
                    writes=False,
                )
                beginning = row[0] if row else b""
            return codec.info(key, beginning)
        except CorruptEntryError:
            return None

    async def close(self) -> None:
        """Commit what waits and close the file."""
        await self._file.close()

    def status(self) -> TierStatus:
        """The numbers of the last write or rest."""
        entries, size = self._totals
        return TierStatus(
            entries=entries,
            size_bytes=size,
            max_bytes=self._max_size,
            evictions=self._evictions,
        )

    # -- the journal

    async def open(self, floor: Position) -> Opened:
        """Find the journal in the file or begin one."""
        beginning = max(int(self._clock() * 1000) << 10, floor[1] + 1)

        def find(db: sqlite3.Connection) -> Opened:
            if not self._file.is_current():
                raise _ReplacedError("the SQLite file was replaced by another")
            row = db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
            if row is None or _end(db) == START:
                row = (secrets.token_hex(8),)
                for table in ("entries", "marks", "journal", "wide", "leases"):
                    db.execute(f"DELETE FROM {table}")  # noqa: S608  names of our own
                db.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", row)
                _insert(db, beginning, 0, self._clock(), ())
            self._count(db)
            return Opened(row[0], _end(db))

        opened = await self._replacing(find)
        self._epoch = opened.epoch
        return opened

    async def append(self, facts: Sequence[Fact], floor: Position = START) -> Position:
        """Append one record."""
        now = self._clock()

        def add(db: sqlite3.Connection) -> Position:
            self._check(db, self._epoch)
            end = _end(db)[1]
            position = max(end, floor[1]) + 1
            _insert(db, position, end, now, tuple(facts))
            return (0, position)

        position = await self._replacing(add)
        self._appended.set()
        self._appended = asyncio.Event()
        return position

    async def confirm(self, facts: Sequence[Fact], position: Position) -> None:
        """Raise the marks; note prefixes and patterns."""
        until = self._clock() + JOURNAL_S

        def raise_(db: sqlite3.Connection) -> None:
            self._check(db, self._epoch)
            for fact in facts:
                _note(db, fact, position[1], until)

        await self._replacing(raise_)

    async def read(self, after: Position, wait_s: float) -> tuple[JournalRecord, ...]:
        """The records after a position; other processes' are seen by asking again and again."""
        asked_until = time.monotonic() + wait_s
        while True:
            appended = self._appended
            rows = await self._file.run(
                lambda db: db.execute(
                    "SELECT position, previous, facts FROM journal "
                    "WHERE position > ? ORDER BY position LIMIT 1000",
                    (after[1],),
                ).fetchall(),
                self._write_s,
                writes=False,
            )
            left = asked_until - time.monotonic()
            if rows or left <= 0:
                return tuple(map(_record, rows))
            try:
                async with asyncio.timeout(min(_POLL_S, left)):
                    await appended.wait()
            except TimeoutError:
                continue

    async def tail(self, seconds: float) -> tuple[JournalRecord, ...]:
        """The records of the last `seconds`."""
        since = self._clock() - seconds
        rows = await self._file.run(
            lambda db: db.execute(
                "SELECT position, previous, facts FROM journal WHERE position >= "
                "(SELECT min(position) FROM journal WHERE at >= ?) ORDER BY position",
                (since,),
            ).fetchall(),
            self._write_s,
            writes=False,
        )
        return tuple(map(_record, rows))

    async def wide(self) -> tuple[tuple[Fact, Position], ...]:
        """The active prefix and pattern facts."""
        rows = await self._file.run(
            lambda db: db.execute("SELECT fact, position FROM wide").fetchall(),
            self._write_s,
            writes=False,
        )
        return tuple((codec.decode_facts(fact)[0], (0, position)) for fact, position in rows)

    # -- marks

    async def reach(self, tags: Sequence[str], expires_at: float) -> Reach:
        """Read or make the marks and let them live until `expires_at`, then read the end."""

        def make(db: sqlite3.Connection) -> Reach:
            self._check(db, self._epoch)
            made = tuple(_reach(db, tag, expires_at) for tag in tags)
            return Reach(self._epoch, made, _end(db))

        return await self._replacing(make)

    async def marks(self, tags: Sequence[str]) -> tuple[Mark | None, ...]:
        """The marks as they are."""
        return await self._read(lambda db: tuple(_mark(db, tag) for tag in tags))

    # -- leases

    async def beat(self, beat: Beat) -> Position:
        """Renew a lease; the journal's end."""
        now = self._clock()
        row = (beat.instance, beat.position[1], now + beat.lease_s)

        def renew(db: sqlite3.Connection) -> Position:
            self._check(db, self._epoch)
            db.execute("DELETE FROM leases WHERE until < ?", (now,))
            db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", row)
            return _end(db)

        return await self._replacing(renew)

    async def leave(self, instance: str) -> None:
        """End a lease."""
        await self._file.run(
            lambda db: db.execute("DELETE FROM leases WHERE instance = ?", (instance,)),
            self._write_s,
        )

    async def behind(self, position: Position) -> tuple[str, ...]:
        """The instances with a lease that are not there yet."""
        now = self._clock()
        rows = await self._file.run(
            lambda db: db.execute(
                "SELECT instance FROM leases WHERE until >= ? AND position < ?",
                (now, position[1]),
            ).fetchall(),
            self._write_s,
            writes=False,
        )
        return tuple(row[0] for row in rows)

    # -- on the thread

    def _check(self, db: sqlite3.Connection, epoch: str) -> None:
        if not self._file.is_current():
            raise _ReplacedError("the SQLite file was replaced by another")
        row = db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        if row is None or row[0] != epoch:
            raise JournalLostError("the journal in the SQLite file is another one")

    async def _replacing(self, do: Callable[[sqlite3.Connection], Value]) -> Value:
        """Run; if the path leads to another file by now, have that one opened for the next try."""
        try:
            return await self._file.run(do, self._write_s)
        except _ReplacedError:
            await self._file.renew(self._write_s)
            raise

    async def _read(self, do: Callable[[sqlite3.Connection], Value]) -> Value:
        return await self._file.run(do, self._read_s, writes=False)

    def _note_uses(self, db: sqlite3.Connection) -> None:
        while self._touched:
            key, used = self._touched.popitem()
            db.execute("UPDATE entries SET used = ? WHERE key = ?", (used, key))

    def _evict(self, db: sqlite3.Connection) -> None:
        self._note_uses(db)
        self._count(db)
        while self._totals[1] > self._max_size:
            gone = db.execute(
                "DELETE FROM entries WHERE id IN (SELECT id FROM entries ORDER BY used, id LIMIT 1)"
            ).rowcount
            self._evictions += gone
            self._count(db)

    def _count(self, db: sqlite3.Connection) -> None:
        self._totals = db.execute("SELECT entries, size FROM totals").fetchone()

    def _clean(self, db: sqlite3.Connection) -> None:
        """Remove what has expired; a mark outlives every entry under it, so it may go as well."""
        now = self._clock()
        self._note_uses(db)
        db.execute(
            "DELETE FROM journal WHERE position < (SELECT max(position) FROM journal) "
            "AND (at < ? OR position <= (SELECT max(position) FROM journal) - ?)",
            (now - JOURNAL_S, JOURNAL_RECORDS),
        )
        db.execute("DELETE FROM entries WHERE expires <= ?", (now,))
        db.execute("DELETE FROM marks WHERE expires <= ?", (now,))
        self._count(db)


class _ReplacedError(JournalLostError):
    """The path leads to another file than the one that is open."""


def _end(db: sqlite3.Connection) -> Position:
    row = db.execute("SELECT max(position) FROM journal").fetchone()
    return (0, row[0] or 0)


def _insert(
    db: sqlite3.Connection, position: int, previous: int, at: float, facts: tuple[Fact, ...]
) -> None:
    row = (position, previous, at, codec.encode_facts(facts))
    db.execute("INSERT INTO journal (position, previous, at, facts) VALUES (?, ?, ?, ?)", row)


def _record(row: tuple[int, int, bytes]) -> JournalRecord:
    return JournalRecord((0, row[0]), (0, row[1]), codec.decode_facts(row[2]))


def _note(db: sqlite3.Connection, fact: Fact, position: int, until: float) -> None:
    if fact.kind is not FactKind.TAG:
        db.execute(
            "INSERT INTO wide VALUES (?, ?) ON CONFLICT (fact) "
            "DO UPDATE SET position = max(position, excluded.position)",
            (codec.encode_facts((fact,)), position),
        )
        return
    hard, soft = (0, position) if fact.soft else (position, 0)
    db.execute(
        "INSERT INTO marks VALUES (?, ?, ?, ?, ?) ON CONFLICT (tag) DO UPDATE SET "
        "hard = max(hard, excluded.hard), soft = max(soft, excluded.soft), "
        "expires = max(expires, excluded.expires)",
        (codec.text_out(fact.value), new_generation(), hard, soft, until),
    )
    if fact.value == EVERYTHING and not fact.soft:
        db.execute("DELETE FROM wide WHERE position <= ?", (position,))


def _reach(db: sqlite3.Connection, tag: str, expires_at: float) -> Mark:
    row = db.execute(
        "INSERT INTO marks VALUES (?, ?, 0, 0, ?) ON CONFLICT (tag) DO UPDATE SET "
        "expires = max(expires, excluded.expires) RETURNING generation, hard, soft",
        (codec.text_out(tag), new_generation(), expires_at),
    ).fetchone()
    return Mark(row[0], (0, row[1]), (0, row[2]))


def _mark(db: sqlite3.Connection, tag: str) -> Mark | None:
    row = db.execute(
        "SELECT generation, hard, soft FROM marks WHERE tag = ?", (codec.text_out(tag),)
    ).fetchone()
    return None if row is None else Mark(row[0], (0, row[1]), (0, row[2]))
