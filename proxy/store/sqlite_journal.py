"""The rows of the journal in the SQLite file: its epoch, facts, marks and leases.

Statements only; all of it runs on the file's thread, in a transaction of its
caller. A position is `(0, n)`; n starts at the time in milliseconds shifted by
ten bits, so the positions of a file made anew are later than those of the old one.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from typing import Final

from proxy.messages import START, Position
from proxy.store import codec
from proxy.store.base import (
    Beat,
    Fact,
    FactKind,
    JournalLostError,
    JournalRecord,
    Mark,
    Sparing,
    new_generation,
    untrimmed,
)
from proxy.store.facts import Latest, kills_all
from proxy.store.heads import text_in, text_out

JOURNAL_S: Final = 3600.0
JOURNAL_RECORDS: Final = 1_000_000
_RECORDS: Final = 1000
_TABLES: Final = ("entries", "marks", "sparings", "journal", "wide", "leases")


def epoch(db: sqlite3.Connection) -> str | None:
    """The token of the journal that is there; None if there is none, or nothing in it."""
    row = db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    return None if row is None or end(db) == START else str(row[0])


def check(db: sqlite3.Connection, expected: str) -> None:
    """JournalLostError unless the journal is still the one of this token."""
    row = db.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    if row is None or row[0] != expected:
        raise JournalLostError("the journal in the SQLite file is another one")


def begin(db: sqlite3.Connection, floor: Position, now: float) -> str:
    """Begin a journal after `floor`; what was in the file under another goes."""
    token = secrets.token_hex(8)
    for table in _TABLES:
        db.execute(f"DELETE FROM {table}")  # noqa: S608  names of our own
    db.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (token,))
    _insert(db, max(int(now * 1000) << 10, floor[1] + 1), 0, now, ())
    return token


def end(db: sqlite3.Connection) -> Position:
    """The last position."""
    row = db.execute("SELECT max(position) FROM journal").fetchone()
    return (0, row[0] or 0)


def append(db: sqlite3.Connection, facts: Sequence[Fact], floor: Position, now: float) -> Position:
    """Append one record, after `floor`."""
    last = end(db)[1]
    position = max(last, floor[1]) + 1
    _insert(db, position, last, now, facts)
    return (0, position)


def _insert(
    db: sqlite3.Connection, position: int, previous: int, at: float, facts: Sequence[Fact]
) -> None:
    row = (position, previous, at, codec.encode_facts(tuple(facts)))
    db.execute("INSERT INTO journal (position, previous, at, facts) VALUES (?, ?, ?, ?)", row)


def after(db: sqlite3.Connection, position: Position) -> tuple[JournalRecord, ...]:
    """The next records, some at a time."""
    rows = db.execute(
        "SELECT position, previous, facts FROM journal "
        "WHERE position > ? ORDER BY position LIMIT ?",
        (position[1], _RECORDS),
    )
    return tuple(map(_record, rows))


def since(db: sqlite3.Connection, at: float) -> tuple[JournalRecord, ...]:
    """All records from a moment on; JournalLostError if some of them are trimmed."""
    (first,) = db.execute("SELECT min(position) FROM journal WHERE at >= ?", (at,)).fetchone()
    (before,) = db.execute(
        "SELECT max(position) FROM journal WHERE position < ?", (first,)
    ).fetchone()
    rows = db.execute(
        "SELECT position, previous, facts FROM journal WHERE position >= ? ORDER BY position",
        (first,),
    )
    return untrimmed(tuple(map(_record, rows)), (0, before or 0))


def _record(row: tuple[int, int, bytes]) -> JournalRecord:
    return JournalRecord((0, row[0]), (0, row[1]), codec.decode_facts(row[2]))


def confirm(db: sqlite3.Connection, facts: Sequence[Fact], position: Position, now: float) -> None:
    """Raise the marks; note prefixes and patterns."""
    for fact in facts:
        if fact.kind is FactKind.TAG:
            _raise(db, fact, position[1], now + JOURNAL_S)
        else:
            db.execute(
                "INSERT INTO wide VALUES (?, ?) ON CONFLICT (fact) "
                "DO UPDATE SET position = max(position, excluded.position)",
                (codec.encode_facts((fact,)), position[1]),
            )


def _raise(db: sqlite3.Connection, fact: Fact, position: int, until: float) -> None:
    if fact.unless:
        position = _spare(db, fact, position)
    hard, soft = (0, position) if fact.soft else (position, 0)
    db.execute(
        "INSERT INTO marks VALUES (?, ?, ?, ?, ?) ON CONFLICT (tag) DO UPDATE SET "
        "hard = max(hard, excluded.hard), soft = max(soft, excluded.soft), "
        "expires = max(expires, excluded.expires)",
        (text_out(fact.value), new_generation(), hard, soft, until),
    )
    if kills_all(fact):
        db.execute("DELETE FROM wide WHERE position <= ?", (position,))


def _spare(db: sqlite3.Connection, fact: Fact, position: int) -> int:
    """Note it; up to where the tag's mark is to be raised, for what no ETag is spared any more."""
    key = text_out(fact.value)
    latest = Latest(sparing=_sparing(db, key)).raised(fact, (0, position))
    if latest.sparing is not None:
        row = (key, latest.sparing.position[1], text_out(latest.sparing.etag))
        db.execute("INSERT OR REPLACE INTO sparings VALUES (?, ?, ?)", row)
    return latest.hard[1]


def _sparing(db: sqlite3.Connection, tag: bytes) -> Sparing | None:
    row = db.execute("SELECT position, etag FROM sparings WHERE tag = ?", (tag,)).fetchone()
    return None if row is None else Sparing((0, row[0]), text_in(row[1]))


def wide(db: sqlite3.Connection) -> tuple[tuple[Fact, Position], ...]:
    """The active prefix and pattern facts."""
    rows = db.execute("SELECT fact, position FROM wide")
    return tuple((codec.decode_facts(fact)[0], (0, position)) for fact, position in rows)


def reach(db: sqlite3.Connection, tag: str, expires_at: float) -> Mark:
    """Read or make a mark and let it live until `expires_at` at least."""
    row = db.execute(
        "INSERT INTO marks VALUES (?, ?, 0, 0, ?) ON CONFLICT (tag) DO UPDATE SET "
        "expires = max(expires, excluded.expires) RETURNING generation, hard, soft",
        (text_out(tag), new_generation(), expires_at),
    ).fetchone()
    return Mark(row[0], (0, row[1]), (0, row[2]), _sparing(db, text_out(tag)))


def marks(db: sqlite3.Connection, tags: Sequence[str]) -> dict[str, Mark]:
    """The marks as they are, of those tags that have one."""
    names = list(map(text_out, tags))
    rows = db.execute(
        "SELECT tag, generation, hard, soft, position, etag "  # noqa: S608  question marks only
        "FROM marks LEFT JOIN sparings USING (tag) "
        f"WHERE tag IN ({','.join('?' * len(names))})",
        names,
    )
    return {text_in(row[0]): _mark(*row[1:]) for row in rows.fetchall()}


def _mark(generation: int, hard: int, soft: int, at: int | None, etag: bytes | None) -> Mark:
    spared = None if at is None or etag is None else Sparing((0, at), text_in(etag))
    return Mark(generation, (0, hard), (0, soft), spared)


def renew(db: sqlite3.Connection, beat: Beat, now: float) -> None:
    """Renew a lease; those run out are removed."""
    db.execute("DELETE FROM leases WHERE until < ?", (now,))
    row = (beat.instance, beat.position[1], now + beat.lease_s)
    db.execute("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", row)


def is_shared(db: sqlite3.Connection) -> bool:
    """Whether more than one instance has a lease."""
    return len(db.execute("SELECT 1 FROM leases LIMIT 2").fetchall()) > 1


def leave(db: sqlite3.Connection, instance: str) -> None:
    """End a lease."""
    db.execute("DELETE FROM leases WHERE instance = ?", (instance,))


def behind(db: sqlite3.Connection, position: Position, now: float) -> tuple[str, ...]:
    """The instances with a lease that are not there yet."""
    rows = db.execute(
        "SELECT instance FROM leases WHERE until >= ? AND position < ?", (now, position[1])
    )
    return tuple(row[0] for row in rows)


def trim(db: sqlite3.Connection, now: float) -> None:
    """Remove what is too old to follow, never the last; a mark outlives every entry under it."""
    db.execute(
        "DELETE FROM journal WHERE position < (SELECT max(position) FROM journal) "
        "AND (at < ? OR position <= (SELECT max(position) FROM journal) - ?)",
        (now - JOURNAL_S, JOURNAL_RECORDS),
    )
    db.execute("DELETE FROM marks WHERE expires <= ?", (now,))
    db.execute("DELETE FROM sparings WHERE tag NOT IN (SELECT tag FROM marks)")
