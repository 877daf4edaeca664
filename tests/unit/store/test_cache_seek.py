"""`Cache.seek` over the real stores: told once, of the same as `find` returns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from proxy.flow.tasks import spawn
from proxy.messages import StoredResponse
from proxy.outcomes import NotServed, Tier
from proxy.store.base import Found, SharedStore
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.sqlite import SqliteStore
from tests.support.build import stored
from tests.support.clock import NOW
from tests.support.redis_server import RedisServer

KEY, OTHER = b"k" * 32, b"o" * 32
SOON_S = 0.05
"""A deadline that a store which stands still shall miss."""


class Used:
    """A cache whose memory takes no body, so that each look-up asks the shared store."""

    def __init__(self, store: SharedStore, server: RedisServer | None = None) -> None:
        self.server = server
        self.results: list[str] = []
        self.cache = Cache(
            MemoryStore(max_size=1 << 20, max_object=0),
            store,
            spawn=spawn,
            on_operation=lambda _tier, op, result, _seconds: self._count(op, result),
        )
        self.told: list[Found | NotServed] = []
        self._heard = asyncio.Event()

    def _count(self, op: str, result: str) -> None:
        if op == "get":
            self.results.append(result)

    def seek(self, key: bytes = KEY) -> None:
        self.cache.seek(key, NOW, self._hear)

    def _hear(self, found: Found | NotServed) -> None:
        self.told.append(found)
        self._heard.set()

    async def all(self, count: int) -> list[Found | NotServed]:
        """What was told, once it is so many."""
        async with asyncio.timeout(10):
            while len(self.told) < count:
                self._heard.clear()
                await self._heard.wait()
        return self.told

    async def keep(self) -> StoredResponse:
        """There is an answer under KEY from now on."""
        entry = stored(b"body", tags=("*", "t"), born=self.cache.position, lifetime=1e9)
        assert self.cache.keep(KEY, entry, NOW) is None
        while not isinstance(await self.cache.find(KEY, NOW), Found):
            pass  # the writer is not there yet
        self.results.clear()
        return entry


@asynccontextmanager
async def started(used: Used) -> AsyncIterator[Used]:
    await used.cache.start()
    assert used.cache.status().online
    yield used
    await used.cache.close(0.1)


@asynccontextmanager
async def over_redis(folder: Path, deadline_s: float = 5.0) -> AsyncIterator[Used]:
    with closing(RedisServer(folder / "redis")) as server:
        await server.start()
        store = RedisStore(server.url, deadline_s=deadline_s)
        async with started(Used(store, server)) as used:
            yield used


@pytest.fixture(params=["redis", "sqlite"])
async def used(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Used]:
    if request.param == "redis":
        async with over_redis(tmp_path) as made:
            yield made
    else:
        async with started(Used(SqliteStore(tmp_path / "c.db"))) as made:
            yield made


@pytest.fixture
async def stalled(tmp_path: Path) -> AsyncIterator[Used]:
    """Over a Redis that stands still, with a short deadline; KEY is stored."""
    async with over_redis(tmp_path, SOON_S) as made:
        await made.keep()
        assert made.server is not None
        made.server.pause()
        yield made
        made.server.resume()


async def test_two_who_seek_one_key_in_a_turn_are_both_told_once(used: Used) -> None:
    entry = await used.keep()
    used.seek()
    used.seek()
    used.seek(OTHER)
    assert used.told == []
    *found, absent = await used.all(3)
    assert [isinstance(each, Found) and (each.entry, each.tier) for each in found] == [
        (entry, Tier.SHARED)
    ] * 2
    assert absent is NotServed.ABSENT
    assert used.results == ["ok", "ok", "miss"]
    assert await used.cache.find(KEY, NOW) == found[0]
    assert len(used.told) == 3


async def test_what_memory_has_is_told_at_once() -> None:
    cache = Cache(MemoryStore(max_size=1 << 20), None, spawn=spawn)
    told: list[Found | NotServed] = []
    cache.seek(KEY, NOW, told.append)
    entry = stored(b"body", tags=("*",), born=cache.position, lifetime=60.0)
    assert cache.keep(KEY, entry, NOW) is None
    cache.seek(KEY, NOW, told.append)
    absent, found = told
    assert absent is NotServed.ABSENT
    assert isinstance(found, Found)
    assert (found.entry, found.tier) == (entry, Tier.MEMORY)


async def test_what_is_found_comes_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    async with started(Used(SqliteStore(path))) as used:
        await used.keep()
        memory = MemoryStore(max_size=1 << 20)
        other = Cache(memory, SqliteStore(path), spawn=spawn)
        await other.start()
        other.seek(KEY, NOW, used.told.append)
        assert other.peek(KEY, NOW) is None
        assert isinstance(await other.find(KEY, NOW), Found)
        assert other.peek(KEY, NOW) is not None
        await other.close()


async def test_offline_it_is_told_at_once(tmp_path: Path) -> None:
    used = Used(SqliteStore(tmp_path / "c.db"))
    used.seek()
    assert used.told == [NotServed.STORE_DOWN]
    assert used.results == []


async def test_a_connection_that_is_lost_meanwhile_is_a_store_that_is_down(tmp_path: Path) -> None:
    async with over_redis(tmp_path) as used:
        await used.keep()
        assert used.server is not None
        used.server.pause()
        used.seek()
        await asyncio.sleep(0)
        used.server.kill()
        assert await used.all(1) == [NotServed.STORE_DOWN]
        assert used.results == ["error"]


async def test_a_time_out_is_told_once_however_late_the_answer_is(stalled: Used) -> None:
    stalled.seek()
    stalled.seek()
    assert await stalled.all(2) == [NotServed.STORE_DOWN] * 2
    assert stalled.results == ["timeout"] * 2
    assert stalled.server is not None
    stalled.server.resume()
    assert isinstance(await stalled.cache.find(KEY, NOW), Found)
    assert len(stalled.told) == 2


async def test_while_the_breaker_is_open_it_is_told_at_once(stalled: Used) -> None:
    for count in range(1, 6):
        stalled.seek()
        await stalled.all(count)
    assert stalled.cache.status().breaker_open
    stalled.seek()
    assert stalled.told == [NotServed.STORE_DOWN] * 6
    assert stalled.results == ["timeout"] * 5 + ["refused"]


async def test_who_gives_a_look_up_up_takes_no_answer_from_the_next(used: Used) -> None:
    entry = await used.keep()

    async def look_up() -> None:
        await used.cache.find(OTHER, NOW)

    asked = spawn(look_up(), "test-look-up")
    await asyncio.sleep(0)
    asked.cancel()
    used.seek()
    (found,) = await used.all(1)
    assert isinstance(found, Found)
    assert found.entry == entry
    assert used.results == ["miss", "ok"]
