"""A delayed invalidation while Redis is away: kept on the disk, passed on when it is back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.flow.tasks import spawn
from proxy.store.base import Fact, FactKind
from proxy.store.cache import Cache
from proxy.store.delayed import SPACE, Delayed
from proxy.store.kept_file import KeptFile
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from tests.support.build import stored
from tests.support.clock import NOW, ManualClock
from tests.support.larder import until
from tests.support.redis_server import RedisServer

KEY = b"k" * 32
FACT = Fact(FactKind.TAG, "t")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    made = RedisServer(tmp_path / "redis")
    await made.start()
    yield made
    made.close()


async def begun(server: RedisServer) -> Cache:
    cache = Cache(MemoryStore(max_size=1 << 24), RedisStore(server.url), spawn=spawn)
    await cache.start()
    await online(cache)
    return cache


async def online(cache: Cache) -> None:
    await until(lambda: cache.status().online)


async def test_it_is_kept_until_redis_is_back_and_then_every_instance_knows(
    server: RedisServer, clock: ManualClock, tmp_path: Path
) -> None:
    """1. Redis dies.  2. A write is to be felt in 30 s.  3. Redis is back.  4. It is felt."""
    one, two = await begun(server), await begun(server)
    folder = tmp_path / "var"
    told = Delayed(one, clock, spawn=spawn, file=KeptFile(folder, "delayed", server.url))
    other = Delayed(two, clock, spawn=spawn)
    server.kill()
    await told.add([FACT], 30)
    assert len(list(folder.glob("*.facts"))) == 1
    await server.start()
    await online(one)
    await online(two)

    async def passed_on() -> bool:
        await told.step()
        return len([key async for key, _ in one.notes.list(SPACE)]) == 1

    await until(passed_on)
    assert list(folder.iterdir()) == []
    entry = stored(tags=("*", "t"), born=two.position, lifetime=1e6)
    assert two.keep(KEY, entry, NOW) is None
    clock.advance(29)
    await other.step()
    assert two.peek(KEY, NOW) is not None
    clock.advance(1)
    await other.step()
    assert two.peek(KEY, NOW) is None
    assert await told.close() == await other.close() == 0
    for cache in (one, two):
        await cache.close()
