"""Statements about journal, marks and leases at their edges; the protocol is in tests/contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.messages import START
from proxy.store import sqlite_journal as journal
from proxy.store.base import Beat, Fact, FactKind, JournalLostError

SCHEMA = Path(journal.__file__).parent / "schema.sql"
TAG, SOFT = Fact(FactKind.TAG, "t"), Fact(FactKind.TAG, "t", soft=True)


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA.read_text("utf-8"))
    yield connection
    connection.close()


def test_a_file_made_anew_is_later_than_the_old_one(db: sqlite3.Connection) -> None:
    """Positions begin at the time, and a thousand appends a millisecond do not outrun it."""
    assert journal.epoch(db) is None
    token = journal.begin(db, START, 1000.0)
    last = max(journal.append(db, [], START, 1000.0) for _ in range(5))
    again = journal.begin(db, START, 1000.001)
    assert again != token
    assert journal.end(db) > last
    floor = (0, journal.end(db)[1] << 4)
    journal.begin(db, floor, 1000.002)
    assert journal.end(db) > floor


def test_another_journal_is_noticed(db: sqlite3.Connection) -> None:
    with pytest.raises(JournalLostError):
        journal.check(db, "")
    token = journal.begin(db, START, 1.0)
    journal.check(db, token)
    with pytest.raises(JournalLostError):
        journal.check(db, "another")


def test_trimming_keeps_the_last_and_what_is_not_an_hour_old(db: sqlite3.Connection) -> None:
    journal.begin(db, START, 0.0)
    journal.append(db, [TAG], START, 10.0)
    kept = [journal.append(db, [TAG], START, 4000.0) for _ in range(2)]
    journal.trim(db, 5000.0)
    assert [record.position for record in journal.after(db, START)] == kept
    journal.trim(db, 1e6)
    assert [record.position for record in journal.after(db, START)] == kept[-1:]
    assert journal.epoch(db) is not None


def test_a_mark_lives_as_long_as_the_longest_under_it(db: sqlite3.Connection) -> None:
    made = journal.reach(db, "t", 9000.0)
    journal.reach(db, "t", 5.0)
    journal.confirm(db, [TAG], (0, 7), 0.0)
    journal.trim(db, 8999.0)
    assert list(journal.marks(db, ["t", "u"])) == ["t"]
    mark = journal.marks(db, ["t"])["t"]
    assert (mark.generation, mark.hard, mark.soft) == (made.generation, (0, 7), START)
    journal.trim(db, 9000.0)
    assert journal.marks(db, ["t"]) == {}
    assert journal.reach(db, "t", 9999.0).generation != made.generation


def test_soft_and_hard_are_two_maxima(db: sqlite3.Connection) -> None:
    for fact, position in ((TAG, 7), (SOFT, 9), (TAG, 5), (SOFT, 3)):
        journal.confirm(db, [fact], (0, position), 0.0)
    mark = journal.marks(db, ["t"])["t"]
    assert (mark.hard, mark.soft) == ((0, 7), (0, 9))


def test_marks_are_those_that_are_there(db: sqlite3.Connection) -> None:
    made = {tag: journal.reach(db, tag, 9.0) for tag in ("b", "a", "\ud800")}
    assert journal.marks(db, ["\ud800", "nothing", "a", "b", "a"]) == made
    assert journal.marks(db, []) == {}


def test_the_tail_begins_with_the_first_of_its_time(db: sqlite3.Connection) -> None:
    journal.begin(db, START, 0.0)
    positions = [journal.append(db, [TAG], START, at) for at in (10.0, 20.0, 15.0)]
    assert [record.position for record in journal.since(db, 12.0)] == positions[1:]
    assert journal.since(db, 99.0) == ()


def test_a_tail_that_was_trimmed_is_no_tail(db: sqlite3.Connection) -> None:
    journal.begin(db, START, 0.0)
    positions = [journal.append(db, [], START, at) for at in (10.0, 20.0, 30.0)]
    db.execute("DELETE FROM journal WHERE position < ?", (positions[1][1],))
    assert [record.position for record in journal.since(db, 25.0)] == positions[2:]
    with pytest.raises(JournalLostError):
        journal.since(db, 20.0)


def test_a_record_nobody_can_read_is_a_purge_of_all(db: sqlite3.Connection) -> None:
    journal.begin(db, START, 0.0)
    position = journal.append(db, [TAG], START, 0.0)
    db.execute("UPDATE journal SET facts = x'c1' WHERE position = ?", (position[1],))
    (record,) = journal.since(db, 0.0)[1:]
    assert record.facts == (Fact(FactKind.TAG, "*"),)


def test_leases_that_ran_out_hold_nobody_up(db: sqlite3.Connection) -> None:
    journal.renew(db, Beat("a", (0, 5), 10.0), 0.0)
    journal.renew(db, Beat("b", (0, 5), 99.0), 0.0)
    assert set(journal.behind(db, (0, 6), 10.0)) == {"a", "b"}
    assert journal.behind(db, (0, 6), 10.1) == ("b",)
    journal.leave(db, "b")
    assert journal.behind(db, (0, 6), 10.1) == ()
