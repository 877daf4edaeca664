"""The two tiers over a real Redis that is absent, killed, stalled, flushed, filled or restarted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from proxy.errors import StoreError
from proxy.flow.tasks import spawn
from proxy.messages import StoredResponse
from proxy.outcomes import NotServed, Tier
from proxy.store.base import Fact, FactKind, Found, is_local
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from tests.support.build import stored
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.slow

KEY, OTHER = b"k" * 32, b"o" * 32
FACT = Fact(FactKind.TAG, "t")
AOF = ("--appendonly yes", "--appendfsync always")

Make = Callable[..., Awaitable[Cache]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path / "redis")
    yield made
    made.close()


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    caches: list[Cache] = []

    async def start(server: RedisServer, *, max_lag: float = 5.0) -> Cache:
        store = RedisStore(server.url, deadline_s=0.05, patience_s=0.3)
        cache = Cache(MemoryStore(max_size=1 << 24), store, spawn=spawn, max_lag=max_lag)
        caches.append(cache)
        await cache.start()
        return cache

    yield start
    for cache in caches:
        await cache.close(0.2)


def answer(cache: Cache, body: bytes = b"stored") -> StoredResponse:
    now = time.time()
    return stored(body, tags=("*", "t"), born=cache.position, request_time=now, response_time=now)


async def until(holds: Callable[[], object], within_s: float = 8.0) -> None:
    """Another process tells us nothing, so this polls."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        await asyncio.sleep(0.01)


async def shared(cache: Cache, key: bytes = KEY) -> Found | NotServed:
    return await cache.find(key, time.time())


async def flushed(cache: Cache) -> None:
    await until(lambda: cache.status().queued_writes == 0)


async def keep(cache: Cache, body: bytes = b"stored", key: bytes = KEY) -> None:
    """Keep, and return once the shared store has it: a later job in the same lane is done."""
    assert cache.keep(key, answer(cache, body), time.time()) is None
    await flushed(cache)


async def arrives(cache: Cache, key: bytes = KEY) -> Found:
    """Found by another instance, as soon as it was written behind."""
    deadline = time.monotonic() + 5
    while not isinstance(found := await shared(cache, key), Found):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.01)
    return found


async def test_one_instance_finds_what_another_kept(server: RedisServer, make: Make) -> None:
    await server.start()
    one, two = await make(server), await make(server)
    await keep(one)
    assert (await arrives(two)).tier is Tier.SHARED
    assert two.peek(KEY, time.time()) is not None


async def test_one_started_later_judges_by_the_marks(server: RedisServer, make: Make) -> None:
    await server.start()
    one = await make(server)
    await keep(one)
    later = await make(server)
    await arrives(later)
    await one.invalidate([FACT], wait=True)
    newest = await make(server)
    assert await shared(newest) is NotServed.INVALIDATED


async def test_an_invalidation_reaches_the_others(server: RedisServer, make: Make) -> None:
    await server.start()
    one, two = await make(server), await make(server)
    await keep(one)
    await arrives(two)
    position = await one.invalidate([FACT], wait=True)
    assert not is_local(position)
    assert one.peek(KEY, time.time()) is None
    assert two.peek(KEY, time.time()) is None
    assert await shared(two) is NotServed.INVALIDATED


async def test_without_redis_it_starts_and_takes_it_up(server: RedisServer, make: Make) -> None:
    cache = await make(server, max_lag=float("inf"))
    assert not cache.status().online
    assert cache.keep(KEY, answer(cache), time.time()) is None
    assert cache.peek(KEY, time.time()) is not None
    assert await shared(cache, OTHER) is NotServed.STORE_DOWN
    await server.start()
    await until(lambda: cache.status().online)
    await keep(cache)
    await arrives(await make(server))


async def test_a_fact_stated_while_redis_is_away_is_appended(
    server: RedisServer, tmp_path: Path, make: Make
) -> None:
    del tmp_path
    await server.start()
    one, two = await make(server), await make(server)
    await keep(one)
    await arrives(two)
    server.pause()
    with pytest.raises(StoreError, match="out of reach"):
        await one.invalidate([FACT], wait=True)
    assert one.peek(KEY, time.time()) is None
    assert one.status().pending_facts == 1
    server.resume()
    await until(lambda: one.status().online and two.peek(KEY, time.time()) is None)
    assert one.status().pending_facts == 0
    assert await shared(two) in {NotServed.INVALIDATED, NotServed.STORE_DOWN, NotServed.UNPROVEN}


async def test_while_redis_is_stalled_a_look_up_costs_a_deadline_then_nothing(
    server: RedisServer, make: Make
) -> None:
    await server.start()
    cache = await make(server)
    server.pause()
    costs = []
    for number in range(10):
        started = time.perf_counter()
        assert await shared(cache, bytes([number]) * 32) is NotServed.STORE_DOWN
        costs.append(time.perf_counter() - started)
    assert max(costs) < 0.2
    assert max(costs[-3:]) < 0.01
    server.resume()
    await until(lambda: cache.status().online)


async def test_memory_is_not_served_longer_than_max_lag_alone(
    server: RedisServer, make: Make
) -> None:
    await server.start()
    cache = await make(server, max_lag=0.4)
    await keep(cache)
    server.kill()
    await until(lambda: not cache.status().trusted, 3)
    assert cache.peek(KEY, time.time()) is None
    assert not isinstance(await shared(cache), Found)


async def test_killed_without_a_file_everything_is_new(server: RedisServer, make: Make) -> None:
    await server.start()
    cache = await make(server)
    await keep(cache)
    epoch = cache.status().epoch
    server.kill()
    await server.start()
    await until(lambda: cache.status().online and cache.status().epoch != epoch)
    assert await shared(cache) is NotServed.ABSENT
    await keep(cache)
    await arrives(await make(server))


async def test_killed_with_an_append_only_file_nothing_is_lost(tmp_path: Path, make: Make) -> None:
    server = RedisServer(tmp_path / "redis", *AOF)
    try:
        await server.start()
        cache = await make(server)
        await keep(cache)
        await arrives(await make(server))
        epoch = cache.status().epoch
        server.kill()
        await until(lambda: not cache.status().online)
        await server.start()
        await until(lambda: cache.status().online)
        assert cache.status().epoch == epoch
        assert (await arrives(await make(server))).entry.tags == ("*", "t")
    finally:
        server.close()


async def test_back_from_an_old_snapshot_nothing_dead_is_alive(tmp_path: Path, make: Make) -> None:
    server = RedisServer(tmp_path / "redis", "--dbfilename old.rdb")
    try:
        await server.start()
        cache = await make(server)
        await keep(cache)
        await arrives(await make(server))
        server.ask("SAVE")
        await cache.invalidate([FACT])
        server.kill()
        await server.start()
        assert server.ask("KEYS", "larder:*:e:*"), "the entry is back"
        await until(lambda: cache.status().online)
        assert await shared(cache) is NotServed.ABSENT
        assert await shared(await make(server)) is NotServed.ABSENT
    finally:
        server.close()


async def test_flushed_under_way(server: RedisServer, make: Make) -> None:
    await server.start()
    one, two = await make(server), await make(server)
    await keep(one)
    await arrives(two)
    epoch = one.status().epoch
    server.ask("FLUSHALL")
    await one.invalidate([FACT])
    assert one.peek(KEY, time.time()) is None
    await until(lambda: one.status().online and two.status().online)
    await until(lambda: epoch != one.status().epoch == two.status().epoch)
    assert two.peek(KEY, time.time()) is None


async def test_an_evicted_mark_does_not_revive(server: RedisServer, make: Make) -> None:
    await server.start()
    one = await make(server)
    await keep(one)
    await arrives(await make(server))
    await one.invalidate([FACT])
    for mark in server.ask("KEYS", "larder:*:m:*"):  # type: ignore[attr-defined]  # a list
        server.ask("DEL", mark)
    await keep(one, b"new", OTHER)
    newest = await make(server)
    assert (await arrives(newest, OTHER)).entry.tags == ("*", "t")
    assert await shared(newest) is NotServed.INVALIDATED


async def test_a_full_redis_still_takes_invalidations(server: RedisServer, make: Make) -> None:
    await server.start()
    one, two = await make(server), await make(server)
    await keep(one)
    await arrives(two)
    server.ask("CONFIG", "SET", "maxmemory", "1mb")
    dropped = one.status().dropped_writes
    assert one.keep(OTHER, answer(one), time.time()) is None
    await until(lambda: one.status().dropped_writes > dropped)
    assert not is_local(await one.invalidate([FACT], wait=True))
    assert two.peek(KEY, time.time()) is None


async def test_no_password_in_what_it_says(server: RedisServer) -> None:
    store = RedisStore(f"redis://user:secret@127.0.0.1:{server.port}/0")
    assert store.name == f"redis://127.0.0.1:{server.port}/0"
    with pytest.raises(StoreError) as caught:
        await store.open((0, 0))
    assert "secret" not in str(caught.value)
    await store.close()
