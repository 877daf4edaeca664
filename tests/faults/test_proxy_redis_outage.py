"""Redis killed, then stalled, under load: no request fails, none is slow, the tier returns.

Issue 2, «It must show» 5: with the shared store gone or silent, p99 of added latency stays
under 100 ms, and the tier is taken up again by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import Answer, answer
from tests.support.http import Client
from tests.support.larder import Larder, rules_text, serving, together, until
from tests.support.origin import Origin, Received
from tests.support.redis_server import RedisServer

CLIENTS = 8
P99_S = 0.100
ROUTES = '- {name: things, match: "GET /things/{id}", ttl: 1h, tags: ["thing:{path.id}"]}'


@dataclass(slots=True)
class Load:
    """What a crowd of clients saw: wrong answers, and how long each request took."""

    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    turns: int = 0

    @property
    def p99(self) -> float:
        """Seconds of the slowest request but for one in a hundred."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]

    async def run(self, proxy: Larder, number: int) -> None:
        """Ask for things, some again and some new, until told to stop."""
        async with Client(proxy.app.proxy_url) as client:
            turn = 0
            while not self.stop.is_set():
                turn += 1
                name = f"{number}-{turn // 3}"
                began = time.perf_counter()
                got = await client.get(f"/db/things/{name}")
                self.seconds.append(time.perf_counter() - began)
                self.turns += 1
                if (got.status, got.body) != (200, f"thing /things/{name}".encode()):
                    self.wrong.append(f"{got.status} {got.body[:60]!r}")
                await asyncio.sleep(0)

    async def progressed(self, count: int) -> None:
        """Return once so many more requests are through."""
        target = self.turns + count
        await until(lambda: self.turns >= target)


def thing(request: Received) -> Answer:
    return answer(f"thing {request.target}")


@pytest.fixture
async def redis_server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    await server.start()
    yield server
    server.close()


@pytest.fixture
async def proxy(origin: Origin, redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Larder]:
    origin.handler = thing
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(ROUTES, shared=redis_server.url))
    async with serving(rules, {"ORIGIN": origin.url}) as running:
        yield running


async def up(proxy: Larder) -> bool:
    return await proxy.metric("larder_shared_store_up") == 1


async def shared_again(proxy: Larder, redis_server: RedisServer) -> None:
    """Redis is followed, and takes what is stored from now on."""

    async def is_up() -> bool:
        return await up(proxy)

    await until(is_up, 15)
    size: Any = redis_server.ask("DBSIZE")
    await proxy.get(f"/db/things/after-the-outage-{proxy.app.proxy_url[-5:]}")

    async def taken() -> bool:
        now: Any = redis_server.ask("DBSIZE")
        return bool(now > size)

    await until(taken)


async def outage(proxy: Larder, redis_server: RedisServer, fault: str) -> Load:
    """Load before, during and after the fault; Redis is back when it returns."""
    load = Load()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(load.run(proxy, number))
        await load.progressed(200)
        if fault == "killed":
            redis_server.kill()
        else:
            redis_server.pause()
        began = time.monotonic()
        await until(lambda: time.monotonic() - began > 3.0)
        await load.progressed(200)
        if fault == "killed":
            await redis_server.start()
        else:
            redis_server.resume()
        await load.progressed(200)
        load.stop.set()
    return load


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", ["killed", "stalled"])
async def test_nobody_notices_but_the_hit_rate(
    proxy: Larder, redis_server: RedisServer, fault: str
) -> None:
    load = await outage(proxy, redis_server, fault)
    assert load.wrong == []
    assert load.p99 < P99_S
    assert max(load.seconds) < 1.0
    await shared_again(proxy, redis_server)


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_it_starts_without_redis_and_takes_it_up_when_it_comes(
    origin: Origin, tmp_path: Path
) -> None:
    server = RedisServer(tmp_path / "redis")
    origin.handler = thing
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(ROUTES, shared=server.url))
    async with serving(rules, {"ORIGIN": origin.url}) as proxy:
        assert (await proxy.get("/db/things/1")).status == 200
        assert (await proxy.manage("GET", "/health/ready")).status == 200
        assert not await up(proxy)
        await server.start()
        try:
            await shared_again(proxy, server)
        finally:
            server.close()


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("fault", ["killed", "stalled"])
async def test_a_purge_during_the_outage_holds_and_is_told_to_the_others_afterwards(
    origin: Origin, redis_server: RedisServer, tmp_path: Path, fault: str
) -> None:
    """One acknowledged while Redis is gone; the other instance learns of it when it is back."""
    origin.handler = thing
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(ROUTES, shared=redis_server.url))
    async with together() as enter:
        proxy, other = [await enter(serving(rules, {"ORIGIN": origin.url})) for _ in range(2)]
        await proxy.get("/db/things/1")
        await proxy.written(1)
        assert [(await other.get("/db/things/1"))["X-Cache"] for _ in range(2)] == ["HIT", "HIT"]
        if fault == "killed":
            redis_server.kill()
        else:
            redis_server.pause()
        origin.handler = lambda _: answer("new")
        await proxy.purge(tags=["thing:1"])
        assert (await proxy.get("/db/things/1")).body == b"new"
        if fault == "killed":
            await redis_server.start()
        else:
            redis_server.resume()
        for each in (proxy, other):
            await shared_again(each, redis_server)

        async def learnt() -> bool:
            return (await other.get("/db/things/1")).body == b"new"

        await until(learnt)
        assert await proxy.metric("larder_pending_invalidations") == 0
        assert [(await each.get("/db/things/1")).body for each in (proxy, other)] == [b"new"] * 2
