"""A Redis of the test's own, and a store joined to it: for the tests of the Redis store's parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from proxy.messages import START
from proxy.store.redis import RedisStore
from tests.support.redis_server import RedisServer


@asynccontextmanager
async def joined(folder: Path, *options: str) -> AsyncIterator[tuple[RedisServer, RedisStore]]:
    """Both, running; the store has opened its journal."""
    with closing(RedisServer(folder / "redis", *options)) as server:
        await server.start()
        store = RedisStore(server.url, deadline_s=5.0)
        await store.open(START)
        yield server, store
        await store.close()
