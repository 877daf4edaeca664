"""Look-ups of one turn: one job of the file's thread, which the test holds."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from proxy.errors import StoreError
from proxy.store.base import StoreTimeoutError
from proxy.store.sqlite_file import SqliteFile
from proxy.store.sqlite_gathered import Gathered, in_order
from proxy.store.told import awaited


class Reading:
    """Doubles numbers, once it is let go; remembers what it was asked at once."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[list[int]] = []
        self.error: Exception | None = None

    def __call__(self, _: sqlite3.Connection, items: Sequence[int]) -> dict[int, int]:
        self.asked.append(list(items))
        self.go.wait(5)
        if self.error is not None:
            raise self.error
        return {item: 2 * item for item in items if item > 0}


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[SqliteFile]:
    made = SqliteFile(tmp_path / "cache.db", idle=lambda _: None)
    yield made
    await made.close()


def asking(gathered: Gathered[int, int], *items: int) -> asyncio.Future[Mapping[int, int]]:
    return awaited(lambda told: gathered.ask(told, *items))


async def test_what_is_asked_in_one_turn_is_one_job(file: SqliteFile) -> None:
    read = Reading()
    read.go.set()
    gathered = Gathered(file, read, 5.0)
    one, two = asking(gathered, 1, 2), asking(gathered, 2, 0)
    assert (await one)[1] == 2
    assert ((await two)[2], 0 in await two) == (4, False)
    assert (await asking(gathered, 3)) == {3: 6}
    assert read.asked == [[1, 2, 0], [3]]


async def test_one_that_is_given_up_takes_nothing_from_the_others(file: SqliteFile) -> None:
    read = Reading()
    gathered = Gathered(file, read, 5.0)
    one, two = asking(gathered, 1), asking(gathered, 2)
    await asyncio.sleep(0)
    one.cancel()
    read.go.set()
    assert (await two)[2] == 4


async def test_a_deadline_is_for_all_of_a_turn(file: SqliteFile) -> None:
    read = Reading()
    gathered = Gathered(file, read, 0.02)
    for asked in (asking(gathered, 1), asking(gathered, 2)):
        with pytest.raises(StoreTimeoutError, match=r"0\.02 s"):
            await asked
    read.go.set()


async def test_an_error_is_told_to_each(file: SqliteFile) -> None:
    read = Reading()
    read.go.set()
    read.error = StoreError("as it is")
    gathered = Gathered(file, read, 5.0)
    for asked in (asking(gathered, 1), asking(gathered, 2)):
        with pytest.raises(StoreError, match="as it is"):
            await asked


async def test_once_the_file_is_closed_it_is_told_so(file: SqliteFile) -> None:
    await file.close()
    with pytest.raises(StoreError, match="closed"):
        await asking(Gathered(file, Reading(), 5.0), 1)


async def test_who_asks_is_told_once_however_late_the_job_ends(file: SqliteFile) -> None:
    read = Reading()
    told: list[object] = []
    Gathered(file, read, 0.02).ask(told.append, 1)
    with pytest.raises(StoreTimeoutError):
        await asking(Gathered(file, read, 0.02), 1)
    read.go.set()
    assert await asking(Gathered(file, read, 5.0), 2) == {2: 4}
    assert [type(outcome) for outcome in told] == [StoreTimeoutError]


def test_in_order() -> None:
    assert in_order((3, 1, 2), {1: 2, 3: 6}) == (6, 2, None)
