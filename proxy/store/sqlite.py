"""The embedded shared store: one SQLite file that survives a restart and serves several workers.

Appending and raising the marks could be one transaction here; they are the two
steps of the protocol all the same, so that it is one protocol. What runs where
and how long it may take; the statements are sqlite_entries.py's and
sqlite_journal.py's, the file is sqlite_file.py's.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from proxy.errors import CorruptEntryError
from proxy.messages import START, Position
from proxy.store import codec, sqlite_entries, sqlite_journal, sqlite_notes
from proxy.store.base import (
    Beat,
    Clock,
    Fact,
    JournalLostError,
    JournalRecord,
    Mark,
    Opened,
    Reach,
    Record,
    TierStatus,
)
from proxy.store.entry_info import EntryInfo
from proxy.store.notes import Notes
from proxy.store.sqlite_entries import EntryRows, Row
from proxy.store.sqlite_file import SqliteFile
from proxy.store.sqlite_gathered import Gathered, in_order
from proxy.store.sqlite_notes import SqliteNotes
from proxy.store.told import Told, awaited, tell_made

_POLL_S: Final = 0.03
"""How often the journal is looked at while another process uses the file."""

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
        self._rows = EntryRows(max_size)
        self._clock = clock
        self._write_s = write_s
        self._file = SqliteFile(path, idle=self._clean)
        self._entries = Gathered(self._file, self._find, read_s)
        self._marks = Gathered(self._file, sqlite_journal.marks, read_s)
        self._notes = SqliteNotes(self._file, clock=clock, read_s=read_s, write_s=write_s)
        self._epoch = ""
        self._others = True
        self._appended = asyncio.Event()

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"sqlite:{self._file.path}"

    @property
    def notes(self) -> Notes:
        """What is shared beside the answers, in the same file."""
        return self._notes

    # -- entries

    async def get(self, key: bytes) -> Record | None:
        """The record under `key`, unless it has expired."""
        return await awaited(partial(self.seek, key))

    def seek(self, key: bytes, told: Told[Record | None]) -> bool:
        """The same, told; always at once."""
        self._entries.ask(partial(tell_made, told, partial(self._record, key)), key)
        return True

    def _record(self, key: bytes, rows: Mapping[bytes, Row]) -> Record | None:
        row = rows.get(key)
        if row is None:
            return None
        return self._codec.decode(self._rows.found(key, row, self._clock()))

    async def put(self, key: bytes, record: Record) -> None:
        """Keep `record`; what has been used least goes until all fits."""
        data = self._codec.encode(record)
        await self.put_bytes(key, data, record.entry.expires_at, epoch=record.epoch)

    async def put_bytes(
        self, key: bytes, data: bytes, expires_at: float, *, epoch: str = ""
    ) -> None:
        """Keep bytes as they are."""
        self._rows.size(key, data)
        now = self._clock()

        def write(db: sqlite3.Connection) -> None:
            if epoch:
                self._check(db, epoch)
            self._rows.put(db, key, data, expires_at, now)

        await self._write(write)

    async def delete(self, key: bytes) -> bool:
        """Remove `key`; whether it was there."""
        return await self._write(lambda db: sqlite_entries.delete(db, key))

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
        now = self._clock()
        return await self._read(lambda db: sqlite_entries.page(db, last, now))

    async def _listed(self, key: bytes, beginning: bytes) -> EntryInfo | None:
        needed = codec.head_length(beginning)
        if needed > len(beginning):
            beginning = await self._read(lambda db: sqlite_entries.beginning(db, key, needed))
        try:
            return codec.info(key, beginning)
        except CorruptEntryError:
            return None

    async def close(self) -> None:
        """Commit what waits and close the file."""
        await self._file.close()

    def status(self) -> TierStatus:
        """The numbers of the last write or rest."""
        return self._rows.status()

    # -- the journal

    async def open(self, floor: Position) -> Opened:
        """Find the journal in the file or begin one."""
        now = self._clock()

        def find(db: sqlite3.Connection) -> Opened:
            self._check_file()
            token = sqlite_journal.epoch(db) or sqlite_journal.begin(db, floor, now)
            self._rows.count(db)
            return Opened(token, sqlite_journal.end(db))

        opened = await self._replacing(find)
        self._epoch = opened.epoch
        return opened

    async def append(self, facts: Sequence[Fact], floor: Position = START) -> Position:
        """Append one record."""
        now = self._clock()

        def add(db: sqlite3.Connection) -> Position:
            self._check(db, self._epoch)
            return sqlite_journal.append(db, facts, floor, now)

        position = await self._replacing(add)
        self._appended.set()
        self._appended = asyncio.Event()
        return position

    async def confirm(self, facts: Sequence[Fact], position: Position) -> None:
        """Raise the marks; note prefixes and patterns."""
        now = self._clock()

        def note(db: sqlite3.Connection) -> None:
            self._check(db, self._epoch)
            sqlite_journal.confirm(db, facts, position, now)

        await self._replacing(note)

    async def read(self, after: Position, wait_s: float) -> tuple[JournalRecord, ...]:
        """The records after a position; other processes' are seen by asking again and again.

        As long as there are any: each `beat` tells. A newcomer is known with the next.
        """
        asked_until = time.monotonic() + wait_s
        while True:
            appended = self._appended
            records = await self._read(lambda db: sqlite_journal.after(db, after))
            left = asked_until - time.monotonic()
            if records or left <= 0:
                return records
            try:
                async with asyncio.timeout(min(_POLL_S, left) if self._others else left):
                    await appended.wait()
            except TimeoutError:
                continue

    async def tail(self, seconds: float) -> tuple[JournalRecord, ...]:
        """All records of the last `seconds`."""
        at = self._clock() - seconds
        return await self._read(lambda db: sqlite_journal.since(db, at))

    async def wide(self) -> tuple[tuple[Fact, Position], ...]:
        """The active prefix and pattern facts."""
        return await self._read(sqlite_journal.wide)

    # -- marks

    async def reach(self, tags: Mapping[str, float]) -> Reach:
        """Read or make the marks and let each live until its moment, then read the end."""

        def make(db: sqlite3.Connection) -> Reach:
            self._check(db, self._epoch)
            made = tuple(sqlite_journal.reach(db, tag, until) for tag, until in tags.items())
            return Reach(self._epoch, made, sqlite_journal.end(db))

        return await self._replacing(make)

    async def marks(self, tags: Sequence[str]) -> tuple[Mark | None, ...]:
        """The marks as they are."""
        return await awaited(partial(self.seek_marks, tags))

    def seek_marks(self, tags: Sequence[str], told: Told[tuple[Mark | None, ...]]) -> bool:
        """The same, told; always at once."""
        self._marks.ask(partial(tell_made, told, partial(in_order, tags)), *tags)
        return True

    # -- leases

    async def beat(self, beat: Beat) -> Position:
        """Renew a lease; the journal's end."""
        now = self._clock()

        def renew(db: sqlite3.Connection) -> tuple[Position, bool]:
            self._check(db, self._epoch)
            sqlite_journal.renew(db, beat, now)
            return sqlite_journal.end(db), sqlite_journal.is_shared(db)

        end, self._others = await self._replacing(renew)
        return end

    async def leave(self, instance: str) -> None:
        """End a lease."""
        await self._write(lambda db: sqlite_journal.leave(db, instance))

    async def behind(self, position: Position) -> tuple[str, ...]:
        """The instances with a lease that are not there yet."""
        now = self._clock()
        return await self._read(lambda db: sqlite_journal.behind(db, position, now))

    # -- what runs on the thread

    def _find(self, db: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Row]:
        return sqlite_entries.find(db, keys, self._clock())

    async def _read(self, do: Callable[[sqlite3.Connection], Value]) -> Value:
        return await self._file.run(do, self._write_s, writes=False)

    async def _write(self, do: Callable[[sqlite3.Connection], Value]) -> Value:
        return await self._file.run(do, self._write_s)

    async def _replacing(self, do: Callable[[sqlite3.Connection], Value]) -> Value:
        """Run; if the path leads to another file by now, have that one opened for the next try."""
        try:
            return await self._write(do)
        except _ReplacedError:
            await self._file.renew(self._write_s)
            raise

    def _check(self, db: sqlite3.Connection, epoch: str) -> None:
        self._check_file()
        sqlite_journal.check(db, epoch)

    def _check_file(self) -> None:
        if not self._file.is_current():
            raise _ReplacedError("the SQLite file was replaced by another")

    def _clean(self, db: sqlite3.Connection) -> None:
        now = self._clock()
        self._rows.remove_expired(db, now)
        sqlite_journal.trim(db, now)
        sqlite_notes.sweep(db, now)


class _ReplacedError(JournalLostError):
    """The path leads to another file than the one that is open."""
