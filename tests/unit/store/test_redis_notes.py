"""Notes in Redis beyond the contract: its index, its keys, and what others put there."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from proxy.errors import CorruptEntryError, StoreError
from proxy.store.notes import Notes
from tests.support.redis_server import RedisServer
from tests.unit.store.real_redis import joined

pytestmark = pytest.mark.slow

Redis = tuple[RedisServer, Notes]


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    async with joined(tmp_path) as (server, store):
        yield server, store.notes


async def listed(notes: Notes, space: str) -> dict[str, bytes]:
    return {key: value async for key, value in notes.list(space)}


async def test_redis_itself_ends_a_note(redis: Redis) -> None:
    server, notes = redis
    await notes.put("due", "k", b"v", 60)
    await notes.add("budget", "k", {"n": 1}, 60)
    await notes.add("ledger", "k", {"n": 1})
    for name, least, most in [("due", 50_000, 60_000), ("budget", 50_000, 60_000)]:
        life_ms = server.ask("PTTL", f"larder:n:{name}:k")
        assert isinstance(life_ms, int)
        assert least < life_ms <= most
    assert server.ask("PTTL", "larder:n:ledger:k") == -1


async def test_the_index_forgets_what_has_ended(redis: Redis) -> None:
    server, notes = redis
    await notes.put("due", "old", b"v", 60)
    server.ask("ZADD", "larder:i:due", "1", "old")
    await notes.put("due", "new", b"v", 60)
    assert server.ask("ZRANGE", "larder:i:due", "0", "-1") == [b"new"]


async def test_the_index_lasts_as_long_as_the_longest_life(redis: Redis) -> None:
    server, notes = redis
    await notes.put("due", "k", b"v", 1000)
    before = server.ask("ZSCORE", "larder:i:due", "k")
    await notes.put("due", "k", b"v", 1)
    assert server.ask("ZSCORE", "larder:i:due", "k") == before


async def test_a_deleted_counter_leaves_the_index_within_a_day(redis: Redis) -> None:
    server, notes = redis
    await notes.add("ledger", "k", {"n": 1})
    assert server.ask("ZSCORE", "larder:i:ledger", "k") == math.inf
    await notes.delete("ledger", "k")
    score = server.ask("ZSCORE", "larder:i:ledger", "k")
    assert isinstance(score, float)
    assert score < 1e15
    await notes.add("ledger", "k", {"n": 1})
    assert server.ask("ZSCORE", "larder:i:ledger", "k") == math.inf


LIST, INDEX = "LPUSH larder:n:due:k x", "SET larder:i:due x"


def adding(notes: Notes) -> Awaitable[object]:
    return notes.add("due", "k", {"m": 1, "n": 1})


FOREIGN = [
    pytest.param(LIST, lambda notes: notes.get("due", "k"), id="get"),
    pytest.param(LIST, lambda notes: notes.claim("due", "k", b"v", 60), id="claim"),
    pytest.param(LIST, lambda notes: notes.replace("due", "k", b"x", b"v", 60), id="replace"),
    pytest.param(LIST, adding, id="add"),
    pytest.param("HSET larder:n:due:k n abc", adding, id="word"),
    pytest.param("HSET larder:n:due:k n nan", adding, id="nan"),
    pytest.param("HSET larder:n:due:k n 1e", adding, id="half a number"),
    pytest.param(INDEX, lambda notes: notes.put("due", "k", b"v", 60), id="index"),
    pytest.param(INDEX, lambda notes: listed(notes, "due"), id="index listed"),
]


@pytest.mark.parametrize(("command", "operation"), FOREIGN)
async def test_what_is_no_note_is_damage_not_an_outage(
    redis: Redis, command: str, operation: Callable[[Notes], Awaitable[object]]
) -> None:
    server, notes = redis
    server.ask(*command.split())
    with pytest.raises(CorruptEntryError):
        await operation(notes)
    if server.ask("TYPE", "larder:n:due:k") == b"hash":
        assert server.ask("HGET", "larder:n:due:k", "m") is None, "a part was added"


async def test_a_listing_leaves_out_what_is_damaged(redis: Redis) -> None:
    server, notes = redis
    await notes.put("due", "good", b"v", 60)
    for name in ("list", "hash"):
        await notes.put("due", name, b"v", 60)
        server.ask("DEL", f"larder:n:due:{name}")
    server.ask("LPUSH", "larder:n:due:list", "x")
    server.ask("HSET", "larder:n:due:hash", "n", "no number")
    for amount in ("nan", "inf", "-1e999"):
        await notes.add("due", amount, {"n": 1})
        server.ask("HSET", f"larder:n:due:{amount}", "n", amount)
    server.ask("ZADD", "larder:i:due", "inf", b"\xff\xfe")
    assert await listed(notes, "due") == {"good": b"v"}
    assert [found async for found in notes.counters("due")] == []


async def test_a_refusal_does_not_show_the_value(redis: Redis) -> None:
    server, notes = redis
    server.ask("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreError) as refused:
        await notes.put("due", "a-key", b"a-value", 60)
    error: BaseException | None = refused.value
    while error is not None:
        assert "a-value" not in str(error)
        assert "a-key" not in str(error)
        error = error.__cause__ or error.__context__


async def test_a_claim_is_given_back_when_memory_is_full(redis: Redis) -> None:
    server, notes = redis
    assert await notes.claim("claim", "k", b"v", 60) is None
    server.ask("CONFIG", "SET", "maxmemory", "1")
    assert await notes.replace("claim", "k", b"v", None)
    assert not await notes.delete("claim", "k")
