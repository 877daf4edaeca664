"""Facts that spare an ETag: one `sparing` a tag says as much as all of them, in any order."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import proxy.store
from proxy.messages import Position, StoredResponse
from proxy.store import sqlite_journal
from proxy.store.base import Fact, FactKind
from proxy.store.facts import Latest, Verdict, judge_by_marks
from tests.support.build import stored

SCHEMA = (Path(proxy.store.__file__).parent / "schema.sql").read_text("utf-8")
etags = st.sampled_from(["", "a", "b", "c"])
positions = st.integers(1, 6)
facts = st.lists(st.tuples(etags, positions), max_size=6)


def fact(etag: str) -> Fact:
    return Fact(FactKind.TAG, "t", unless=etag)


def entry(etag: str, born: int) -> StoredResponse:
    return stored(fields={"ETag": f'"{etag}"'} if etag else {}, tags=("t",), born=(0, born))


def is_dead(stated: list[tuple[str, int]], etag: str, born: int) -> bool:
    """What the facts mean, one by one."""
    return any(position > born and (not spared or spared != etag) for spared, position in stated)


@given(stated=facts, etag=etags, born=st.integers(0, 6))
def test_it_means_what_the_facts_mean_one_by_one(
    stated: list[tuple[str, int]], etag: str, born: int
) -> None:
    latest = Latest()
    for spared, position in stated:
        latest = latest.raised(fact(spared), (0, position))
    dead = latest.verdict(entry(etag, born)) is Verdict.DEAD
    assert dead == is_dead(stated, etag, born)


@given(stated=facts, etag=etags, born=st.integers(0, 6))
def test_so_do_the_marks_in_sqlite(stated: list[tuple[str, int]], etag: str, born: int) -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(SCHEMA)
    made = sqlite_journal.reach(db, "t", 1e9)
    for spared, position in stated:
        at: Position = (0, position)
        sqlite_journal.confirm(db, (fact(spared),), at, 0.0)
    marks = (sqlite_journal.marks(db, ["t"])["t"],)
    verdict = judge_by_marks(entry(etag, born), (made.generation,), marks)
    assert (verdict is Verdict.DEAD) == is_dead(stated, etag, born)
    assert marks == (sqlite_journal.reach(db, "t", 1e9),)
    db.close()
