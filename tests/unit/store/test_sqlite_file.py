"""The file itself: damage, its thread, its deadlines, several processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import StoreError
from proxy.messages import START
from proxy.store.base import Record, StoreTimeoutError
from proxy.store.sqlite import SqliteStore
from proxy.store.sqlite_file import SqliteFile, is_damage
from tests.support.build import stored
from tests.support.clock import ManualClock

ROOT = Path(__file__).parents[3]
KEYS = [number.to_bytes(32, "big") for number in range(200)]


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[SqliteFile]:
    made = SqliteFile(tmp_path / "folder" / "cache.db", idle=lambda _: None)
    yield made
    await made.close()


def values(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute("SELECT name FROM meta ORDER BY name")]


def insert(name: str) -> Any:
    return lambda db: db.execute("INSERT INTO meta VALUES (?, '')", (name,)).rowcount


async def test_jobs_that_wait_together_are_one_transaction(file: SqliteFile) -> None:
    """And one that fails in the file's own words takes the others of its batch with it."""
    await file.run(values, 5.0)
    began, go = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        began.set()
        go.wait(5)

    first = asyncio.gather(file.run(hold, 5.0))
    await asyncio.to_thread(began.wait, 5)
    batch = [file.run(insert(name), 5.0) for name in ("a", "b", "a")]
    both = asyncio.gather(*batch, return_exceptions=True)
    await asyncio.sleep(0)
    go.set()
    await first
    outcomes = await both
    assert all(isinstance(outcome, StoreError) for outcome in outcomes)
    assert await file.run(values, 5.0, writes=False) == []
    await asyncio.gather(*(file.run(insert(name), 5.0) for name in ("a", "b")))
    assert await file.run(values, 5.0, writes=False) == ["a", "b"]


async def test_a_store_error_of_one_job_is_its_own(file: SqliteFile) -> None:
    def refuse(_: sqlite3.Connection) -> None:
        raise StoreError("mine")

    outcomes = await asyncio.gather(
        file.run(refuse, 5.0), file.run(insert("kept"), 5.0), return_exceptions=True
    )
    assert [str(outcome) for outcome in outcomes] == ["mine", "1"]
    assert await file.run(values, 5.0) == ["kept"]


@pytest.mark.parametrize(
    ("value", "raised"), [(1 << 70, OverflowError), ("\ud800", UnicodeEncodeError)]
)
async def test_a_value_that_sqlite_cannot_hold_is_its_own_jobs_error(
    file: SqliteFile, value: object, raised: type[Exception]
) -> None:
    """It is raised while the value is bound, and is no error of the library's."""

    def bind(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO meta VALUES ('name', ?)", (value,))

    outcomes = await asyncio.gather(
        file.run(bind, 1.0), file.run(insert("kept"), 1.0), return_exceptions=True
    )
    assert isinstance(outcomes[0], StoreError)
    assert raised.__name__ in str(outcomes[0])
    assert outcomes[1] == 1
    assert await file.run(values, 5.0) == ["kept"]


async def test_a_job_that_takes_too_long_is_a_time_out_and_the_thread_goes_on(
    file: SqliteFile,
) -> None:
    go = threading.Event()
    with pytest.raises(StoreTimeoutError):
        await file.run(lambda _: go.wait(5), 0.01)
    go.set()
    assert await file.run(values, 5.0) == []


async def test_closing_commits_what_waits(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "cache.db", idle=lambda _: None)
    waiting = asyncio.gather(*(file.run(insert(str(n)), 5.0) for n in range(100)))
    await asyncio.sleep(0)
    await file.close()
    assert await waiting == [1] * 100
    with pytest.raises(StoreError, match="closed"):
        await file.run(values, 5.0)


async def test_a_folder_that_cannot_be_made_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "in the way").touch()
    file = SqliteFile(tmp_path / "in the way" / "cache.db", idle=lambda _: None)
    with pytest.raises(StoreError, match="SQLite"):
        await file.run(values, 5.0)
    (tmp_path / "in the way").unlink()
    assert await file.run(values, 5.0) == []
    await file.close()


DAMAGE = [
    pytest.param(sqlite3.SQLITE_CORRUPT, True, id="malformed"),
    pytest.param(sqlite3.SQLITE_CORRUPT_INDEX, True, id="an index of it, an extended code"),
    pytest.param(sqlite3.SQLITE_NOTADB, True, id="no database"),
    pytest.param(sqlite3.SQLITE_BUSY, False, id="busy"),
    pytest.param(sqlite3.SQLITE_FULL, False, id="full"),
    pytest.param(sqlite3.SQLITE_IOERR, False, id="unreadable"),
]


@pytest.mark.parametrize(("code", "damaged"), DAMAGE)
def test_what_is_damage(code: int, damaged: bool) -> None:
    error = sqlite3.DatabaseError("x")
    error.sqlite_errorcode = code
    assert is_damage(error) is damaged
    assert not is_damage(OSError("no code at all"))


async def test_damage_in_the_middle_of_the_file(tmp_path: Path, clock: ManualClock) -> None:
    """Met long after opening, by a read. The file is set aside once, a new one is begun."""
    path = tmp_path / "cache.db"
    store = SqliteStore(path, clock=clock)
    before = await store.open(START)
    for key in KEYS:
        await store.put(key, Record(stored(os.urandom(8000), lifetime=1e6), epoch=before.epoch))
    await store.close()
    data = bytearray(path.read_bytes())
    start, end = len(data) // 3, len(data) // 3 * 2
    data[start:end] = b"\xa5" * (end - start)
    path.write_bytes(data)
    store = SqliteStore(path, clock=clock)
    outcomes = await asyncio.gather(*(store.get(key) for key in KEYS), return_exceptions=True)
    errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert errors
    assert all(isinstance(error, StoreError) for error in errors)
    after = await store.open(before.end)
    assert after.epoch != before.epoch
    assert after.end > before.end
    await store.put(KEYS[0], Record(stored(b"new", lifetime=1e6), epoch=after.epoch))
    record = await store.get(KEYS[0])
    assert record is not None
    assert record.entry == stored(b"new", lifetime=1e6)
    await store.close()
    aside = [name for name in os.listdir(tmp_path) if ".corrupt-" in name]  # noqa: PTH208
    assert len(aside) == 1


# Processes.

CHILD = """
import asyncio, json, sys, time
from pathlib import Path
from proxy.flow.tasks import spawn
from proxy.store.base import Fact, FactKind, Found
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore
from proxy.store.sqlite import SqliteStore
from tests.support.build import stored

KEY = b"k" * 32

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    cache = Cache(MemoryStore(max_size=1 << 24), store, spawn=spawn, max_lag=1.0)
    await cache.start()
    loop = asyncio.get_running_loop()
    print(json.dumps(cache.status().online), flush=True)
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        now, answer = time.time(), None
        if line[0] == "keep":
            entry = stored(line[1], tags=("*", "t"), born=cache.position, request_time=now,
                           response_time=now, lifetime=600.0)
            answer = cache.keep(KEY, entry, now)
            shared = cache._far.shared
            while (found := await shared.get(KEY)) is None or found.entry.body != entry.body:
                assert cache.status().dropped_writes == 0
        elif line[0] == "find":
            found = await cache.find(KEY, now)
            answer = found.entry.body.decode() if isinstance(found, Found) else found.name
        elif line[0] == "peek":
            found = cache.peek(KEY, now)
            answer = found and found.entry.body.decode()
        elif line[0] == "invalidate":
            await cache.invalidate([Fact(FactKind.TAG, "t")], wait=True)
        print(json.dumps(answer), flush=True)
    await cache.close()

asyncio.run(main())
"""


class Child:
    """Another Larder process on the same file, one command at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ask(self, command: str = "") -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if command:
            self.process.stdin.write(f"{command}\n".encode())
        return json.loads(await self.process.stdout.readline())

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


@pytest.fixture
async def children(tmp_path: Path) -> AsyncIterator[list[Child]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(3):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CHILD, str(tmp_path / "cache.db")),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            made.append(Child(process))
            stack.push_async_callback(made[-1].end)
        assert await asyncio.gather(*(child.ask() for child in made)) == [True] * 3
        yield made


@pytest.mark.slow
async def test_processes_on_one_file_share_and_invalidate(children: list[Child]) -> None:
    one, two, three = children
    assert await one.ask("keep first") is None
    assert await two.ask("find") == "first"
    assert await two.ask("peek") == "first"
    await three.ask("invalidate")
    assert await asyncio.gather(*(child.ask("peek") for child in children)) == [None] * 3
    assert await two.ask("find") == "INVALIDATED"
    assert await two.ask("keep second") is None
    assert await three.ask("find") == "second"


@pytest.mark.slow
async def test_a_process_that_is_killed_holds_nobody_up(children: list[Child]) -> None:
    one, two, three = children
    await one.ask("keep first")
    one.process.send_signal(signal.SIGKILL)
    await one.process.wait()
    assert await two.ask("find") == "first"
    await three.ask("invalidate")
    assert await two.ask("peek") is None
    assert await three.ask("keep second") is None
    assert await two.ask("find") == "second"
