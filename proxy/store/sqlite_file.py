"""One SQLite file on a thread of its own: opening, setting aside what is damaged, batches.

Knows nothing of entries or facts. Jobs that wait together are one transaction,
so a busy store commits once for many writes. All of this file but `run`,
`begin` and `close` runs on the thread.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from proxy.errors import StoreError
from proxy.store.base import StoreTimeoutError
from proxy.store.told import Told, awaited, tell

_SCHEMA: Final = (Path(__file__).parent / "schema.sql").read_text("utf-8")
_BATCH: Final = 64
_BUSY_S: Final = 5.0

_log = logging.getLogger(__name__)
Value = TypeVar("Value")


@dataclass(slots=True)
class _Job(Generic[Value]):
    do: Callable[[sqlite3.Connection], Value]
    writes: bool
    told: Told[Value]
    loop: asyncio.AbstractEventLoop


class SqliteFile:
    """`idle` runs on the thread between jobs, every `idle_s` seconds at most."""

    def __init__(
        self, path: Path, *, idle: Callable[[sqlite3.Connection], None], idle_s: float = 30.0
    ) -> None:
        self.path = path
        self._idle = idle
        self._idle_s = idle_s
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._damage: Exception | None = None
        self._stale = False
        self._closed = False

    async def run(
        self,
        do: Callable[[sqlite3.Connection], Value],
        within_s: float,
        *,
        writes: bool = True,
    ) -> Value:
        """What `do` returns; those that write share transactions. StoreError if it fails."""
        try:
            async with asyncio.timeout(within_s):
                return await awaited(partial(self.begin, do, writes=writes))
        except TimeoutError as error:
            raise too_late(within_s) from error

    def begin(
        self,
        do: Callable[[sqlite3.Connection], Value],
        told: Told[Value],
        *,
        writes: bool = True,
    ) -> None:
        """The same without a deadline, told in a later turn of the loop, or at once; no task."""
        job = _Job(do, writes, told, asyncio.get_running_loop())
        if self._closed:
            told(StoreError("the SQLite store is closed"))
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="larder-sqlite", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    async def close(self) -> None:
        """Commit what waits, close the file, end the thread."""
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def is_current(self) -> bool:
        """Whether the path still leads to the file that is open."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    async def renew(self, within_s: float) -> None:
        """Let go of the file after what waits; the next job opens what is at the path then."""
        await self.run(lambda _: self._let_go(), within_s)

    def _let_go(self) -> None:
        self._stale = True

    def _shut(self) -> None:
        connection, self._connection, self._stale = self._connection, None, False
        if connection is not None:
            connection.close()

    def _work(self) -> None:
        rested = time.monotonic()
        going = True
        while going:
            with suppress(queue.Empty):
                first = self._jobs.get(timeout=self._idle_s)
                batch, going = self._batch(first)
                self._carry_out(batch)
            if going and time.monotonic() - rested >= self._idle_s:
                rested = time.monotonic()
                self._rest()
        self._shut()

    def _batch(self, first: _Job[Any] | None) -> tuple[list[_Job[Any]], bool]:
        batch: list[_Job[Any]] = []
        job = first
        while job is not None:
            batch.append(job)
            if len(batch) == _BATCH:
                return batch, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _carry_out(self, batch: list[_Job[Any]]) -> None:
        outcomes: list[object] = []
        begin = self._transaction if any(job.writes for job in batch) else self._snapshots
        try:
            with begin() as connection:
                outcomes = [_outcome(job, connection) for job in batch]
        except (sqlite3.Error, OSError) as error:
            failure = StoreError(f"SQLite: {error}")
            outcomes = [failure] * len(batch)
            self._look_at(error)
        if self._stale:
            self._shut()
        _settle(batch, outcomes)

    def _rest(self) -> None:
        try:
            with self._transaction() as connection:
                self._idle(connection)
        except (sqlite3.Error, OSError) as error:
            self._look_at(error)

    @contextmanager
    def _snapshots(self) -> Iterator[sqlite3.Connection]:
        """Reads alone: each statement sees a snapshot of its own, so none is begun or ended.

        Every statement costs the thread a fight for the interpreter lock, twice.
        """
        self._connection = self._connection or self._open()
        yield self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection = connection = self._connection or self._open()
        # A reader that became a writer half-way could find its snapshot outdated.
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _look_at(self, error: Exception) -> None:
        """A damaged file is closed here; opening it again sets it aside."""
        if is_damage(error):
            self._damage = error
            self._shut()

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.path):
            damage, self._damage = self._damage, None
            # Unless another process was first and the path leads to a new file already.
            if damage is not None and self.is_current():
                set_aside(self.path, damage)
            try:
                connection = _connect(self.path)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                set_aside(self.path, error)
                connection = _connect(self.path)
            self._inode = self.path.stat().st_ino
        return connection


def too_late(within_s: float) -> StoreTimeoutError:
    """What whoever waited is told."""
    return StoreTimeoutError(f"SQLite did not answer within {within_s:g} s")


def is_damage(error: Exception) -> bool:
    """Whether the file itself is broken, and not only busy, full or gone."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside(path: Path, error: Exception) -> None:
    """Move a damaged file out of the way, for whoever wants to look at it."""
    aside = path.with_name(f"{path.name}.corrupt-{time.time_ns()}")
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    _log.error("a damaged SQLite file is set aside as %s and a new one begun: %s", aside, error)


def _outcome(job: _Job[Any], connection: sqlite3.Connection) -> object:
    try:
        return job.do(connection)
    except StoreError as error:
        return error
    except (sqlite3.Error, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - of one job: the thread serves all others
        failure = StoreError(f"SQLite: a value cannot be stored or read ({type(error).__name__})")
        failure.__cause__ = error
        return failure


def _settle(batch: list[_Job[Any]], outcomes: list[object]) -> None:
    """Wake each loop once, however many of its jobs are done."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Job[Any], object]]] = {}
    for job, outcome in zip(batch, outcomes, strict=True):
        by_loop.setdefault(job.loop, []).append((job, outcome))
    for loop, settled in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed before its answer came
            loop.call_soon_threadsafe(_tell, settled)


def _tell(settled: list[tuple[_Job[Any], object]]) -> None:
    for job, outcome in settled:
        tell(job.told, outcome)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.executescript(_SCHEMA)
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock under which processes open the file, so that only one sets it aside."""
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
