"""The lanes while something is pending, and where what they learnt is no longer so.

See also test_relay_lane.py and test_far_lane.py, one lane each, and
tests/property/test_lane_equal.py, which compares a proxy with lanes to one without.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from proxy.edges.control import State
from tests.support.answers import Answer as Scripted
from tests.support.answers import answer
from tests.support.http import Connection, asked, request_bytes
from tests.support.larder import Larder, StartLarder, rules_text, serving, until
from tests.support.origin import Origin, Received
from tests.support.redis_server import RedisServer

OFF: Final = "- {name: all, ttl: off}"
FAR: Final = 'store: {{memory: {{max_size: 1MiB, max_object: 1B}}, shared: "{0}"}}\n'
"""Only the shared store keeps answers."""
SEEN: Final = 4
"""Requests after which the next of the kind is a lane's."""
FRESH: Final = ("Cache-Control", "max-age=60")
PEERS: Final = ("127.0.0.1", "127.0.0.2")


@asynccontextmanager
async def from_peer(proxy: Larder, peer: str) -> AsyncIterator[Connection]:
    """A client at this address."""
    at = urlsplit(proxy.app.proxy_url)
    client = Connection(*await asyncio.open_connection(at.hostname, at.port, local_addr=(peer, 0)))
    try:
        yield client
    finally:
        await client.close()


def reached(proxy: Larder) -> int:
    return proxy.app.readings().lanes["far"].answered


def echoed(got: Received) -> Scripted:
    """The same answer to each request for a target."""
    return answer(f"answer to {got.target}", fields=[FRESH])


# -- who asks


async def test_each_peer_is_told_of_as_itself(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda got: answer(got.fields.get("x-forwarded-for") or "")
    proxy = await larder(OFF)
    async with from_peer(proxy, PEERS[0]) as one, from_peer(proxy, PEERS[1]) as other:
        for _ in range(2 * SEEN):
            for client, peer in ((one, PEERS[0]), (other, PEERS[1])):
                assert (await asked(client)).body.decode() == peer
                claiming = await asked(client, fields={"X-Forwarded-For": "6.6.6.6"})
                assert claiming.body.decode() == peer
    assert proxy.app.readings().lanes["relay"].answered >= 4 * SEEN


# -- what is pending at the shared store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A store that can be made to wait."""
    server = RedisServer(tmp_path / "redis")
    await server.start()
    yield server
    server.close()


@asynccontextmanager
async def known(proxy: Larder, target: str = "/db/a") -> AsyncIterator[Connection]:
    """A client whose next equal request is the far lane's."""
    async with Connection.open(proxy.app.proxy_url) as client:
        await asked(client, 1, target)
        await proxy.written(1)
        await asked(client, SEEN, target)
        assert reached(proxy) > 0
        yield client


@asynccontextmanager
async def pending(proxy: Larder, store: RedisServer, client: Connection) -> AsyncIterator[None]:
    """The store does not answer the look-up that the client waits for, until the end of this."""
    store.pause()
    try:
        await client.ask("GET", "/db/a")
        await until(lambda: proxy.app.readings().in_flight == 1)
        yield
    finally:
        store.resume()


@pytest.mark.parametrize("routes", ["", "- {name: other, ttl: 1h}", OFF])
async def test_other_rules_come_into_force_meanwhile(
    larder: StartLarder, origin: Origin, store: RedisServer, routes: str
) -> None:
    origin.handler = echoed
    top = FAR.format(store.url)
    proxy = await larder(top=top)
    async with known(proxy) as client:
        count = len(proxy.records)
        async with pending(proxy, store, client):
            proxy.rules.write_text(rules_text(routes, top=top))
            assert (await proxy.manage("POST", "/api/reload")).status == 200
        assert (await client.answer()).body == b"answer to /a"
        before = reached(proxy)
        again = await asked(client)
        assert again.body == b"answer to /a"
        assert (again["X-Cache"] == "BYPASS") == (routes == OFF)
        assert reached(proxy) == before  # nothing that was learnt outlives the rules
        await proxy.told(count + 2)
    assert proxy.app.readings().in_flight == 0


async def test_a_client_that_leaves_meanwhile_is_told_of_once(
    larder: StartLarder, origin: Origin, store: RedisServer
) -> None:
    origin.handler = echoed
    proxy = await larder(top=FAR.format(store.url))
    async with known(proxy) as client:
        count, event = len(proxy.records), asyncio.Event()
        origin.reply(answer("late", hold_head=event))  # should the store be given up before
        async with pending(proxy, store, client):
            client.abort()
            record = await proxy.told(count + 1)
            assert (record.aborted, record.response_bytes) == (True, 0)
        event.set()
    async with Connection.open(proxy.app.proxy_url) as other:
        assert (await asked(other)).body in (b"answer to /a", b"late")
    await proxy.told(count + 2)
    assert [record.aborted for record in proxy.records[count:]] == [True, False]
    assert proxy.app.readings().in_flight == 0


async def test_what_comes_meanwhile_is_answered_behind_it(
    larder: StartLarder, origin: Origin, store: RedisServer
) -> None:
    origin.handler = echoed
    proxy = await larder(top=FAR.format(store.url))
    async with known(proxy) as client:
        async with pending(proxy, store, client):
            await client.send(request_bytes("GET", "/db/b") + request_bytes("GET", "/db/a"))
            client.writer.write_eof()
        told = [(await client.answer()).body for _ in range(3)]
        assert await client.to_end() == b""
    assert told == [b"answer to /a", b"answer to /b", b"answer to /a"]


async def test_a_drain_waits_for_it(origin: Origin, store: RedisServer, tmp_path: Path) -> None:
    origin.handler = echoed
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(top=FAR.format(store.url)))
    async with (
        asyncio.TaskGroup() as group,
        serving(rules, {"ORIGIN": origin.url}, drain_s=10) as proxy,
    ):
        app, client = proxy.app, await Connection.connect(proxy.app.proxy_url)
        await asked(client)
        await proxy.written(1)
        await asked(client, SEEN)
        store.pause()
        await client.ask("GET", "/db/a")
        await until(lambda: app.readings().in_flight == 1)

        async def witness() -> None:
            await until(lambda: app.state() is State.DRAINING)
            store.resume()
            got = await client.answer()
            assert (got.body, got["Connection"]) == (b"answer to /a", "close")
            assert await client.to_end() == b""
            await client.close()

        group.create_task(witness())
    assert [record.aborted for record in proxy.records] == [False] * (SEEN + 2)


# -- clients that do not read

LARGE: Final = b"y" * 200_000


async def filled(proxy: Larder, client: Connection) -> int:
    """Ask without reading until there is no room for an answer; how often."""
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    count = len(proxy.records)
    for times in range(1, 2000):
        await client.ask("GET", "/db/a")
        await until(partial(_told_or_held, proxy, count + times))
        for _ in range(3):  # the system may yet find room for it
            await proxy.manage("GET", "/health/live")
        if len(proxy.records) < count + times:
            return times
    raise AssertionError(count)


def _told_or_held(proxy: Larder, count: int) -> bool:
    return len(proxy.records) >= count or proxy.app.readings().in_flight == 1


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_client_that_does_not_read_is_waited_for(
    larder: StartLarder, origin: Origin, tmp_path: Path, leaves: bool
) -> None:
    origin.handler = lambda _: answer(LARGE, fields=[FRESH])
    proxy = await larder(top=FAR.format(f"sqlite:{tmp_path}/far.db"))
    async with known(proxy) as client:
        count, before = len(proxy.records), reached(proxy)
        times = await filled(proxy, client)
        if leaves:
            client.abort()
        else:
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert [(await client.answer()).body for _ in range(times)] == [LARGE] * times
        await proxy.told(count + times)
        aborted = [record.aborted for record in proxy.records]
        assert aborted == [False] * (count + times - 1) + [leaves]
        if not leaves:
            assert (await asked(client)).body == LARGE
            assert reached(proxy) == before + times + 1
    await until(lambda: proxy.app.readings().in_flight == 0)
    assert len(origin.requests) == 1


# -- where what was learnt is no longer so


async def test_a_key_that_comes_to_have_variants_is_the_drivers(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    """Also where another instance made it so, and the names were folded away here."""
    varies: list[tuple[str, str]] = []

    def flavoured(got: Received) -> Scripted:
        flavour = got.fields.get("x-flavour") or "none"
        return answer(flavour, fields=[FRESH, *varies])

    origin.handler = flavoured
    one, two = await larder(top=FAR.format(shared)), await larder(top=FAR.format(shared))
    sweet, sour = ({"X-Flavour": each} for each in ("sweet", "sour"))
    async with Connection.open(one.app.proxy_url) as client:
        await asked(client, fields=sweet)
        await one.written(1)
        await asked(client, SEEN, fields=sweet)
        assert (await asked(client, fields=sour)).body == b"sweet"  # nobody says that it matters
        before = reached(one)
        assert before > 0
        varies.append(("Vary", "X-Flavour"))
        await two.purge(all=True, wait=True)
        for count, fields in enumerate((sour, sweet), 1):
            assert (await two.get("/db/a", fields)).body == fields["X-Flavour"].encode()
            await two.written(2 * count)
        for fields in (sweet, sour) * SEEN:
            assert (await asked(client, fields=fields)).body == fields["X-Flavour"].encode()
        assert reached(one) == before
    assert len(origin.requests) == 3


# -- more requests than are remembered


@pytest.mark.parametrize("kind", ["hot", "relay", "far"])
async def test_more_requests_than_are_known_are_all_answered_right(
    origin: Origin, tmp_path: Path, kind: str
) -> None:
    """More than fit in a lane of this size, twice around, by two clients."""
    origin.handler = echoed
    targets = [f"/db/{kind}/{number}" for number in range(150)]
    top = FAR.format(f"sqlite:{tmp_path}/far.db") if kind == "far" else ""
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(OFF if kind == "relay" else "", top=top))

    async def client(proxy: Larder) -> None:
        async with Connection.open(proxy.app.proxy_url) as own:
            for target in targets * 2:
                got = await asked(own, SEEN, target)
                assert got.body == f"answer to {target.removeprefix('/db')}".encode()

    async with serving(rules, {"ORIGIN": origin.url}, lane_bytes=64 << 10) as proxy:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(client(proxy))
        assert proxy.app.readings().lanes[kind].answered > len(targets)
        assert proxy.app.lanes.hot.bytes <= 64 << 10
