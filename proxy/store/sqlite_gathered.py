"""Look-ups in the SQLite file that are asked for in one turn of the loop: one job, one statement.

A hop to the file's thread and back costs more than what it reads, and each statement makes the
thread wait for the interpreter lock. So a look-up costs a callback and its share of both; no task
and no timer of its own. Knows nothing of what is looked up. Invariant: who asks is told once,
of what was found, of the error that the job ended with, or of the deadline.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

from proxy.store.sqlite_file import SqliteFile, too_late
from proxy.store.told import Told, tell

Item = TypeVar("Item")
Value = TypeVar("Value")
Answer = Told[Mapping[Item, Value]]
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

    def ask(self, told: Answer[Item, Value], *items: Item) -> None:
        """Tell what is there of these, and perhaps of others that are asked for in this turn."""
        if not self._asked:
            asyncio.get_running_loop().call_soon(self._send)
        self._items.update(dict.fromkeys(items))
        self._asked.append(told)

    def _send(self) -> None:
        items, asked = list(self._items), self._asked
        self._items, self._asked = {}, []
        timer = asyncio.get_running_loop().call_later(self._within_s, self._expire, asked)
        told = partial(_tell_all, asked, timer)
        self._file.begin(lambda db: self._read(db, items), told, writes=False)

    def _expire(self, asked: list[Answer[Item, Value]]) -> None:
        late = tuple(asked)
        asked.clear()
        for told in late:
            tell(told, too_late(self._within_s))


def _tell_all(
    asked: Sequence[Answer[Item, Value]],
    timer: asyncio.TimerHandle,
    outcome: Mapping[Item, Value] | Exception,
) -> None:
    timer.cancel()
    for told in asked:
        tell(told, outcome)


def in_order(items: Sequence[Item], found: Mapping[Item, Value]) -> tuple[Value | None, ...]:
    """What is there of each."""
    return tuple(map(found.get, items))
