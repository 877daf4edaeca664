"""`dedupe` while Redis is down or silent: what the rule says, and never twice from one instance.

The store is told of a claim before anything goes up, so an outage is met at the worst moment:
before, and between the send and its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.behaviour.test_dedupe import KEYED, counted, send
from tests.support.answers import answer
from tests.support.larder import Larder, rules_text, serving, together, until, x_cache
from tests.support.origin import Origin
from tests.support.redis_server import RedisServer

WITHIN_S = 15.0


@pytest.fixture
async def redis_server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(tmp_path / "redis", "--appendonly yes")
    await server.start()
    yield server
    server.close()


@pytest.fixture
async def proxies(
    origin: Origin, redis_server: RedisServer, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[list[Larder]]:
    """Two instances; the parameter is `when_store_down`."""
    rules = tmp_path / "rules.yaml"
    routes = KEYED % f"{{window: 10m, when_store_down: {request.param}}}"
    rules.write_text(rules_text(routes, shared=redis_server.url))
    async with together() as enter:
        yield [await enter(serving(rules, {"ORIGIN": origin.url})) for _ in range(2)]


def fail(server: RedisServer, fault: str) -> None:
    if fault == "killed":
        server.kill()
    else:
        server.pause()


@pytest.mark.parametrize("fault", ["killed", "stalled"])
@pytest.mark.parametrize("proxies", ["forward"], indirect=True)
async def test_forward_sends_it_once_from_each_instance(
    proxies: list[Larder], origin: Origin, redis_server: RedisServer, fault: str
) -> None:
    fail(redis_server, fault)
    counted(origin)
    got = [await send(proxy) for proxy in (*proxies, *proxies)]
    assert [each.json()["id"] for each in got] == [1, 2, 1, 2]
    assert x_cache(*got) == ["MISS", "MISS", "HIT", "HIT"]
    assert await proxies[0].metric("larder_reasons_total", route="sms", reason="store-down") == 1


@pytest.mark.parametrize("fault", ["killed", "stalled"])
@pytest.mark.parametrize("proxies", ["forward"], indirect=True)
async def test_forward_sends_many_at_once_only_once(
    proxies: list[Larder], origin: Origin, redis_server: RedisServer, fault: str
) -> None:
    fail(redis_server, fault)
    counted(origin)
    got = await asyncio.gather(*(send(proxies[0]) for _ in range(20)))
    assert {each.body for each in got} == {b'{"id":1}'}
    assert len(origin.requests) == 1


@pytest.mark.parametrize("fault", ["killed", "stalled"])
@pytest.mark.parametrize("proxies", ["refuse"], indirect=True)
async def test_refuse_sends_nothing(
    proxies: list[Larder], origin: Origin, redis_server: RedisServer, fault: str
) -> None:
    counted(origin)
    await send(proxies[0])
    fail(redis_server, fault)
    for body in ({"lead": 7, "template": "hello"}, {"lead": 8, "template": "hello"}):
        got = await send(proxies[1], body)
        assert (got.status, got.json()["reason"]) == (503, "dedupe-down")
        assert int(got["Retry-After"]) > 0
    assert len(origin.requests) == 1


@pytest.mark.parametrize("proxies", ["refuse"], indirect=True)
async def test_what_was_refused_may_be_sent_when_the_store_is_back(
    proxies: list[Larder], origin: Origin, redis_server: RedisServer
) -> None:
    """A claim whose answer was lost must not say for ever that it was sent.

    1. SET NX goes out; 2. Redis is silent, so nobody learns whether it holds; 3. the client gets
    503; 4. Redis wakes and carries it out; 5. what gives it back comes behind it.
    """
    counted(origin)
    redis_server.pause()
    assert (await send(proxies[0])).status == 503
    redis_server.resume()

    async def sent() -> bool:
        return (await send(proxies[1])).status == 201

    await until(sent, WITHIN_S)
    assert len(origin.requests) == 1


@pytest.mark.parametrize("proxies", ["forward"], indirect=True)
async def test_what_the_store_did_not_learn_is_in_doubt_elsewhere_and_known_here(
    proxies: list[Larder], origin: Origin, redis_server: RedisServer
) -> None:
    """1. one claims; 2. it sends; 3. Redis falls silent; 4. the answer comes; 5. Redis is back."""
    held = asyncio.Event()
    origin.reply(answer(b"sent", 201, hold_head=held))
    first = asyncio.gather(send(proxies[0]))
    await origin.received(1)
    redis_server.pause()
    held.set()
    assert (await first)[0].status == 201
    redis_server.resume()
    assert (await send(proxies[0])).body == b"sent"
    assert len(origin.requests) == 1


@pytest.mark.parametrize("proxies", ["refuse"], indirect=True)
async def test_claims_outlive_a_redis_that_keeps_its_file(
    proxies: list[Larder], origin: Origin, redis_server: RedisServer
) -> None:
    counted(origin)
    await send(proxies[0])
    redis_server.kill()
    await redis_server.start()

    async def answered() -> bool:
        return (await send(proxies[1])).status == 201

    await until(answered, WITHIN_S)
    assert len(origin.requests) == 1
