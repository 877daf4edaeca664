"""The Lua, each script by itself in a real Redis: what is atomic must be right at the edges."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis.exceptions

from proxy.store import redis_scripts as lua
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.slow


@pytest.fixture
async def server(tmp_path: Path) -> Any:
    with closing(RedisServer(tmp_path / "redis")) as made:
        await made.start()
        yield made


def run(server: RedisServer, script: str, key: str, *arguments: object) -> Any:
    return server.ask("EVAL", script, "1", key, *map(str, arguments))


RAISES = [
    pytest.param("5-9", "hard", b"1 5-9 0-0", id="first"),
    pytest.param("5-10", "hard", b"1 5-10 0-0", id="sequences are numbers, not text"),
    pytest.param("10-0", "hard", b"1 10-0 0-0", id="milliseconds are numbers, not text"),
    pytest.param("9-99", "hard", b"1 10-0 0-0", id="never lowered"),
    pytest.param("11-0", "soft", b"1 10-0 11-0", id="soft by itself"),
    pytest.param(
        "1800000000001-1", "hard", b"1 1800000000001-1 11-0", id="as large as they really are"
    ),
]


async def test_raising(server: RedisServer) -> None:
    for row in RAISES:
        position, kind, mark = row.values
        assert run(server, lua.RAISE, "m", 1, position, kind, 60_000) == 1
        assert server.ask("GET", "m") == mark, row.id


async def test_reaching_makes_it_once_and_never_shortens_its_life(server: RedisServer) -> None:
    assert run(server, lua.REACH, "m", 7, 90_000) == b"7 0-0 0-0"
    assert run(server, lua.REACH, "m", 8, 1_000) == b"7 0-0 0-0"
    life: Any = server.ask("PTTL", "m")
    assert life > 80_000
    run(server, lua.REACH, "m", 8, 900_000)
    life = server.ask("PTTL", "m")
    assert life > 800_000


async def test_appending_names_the_one_before_and_never_makes_the_journal(
    server: RedisServer,
) -> None:
    assert run(server, lua.APPEND, "j", "f", "0-0", 3600, 1000) is None
    assert server.ask("EXISTS", "j") == 0
    ahead = int(time.time() * 1000) + 3_600_000
    server.ask("XADD", "j", f"{ahead}-0", "p", "0-0", "f", "f")
    first = run(server, lua.APPEND, "j", "f", "0-0", 3600, 1000)
    assert first == f"{ahead}-1".encode(), "a clock behind the last record does not go back"
    later = run(server, lua.APPEND, "j", "f", f"{ahead + 5}-3", 3600, 1000)
    assert later == f"{ahead + 6}-0".encode()
    records: Any = server.ask("XRANGE", "j", "-", "+")
    assert [fields[b"p"] for _, fields in records] == [b"0-0", f"{ahead}-0".encode(), first]


async def test_a_purge_of_all_ends_the_prefixes_before_it(server: RedisServer) -> None:
    server.ask("HSET", "w", "", "0-0")
    run(server, lua.WIDEN, "w", "5-0", "a", "b")
    run(server, lua.WIDEN, "w", "7-0", "b")
    run(server, lua.WIDEN, "w", "6-0", "b")
    run(server, lua.WIDEN, "w", "6-0")
    assert server.ask("HGETALL", "w") == {b"": b"0-0", b"b": b"7-0"}


async def test_leases_end(server: RedisServer) -> None:
    run(server, lua.BEAT, "l", "a", "T", "5-0", 60_000)
    run(server, lua.BEAT, "l", "other-journal", "U", "9-0", 60_000)
    run(server, lua.BEAT, "l", "over", "T", "1-0", -1000)
    assert run(server, lua.BEHIND, "l", "T", "5-0") == [b"other-journal"]
    assert run(server, lua.BEHIND, "l", "T", "5-1") == [b"a", b"other-journal"]
    run(server, lua.BEAT, "l", "a", "T", "5-1", 60_000)
    assert server.ask("HEXISTS", "l", "over") == 0


async def test_the_second_to_begin_an_epoch_takes_the_first_ones(server: RedisServer) -> None:
    assert run(server, lua.REPLACE, "e", "", "one run") == b"one run"
    assert run(server, lua.REPLACE, "e", "", "two run") == b"one run"
    assert run(server, lua.REPLACE, "e", "one run", "two run") == b"two run"


async def test_a_note_is_swapped_for_what_it_is_only(server: RedisServer) -> None:
    assert run(server, lua.NOTE_CLAIM, "n", "one", 90_000) is None
    assert run(server, lua.NOTE_CLAIM, "n", "two", 1_000) == b"one"
    life: Any = server.ask("PTTL", "n")
    assert life > 80_000, "a claim in vain leaves the life as it is"
    assert run(server, lua.NOTE_REPLACE, "n", "two", "three", 1_000) == 0
    assert run(server, lua.NOTE_REPLACE, "n", "one", "three", 500_000) == 1
    life = server.ask("PTTL", "n")
    assert life > 400_000
    assert run(server, lua.NOTE_REPLACE, "n", "three") == 1
    assert server.ask("EXISTS", "n") == 0


ADDITIONS = [
    pytest.param("9007199254740991", "1", b"9007199254740992", id="integers are exact"),
    pytest.param("0.1", "0.2", b"0.3", id="fractions"),
    pytest.param("1e-7", "2.5e-07", b"0.00000035", id="the price of a token"),
    pytest.param("-3", "1", b"-2", id="negative"),
]


@pytest.mark.parametrize(("one", "other", "total"), ADDITIONS)
async def test_adding(server: RedisServer, one: str, other: str, total: bytes) -> None:
    run(server, lua.NOTE_ADD, "c", "", "f", one, "g", 5)
    life: Any = server.ask("PTTL", "c")
    assert life == -1
    assert run(server, lua.NOTE_ADD, "c", 90_000, "f", other) == [total]
    life = server.ask("PTTL", "c")
    assert 80_000 < life <= 90_000
    run(server, lua.NOTE_ADD, "c", "", "f", 0)
    life = server.ask("PTTL", "c")
    assert life > 80_000, "without a life it stays as it is"


async def test_the_index_names_a_note_for_as_long_as_it_may_be_there(server: RedisServer) -> None:
    now_ms = time.time() * 1000
    run(server, lua.NOTE_INDEX, "i", "a", 500_000)
    run(server, lua.NOTE_INDEX, "i", "a", 1_000)
    ends: Any = server.ask("ZSCORE", "i", "a")
    assert ends > now_ms + 500_000
    run(server, lua.NOTE_INDEX, "i", "b", "")
    run(server, lua.NOTE_UNINDEX, "i", "a")
    assert server.ask("ZSCORE", "i", "a") == ends
    run(server, lua.NOTE_UNINDEX, "i", "b")
    ends = server.ask("ZSCORE", "i", "b")
    assert now_ms + 86_000_000 < ends < now_ms + 90_000_000
    run(server, lua.NOTE_UNINDEX, "i", "never there")
    server.ask("ZADD", "i", "1", "ended")
    run(server, lua.NOTE_INDEX, "i", "c", "")
    assert server.ask("ZRANGE", "i", "0", "-1") == [b"a", b"b", b"c"]


FULL = [
    pytest.param(lua.APPEND, "j", ("f", "0-0", 3600, 1000), True, id="append"),
    pytest.param(lua.RAISE, "m", (1, "5-0", "hard", 1000), True, id="raise"),
    pytest.param(lua.WIDEN, "w", ("5-0", "a"), True, id="widen"),
    pytest.param(lua.BEAT, "l", ("a", "T", "5-0", 1000), True, id="beat"),
    pytest.param(lua.REACH, "n", (1, 1000), False, id="reach, which is for a write"),
    pytest.param(lua.NOTE_REPLACE, "o", ("held",), True, id="a claim given back"),
    pytest.param(lua.NOTE_UNINDEX, "i", ("k",), True, id="a note removed"),
    pytest.param(lua.NOTE_CLAIM, "o", ("v", 1000), False, id="a claim"),
    pytest.param(lua.NOTE_ADD, "c", ("", "f", 1), False, id="counters"),
    pytest.param(lua.NOTE_INDEX, "i", ("k", ""), False, id="the index of notes"),
]


@pytest.mark.parametrize(("script", "key", "arguments", "allowed"), FULL)
async def test_a_full_redis_takes_what_states_an_invalidation(
    server: RedisServer, script: str, key: str, arguments: tuple[object, ...], allowed: bool
) -> None:
    server.ask("XADD", "j", "1-0", "p", "0-0", "f", "f")
    server.ask("CONFIG", "SET", "maxmemory", "1")
    if allowed:
        assert run(server, script, key, *arguments) is not None
    else:
        with pytest.raises(redis.exceptions.ResponseError, match="maxmemory"):
            run(server, script, key, *arguments)
