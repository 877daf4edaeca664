from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.errors import StoreError
from proxy.flow.tasks import spawn
from proxy.store.base import Record
from proxy.store.cache import Cache
from proxy.store.entry_info import EntryInfo
from proxy.store.memory import MemoryStore
from proxy.store.restoring import Restoring
from proxy.store.sqlite import SqliteStore
from proxy.store.told import Told
from tests.support.build import stored
from tests.support.clock import NOW, ManualClock

KEPT = frozenset({"kept"})


@asynccontextmanager
async def opened(
    folder: Path, clock: ManualClock, memory: int = 1 << 22, store: type[SqliteStore] = SqliteStore
) -> AsyncIterator[Cache]:
    cache = Cache(
        MemoryStore(max_size=memory, clock=clock), store(folder / "c.db", clock=clock), spawn=spawn
    )
    await cache.start()
    yield cache
    await cache.close()


async def filled(folder: Path, clock: ManualClock, count: int, body: bytes = b"x") -> None:
    async with opened(folder, clock) as cache:
        for number in range(count):
            entry = stored(
                body, route="kept", tags=("*",), born=cache.position, url=f"/{number}", lifetime=60
            )
            assert cache.keep(number.to_bytes(32, "big"), entry, NOW) is None


async def restored(cache: Cache, clock: ManualClock, max_object: int = 1 << 20) -> int:
    restoring = Restoring(cache, clock, spawn=spawn, max_object=max_object)
    await restoring.start(KEPT)
    await restoring.close()
    return cache.status().memory.entries or 0


async def test_what_has_expired_stays_away(tmp_path: Path, clock: ManualClock) -> None:
    await filled(tmp_path, clock, 3)
    async with opened(tmp_path, clock) as cache:
        assert await restored(cache, clock) == 3
    clock.advance(61)
    async with opened(tmp_path, clock) as cache:
        assert await restored(cache, clock) == 0


async def test_it_ends_when_memory_is_full(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await filled(tmp_path, clock, 20, b"x" * 10_000)
    async with opened(tmp_path, clock, memory=64 * 1024) as cache:
        assert 0 < await restored(cache, clock) < 10
        assert cache.status().memory.evictions == 1
    assert "memory is full" in caplog.text


async def test_what_memory_would_not_keep_is_not_read(tmp_path: Path, clock: ManualClock) -> None:
    await filled(tmp_path, clock, 2, b"x" * 10_000)
    async with opened(tmp_path, clock) as cache:
        assert await restored(cache, clock, max_object=9_999) == 0


class Broken(SqliteStore):
    """Fails while it is listed."""

    async def scan(self) -> AsyncIterator[EntryInfo]:
        """Say one, then fail."""
        async for listed in super().scan():
            yield listed
            raise StoreError("gone")


async def test_a_store_that_fails_in_the_middle_is_told_of(
    tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    await filled(tmp_path, clock, 2)
    async with opened(tmp_path, clock, store=Broken) as cache:
        assert await restored(cache, clock) == 1
    assert "could not all be read into memory: gone" in caplog.text


class Stuck(SqliteStore):
    """Answers no read."""

    def seek(self, _key: bytes, _told: Told[Record | None]) -> bool:
        """Never tell."""
        return True


async def test_a_slow_store_holds_up_the_start_for_a_bounded_time(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.store.restoring.START_S", 0.01)
    await filled(tmp_path, clock, 1)
    async with opened(tmp_path, clock, store=Stuck) as cache:
        async with asyncio.timeout(5):
            assert await restored(cache, clock) == 0
