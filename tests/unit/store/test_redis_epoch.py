from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from proxy.messages import START
from proxy.store.redis import RedisStore
from proxy.store.redis_epoch import kept_everything
from tests.support.redis_server import RedisServer
from tests.unit.store.real_redis import joined

ROWS = [
    pytest.param("1", "0" * 40, True, id="append-only file, never promoted"),
    pytest.param("0", "0" * 40, False, id="no file: what it acknowledged may be gone"),
    pytest.param("1", "a" * 40, False, id="promoted: the master's last words may be gone"),
]


@pytest.mark.parametrize(("aof", "replid", "kept"), ROWS)
def test_who_kept_everything(aof: str, replid: str, kept: bool) -> None:
    assert kept_everything({"aof_enabled": aof, "master_replid2": replid}) is kept


async def test_many_that_begin_at_once_agree(tmp_path: Path) -> None:
    with closing(RedisServer(tmp_path / "redis")) as server:
        await server.start()
        stores = [RedisStore(server.url, deadline_s=5.0) for _ in range(8)]
        opened = await asyncio.gather(*(store.open(START) for store in stores))
        assert len(set(opened)) == 1
        for store in stores:
            await store.close()


async def test_a_new_journal_is_later_than_its_floor(tmp_path: Path) -> None:
    async with joined(tmp_path) as (server, store):
        end = (await store.open(START)).end
        server.ask("FLUSHALL")
        floor = (end[0] + 3_600_000, 5)
        assert (await store.open(floor)).end > floor


async def test_restarted_without_a_file_it_is_another_epoch(tmp_path: Path) -> None:
    async with joined(tmp_path) as (server, store):
        before = await store.open(START)
        server.kill()
        await server.start()
        after = await store.open(before.end)
        assert after.epoch != before.epoch
        assert after.end > before.end


async def test_restarted_with_its_file_it_is_the_same(tmp_path: Path) -> None:
    async with joined(tmp_path, "--appendonly yes", "--appendfsync always") as (server, store):
        position = await store.append([])
        before = await store.open(START)
        server.kill()
        await server.start()
        assert await store.open(START) == before
        assert before.end == position
