"""Look-ups in the SQLite file that are asked for in one turn of the loop: one job, one statement.

A hop to the file's thread and back costs more than what it reads, and each statement makes the
thread wait for the interpreter lock. So a look-up costs a future and its share of both; no task
and no timer of its own. Knows nothing of what is looked up. Invariant: every future is settled,
by what was found, by the error that the job ended with, or by its deadline.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

from proxy.store.sqlite_file import SqliteFile, too_late

Item = TypeVar("Item")
Value = TypeVar("Value")
Answer = asyncio.Future[Mapping[Item, Value]]
Read = Callable[[sqlite3.Connection, Sequence[Item]], Mapping[Item, Value]]
"""Runs on the thread: what is there of the items."""


class Gathered(Generic[Item, Value]):
    """Asks `file` by `read`, and waits up to `within_s` for it."""

    def __init__(self, file: SqliteFile, read: Read[Item, Value], within_s: float) -> None:
        self._file = file
        self._read = read
        self._within_s = within_s
        self._items: dict[Item, None] = {}
        self._asked: list[Answer[Item, Value]] = []

    def ask(self, *items: Item) -> Answer[Item, Value]:
        """What is there of these, and perhaps of others that are asked for in this turn."""
        loop = asyncio.get_running_loop()
        answer: Answer[Item, Value] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._send)
        self._items.update(dict.fromkeys(items))
        self._asked.append(answer)
        return answer

    def _send(self) -> None:
        items, asked = list(self._items), self._asked
        self._items, self._asked = {}, []
        timer = asyncio.get_running_loop().call_later(self._within_s, self._expire, asked)
        job = self._file.begin(lambda db: self._read(db, items), writes=False)
        job.add_done_callback(partial(_settle, asked, timer))

    def _expire(self, asked: Sequence[Answer[Item, Value]]) -> None:
        for answer in asked:
            _fail(answer, too_late(self._within_s))


def _settle(
    asked: Sequence[Answer[Item, Value]],
    timer: asyncio.TimerHandle,
    job: asyncio.Future[Mapping[Item, Value]],
) -> None:
    timer.cancel()
    error = job.exception()
    for answer in asked:
        if error is not None:
            _fail(answer, error)
        elif not answer.done():
            answer.set_result(job.result())


def _fail(answer: Answer[Item, Value], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # whoever asked may have left: then nobody is to be told of it
