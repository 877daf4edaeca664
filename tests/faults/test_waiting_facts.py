"""Invalidations that wait for Redis: a slow append, and the end of the process that waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.flow.tasks import spawn
from proxy.outcomes import NotServed
from proxy.store.base import Fact, FactKind, Found, is_local
from proxy.store.cache import Cache
from proxy.store.fact_file import FactFile
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from tests.support.build import stored
from tests.support.redis_server import RedisServer

KEY = b"k" * 32
FACT = Fact(FactKind.TAG, "t")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    made = RedisServer(tmp_path / "redis", "--appendonly yes", "--appendfsync always")
    await made.start()
    yield made
    made.close()


async def begun(server: RedisServer, folder: Path) -> Cache:
    """An instance with its waiting invalidations in `folder`."""
    cache = Cache(
        MemoryStore(max_size=1 << 24),
        RedisStore(server.url),
        spawn=spawn,
        fact_file=FactFile(folder, server.url),
    )
    await cache.start()
    return cache


async def shared(cache: Cache) -> None:
    """An answer under `t`, for every instance."""
    now = time.time()
    entry = stored(tags=("*", "t"), born=cache.position, request_time=now, response_time=now)
    assert cache.keep(KEY, entry, now) is None
    await until(lambda: cache.status().queued_writes == 0)
    await cache.forget(b"the lanes are done when this is")


async def found(cache: Cache) -> Found | NotServed:
    return await cache.find(KEY, time.time())


async def online(cache: Cache) -> None:
    await until(lambda: cache.status().online)


async def until(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    """Another process tells us nothing, so this polls."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        await asyncio.sleep(0.01)


async def test_an_append_that_takes_long_is_waited_for(server: RedisServer, tmp_path: Path) -> None:
    """A write can wait. Given up at once, the others would be stale for seconds."""
    cache = await begun(server, tmp_path / "var")
    await shared(cache)
    server.pause()
    stating = spawn(cache.invalidate([FACT]), "a write")
    for _ in range(8):  # look-ups fail meanwhile, and the breaker opens
        assert await cache.find(b"o" * 32, time.time()) is NotServed.STORE_DOWN
    assert cache.status().breaker_open
    more = spawn(cache.invalidate([FACT]), "a write behind an open breaker")
    await asyncio.sleep(0.05)
    server.resume()
    assert not is_local(await stating)
    assert not is_local(await more)
    assert (cache.status().online, cache.status().pending_facts) == (True, 0)
    await cache.close()


async def test_what_waited_at_the_end_of_a_process_kills_before_the_next_one_serves(
    server: RedisServer, tmp_path: Path
) -> None:
    """1. E is shared.  2. Redis dies.  3. `t` is stated.  4. The process ends.  5. Both return."""
    one, two = await begun(server, tmp_path / "one"), await begun(server, tmp_path / "two")
    await shared(one)
    assert isinstance(await found(two), Found)
    server.kill()
    assert is_local(await one.invalidate([FACT]))
    assert await one.close() == 0
    await server.start()
    again = await begun(server, tmp_path / "one")
    await online(again)
    assert await found(again) in {NotServed.INVALIDATED, NotServed.ABSENT}
    await online(two)
    assert two.peek(KEY, time.time()) is None
    assert not isinstance(await found(two), Found)
    assert list((tmp_path / "one").iterdir()) == [], "appended, so nothing waits any more"
    for cache in (again, two):
        await cache.close()
