from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import StoreError
from proxy.flow.tasks import spawn
from proxy.messages import START
from proxy.store.base import Beat, JournalLostError, Record
from proxy.store.sqlite import SqliteStore
from tests.support.build import stored
from tests.support.clock import ManualClock

KEYS = tuple(bytes([number]) * 32 for number in range(40))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@pytest.fixture
async def store(path: Path, clock: ManualClock) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(path, max_size=20_000, clock=clock)
    await made.open(START)
    yield made
    await made.close()


async def test_the_least_recently_used_goes_first(store: SqliteStore, clock: ManualClock) -> None:
    for key in KEYS[:2]:
        await store.put_bytes(key, bytes(6_000), clock() + 1e6)
        clock.advance(100)
    with pytest.raises(StoreError):
        await store.get(KEYS[0])
    clock.advance(100)
    for key in KEYS[2:4]:
        await store.put_bytes(key, bytes(6_000), clock() + 1e6)
    assert await store.delete(KEYS[0])
    assert not await store.delete(KEYS[1])
    await store.put(KEYS[-1], Record(stored(lifetime=1e6)))
    status = store.status()
    assert status.size_bytes is not None
    assert status.size_bytes <= 20_000
    assert status.evictions > 0
    assert await store.get(KEYS[-1]) is not None


async def test_it_survives_a_restart(path: Path, store: SqliteStore, clock: ManualClock) -> None:
    await store.put(KEYS[0], Record(stored(b"kept")))
    epoch = (await store.open(START)).epoch
    await store.close()
    again = SqliteStore(path, clock=clock)
    assert (await again.open(START)).epoch == epoch
    record = await again.get(KEYS[0])
    assert record is not None
    assert record.entry == stored(b"kept")
    await again.close()


async def test_two_on_one_file(path: Path, store: SqliteStore, clock: ManualClock) -> None:
    other = SqliteStore(path, clock=clock)
    assert await other.open(START) == await store.open(START)
    end = (await other.open(START)).end
    position = await store.append([])
    assert [record.position for record in await other.read(end, 5.0)] == [position]
    await other.close()


ALONE = [
    pytest.param((), (0, 3), id="nobody else: an idle machine is left in peace"),
    pytest.param(("other",), (4, 30), id="another process: its facts are seen in good time"),
]


@pytest.mark.parametrize(("others", "looks"), ALONE)
async def test_the_journal_is_looked_at_often_only_for_others(
    store: SqliteStore, others: tuple[str, ...], looks: tuple[int, int]
) -> None:
    end = (await store.open(START)).end
    for name in ("this", *others):
        await store.beat(Beat(name, end, 60.0))
    await store.beat(Beat("this", end, 60.0))
    jobs = Counter(store)
    assert await store.read(end, 0.3) == ()
    assert looks[0] <= jobs.count <= looks[1]
    await store.append([])
    assert len(await store.read(end, 5.0)) == 1


class Counter:
    """Counts what the file's thread is asked."""

    def __init__(self, store: SqliteStore) -> None:
        self.count = 0
        self._run = store._file.run  # noqa: SLF001  the thread tells nobody how often it wakes
        store._file.run = self.run  # type: ignore[method-assign]  # noqa: SLF001

    async def run(self, *what: Any, **how: Any) -> Any:
        self.count += 1
        return await self._run(*what, **how)


async def test_its_own_append_wakes_one_that_is_alone(store: SqliteStore) -> None:
    end = (await store.open(START)).end
    await store.beat(Beat("this", end, 60.0))
    reading = spawn(store.read(end, 10.0), "follower")
    await asyncio.sleep(0)
    position = await store.append([])
    async with asyncio.timeout(1.0):
        assert [record.position for record in await reading] == [position]


async def test_a_damaged_file_is_set_aside(path: Path, clock: ManualClock) -> None:
    await asyncio.to_thread(path.write_bytes, b"this is no database" * 100)
    store = SqliteStore(path, clock=clock)
    await store.open(START)
    await store.put(KEYS[0], Record(stored()))
    assert await store.get(KEYS[0]) is not None
    assert len(list(path.parent.glob("cache.db.corrupt-*"))) == 1
    await store.close()


async def test_a_file_that_was_replaced_is_noticed(
    path: Path, store: SqliteStore, clock: ManualClock
) -> None:
    await asyncio.to_thread(path.rename, path.with_name("elsewhere"))
    other = SqliteStore(path, clock=clock)
    epoch = (await other.open((0, 1 << 60))).epoch
    with pytest.raises(JournalLostError):
        await store.append([])
    assert (await store.open(START)).epoch == epoch
    await other.close()


async def test_larger_than_the_file_may_be(store: SqliteStore) -> None:
    entry = stored(bytes(range(256)) * 400)
    await store.put(KEYS[0], Record(entry))
    with pytest.raises(StoreError, match="larger than"):
        await store.put_bytes(KEYS[0], bytes(30_000), 1e12)
