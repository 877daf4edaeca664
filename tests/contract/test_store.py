"""One body over every store: memory, SQLite, Redis, both tiers, and both with the far one down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import CorruptEntryError, StoreError
from proxy.flow.tasks import spawn
from proxy.messages import Stored, StoredResponse, Variants
from proxy.store.base import Found, Record, Store
from proxy.store.cache import Cache
from proxy.store.entry_info import EntryInfo, EntryKind
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.sqlite import SqliteStore
from tests.support.build import stored
from tests.support.clock import ManualClock
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer

KEY, OTHER = b"k" * 32, b"o" * 32
KINDS = ("memory", "sqlite", "redis", "tiered", "tiered-down")
SHARED = ("sqlite", "redis")


class TieredStore:
    """A cache as a store: what the contract says holds for both tiers together, too."""

    def __init__(self, cache: Cache, clock: ManualClock) -> None:
        self.cache = cache
        self.clock = clock

    async def get(self, key: bytes) -> Record | None:
        found = await self.cache.find(key, self.clock())
        return Record(found.entry) if isinstance(found, Found) else None

    async def put(self, key: bytes, record: Record) -> None:
        entry = replace(record.entry, born=self.cache.position)
        assert self.cache.keep(key, entry, self.clock()) is None

    async def delete(self, key: bytes) -> bool:
        there = await self.get(key) is not None
        await self.cache.forget(key)
        return there

    def scan(self) -> AsyncIterator[EntryInfo]:
        return self.cache.scan(now=self.clock())

    async def close(self) -> None:
        await self.cache.close()


@pytest.fixture
def clock() -> ManualClock:
    # Redis drops by its own clock, so the test's stands where the server's does.
    return ManualClock(time.time())


@pytest.fixture(params=KINDS)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Store]:
    made = await make(request, tmp_path, clock)
    yield made
    await made.close()


@pytest.fixture(params=SHARED)
async def shared(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[SqliteStore | RedisStore]:
    made = await make(request, tmp_path, clock)
    assert isinstance(made, SqliteStore | RedisStore)
    yield made
    await made.close()


async def make(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Store:
    memory = MemoryStore(max_size=64 << 20, clock=clock)
    file = tmp_path / "cache" / "entries.db"
    match request.param:
        case "memory":
            return memory
        case "sqlite":
            sqlite = SqliteStore(file, clock=clock)
            await sqlite.open((0, 0))
            return sqlite
        case "redis":
            server = RedisServer(tmp_path / "redis")
            request.addfinalizer(server.close)
            await server.start()
            made = RedisStore(server.url, clock=clock, deadline_s=5.0)
            await made.open((0, 0))
            return made
        case "tiered":
            cache = Cache(memory, SqliteStore(file, clock=clock), spawn=spawn)
        case _:
            down = RedisStore(f"redis://127.0.0.1:{free_port()}/0", clock=clock)
            cache = Cache(memory, down, spawn=spawn, max_lag=float("inf"))
    await cache.start()
    return TieredStore(cache, clock)


def entry(clock: ManualClock, body: bytes = b"stored", **changes: object) -> StoredResponse:
    times = {"request_time": clock(), "response_time": clock(), "lifetime": 60.0}
    return stored(body, **{**times, **changes})  # type: ignore[arg-type]  # rows name any field


async def got(store: Store, key: bytes = KEY) -> Stored | None:
    record = await store.get(key)
    return None if record is None else replace(record.entry, born=(0, 0))


VALUES = [
    pytest.param({"body": b""}, id="empty"),
    pytest.param({"body": bytes(range(256)) * 20_480}, id="5 MiB"),
    pytest.param({"body": b"\x00\xff\xfe\r\n", "status": 404, "reason": "no"}, id="bytes"),
    pytest.param({"fields": [("X-A", "caf\xe9"), ("x-a", "2")], "url": "/a?b=\xff"}, id="latin-1"),
    pytest.param(
        {"tags": ("*", "\u65e5\u672c", "\ud800"), "head": "\u2603", "keep": 3600.0}, id="tags"
    ),
]


@pytest.mark.parametrize("changes", VALUES)
async def test_what_goes_in_comes_out(
    store: Store, clock: ManualClock, changes: dict[str, object]
) -> None:
    kept = entry(clock, **changes)  # type: ignore[arg-type]  # rows name any field
    await store.put(KEY, Record(kept))
    assert await got(store) == kept


async def test_variants(store: Store, clock: ManualClock) -> None:
    kept = Variants(names=("accept",), expires_at=clock() + 60, tags=("*",), url="/", route="r")
    await store.put(KEY, Record(kept))
    assert await got(store) == kept


async def test_a_miss_is_none(store: Store) -> None:
    assert await store.get(KEY) is None


async def test_a_second_value_replaces_the_first(store: Store, clock: ManualClock) -> None:
    await store.put(KEY, Record(entry(clock, b"one")))
    await store.put(KEY, Record(entry(clock, b"two")))
    assert await got(store) == entry(clock, b"two")


async def test_delete(store: Store, clock: ManualClock) -> None:
    await store.put(KEY, Record(entry(clock)))
    assert await store.delete(KEY)
    assert await store.get(KEY) is None
    assert not await store.delete(KEY)


async def test_what_has_expired_is_a_miss(store: Store, clock: ManualClock) -> None:
    await store.put(KEY, Record(entry(clock, lifetime=0.001)))
    await store.put(OTHER, Record(entry(clock, lifetime=0.0, keep=60.0)))
    clock.advance(0.002)
    if isinstance(store, RedisStore):
        # Redis has no clock of ours; its own moves past a millisecond while it is asked.
        while await store.get(KEY) is not None:  # noqa: ASYNC110  it has no event for us
            await asyncio.sleep(0)
    assert await store.get(KEY) is None
    assert await store.get(OTHER) is not None
    assert [listed.key async for listed in store.scan()] == [OTHER]


async def test_scan_tells_all_but_the_body(store: Store, clock: ManualClock) -> None:
    kept = entry(clock, b"x" * 5000, tags=("*", "t"), route="r", url="/u", head="h")
    many_tags = entry(clock, tags=tuple(f"tag {number:060}" for number in range(500)))
    await store.put(KEY, Record(kept))
    await store.put(OTHER, Record(many_tags))
    listed = {found.key: found async for found in store.scan()}
    assert set(listed) == {KEY, OTHER}
    found = listed[KEY]
    assert (found.tags, found.route, found.url, found.head) == (("*", "t"), "r", "/u", "h")
    assert (found.body_bytes, found.status, found.kind) == (5000, 200, EntryKind.RESPONSE)
    assert found.expires_at == pytest.approx(kept.expires_at)
    assert len(listed[OTHER].tags) == 500


async def test_scan_of_many(store: Store, clock: ManualClock) -> None:
    keys = {number.to_bytes(32, "big") for number in range(700)}
    for key in keys:
        await store.put(key, Record(entry(clock)))
    assert {listed.key async for listed in store.scan()} == keys


@pytest.mark.parametrize(
    "data", [b"", b"LRDR", b"not ours", b"LRDR\xff" + bytes(40), b"LRDR\x01" + bytes(40)]
)
async def test_corrupt_bytes_are_an_error_and_not_listed(
    shared: SqliteStore | RedisStore, clock: ManualClock, data: bytes
) -> None:
    await shared.put_bytes(KEY, data, clock() + 60)
    with pytest.raises(CorruptEntryError):
        await shared.get(KEY)
    assert [listed async for listed in shared.scan()] == []
    assert await shared.delete(KEY)


async def test_an_entry_of_another_epoch_is_refused(
    shared: SqliteStore | RedisStore, clock: ManualClock
) -> None:
    with pytest.raises(StoreError):
        await shared.put(KEY, Record(entry(clock), epoch="another"))
    assert await shared.get(KEY) is None
