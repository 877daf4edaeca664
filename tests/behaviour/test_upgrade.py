"""Another protocol on the same connection (RFC 9110 §7.8): a tunnel if the upstream grants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import ClientSession, WSMsgType, web
from aiohttp.test_utils import TestServer

from proxy.outcomes import Bypass, Outcome
from tests.support.answers import Close, Send, answer
from tests.support.http import Connection
from tests.support.larder import Larder, StartLarder, rules_text, serving
from tests.support.origin import Origin
from tests.support.raw_upstream import RawConnection, raw_upstream

FRESH = {"Cache-Control": "max-age=60"}
ASKS = {"Connection": "Upgrade", "Upgrade": "echo/1", "Sec-X": "1"}
GRANTED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo/1\r\n\r\n"
Start = Callable[..., AbstractAsyncContextManager[Larder]]


# -- a real exchange


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Answer each message with itself, in upper case if it is text, until `bye`."""
    socket = web.WebSocketResponse(protocols=["chat"])
    await socket.prepare(request)
    async for message in socket:
        if message.data == "bye":
            break
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data.upper())
        else:
            await socket.send_bytes(message.data)
    await socket.close(code=4001)
    return socket


@pytest.fixture
async def sockets(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Larder]:
    """A proxy before a server of WebSockets, its only route a cached one."""
    app = web.Application()
    app.router.add_get("/ws", echo)
    async with TestServer(app) as server:
        rules = tmp_path_factory.mktemp("ws") / "rules.yaml"
        rules.write_text(rules_text("- {name: all, ttl: 5m}"))
        async with serving(rules, {"ORIGIN": str(server.make_url(""))}) as proxy:
            yield proxy


@pytest.mark.slow
async def test_a_websocket_works_through_the_proxy(sockets: Larder) -> None:
    """On a route that caches, too: its look-up passes such a request by."""
    big = bytes(range(256)) * 12_000
    async with (
        ClientSession() as session,
        session.ws_connect(sockets.app.proxy_url + "/db/ws", protocols=["chat"]) as socket,
    ):
        await socket.send_str("hello")
        assert (await socket.receive_str(), socket.protocol) == ("HELLO", "chat")
        await socket.send_bytes(big)
        assert await socket.receive_bytes() == big
        await socket.ping()
        await socket.send_str("bye")
        assert (await socket.receive()).type is WSMsgType.CLOSE
        assert socket.close_code == 4001
    record = await sockets.told(1)
    assert (record.status, record.outcome, record.reason) == (101, Outcome.BYPASS, Bypass.UPGRADE)
    await sockets.landed()


# -- byte by byte


async def grant(connection: RawConnection) -> None:
    """Switch, and say nothing more."""
    await connection.head()
    connection.send(GRANTED)
    await connection.rest()


@asynccontextmanager
async def tunnel(proxy: Larder) -> AsyncIterator[Connection]:
    """A client that asked for another protocol and got it."""
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a", ASKS)
        assert (await client.start()).status == 101
        yield client


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """A proxy before an upstream at this URL."""

    def begin(
        url: str, upstream: str = "", drain_s: float = 5.0
    ) -> AbstractAsyncContextManager[Larder]:
        rules = tmp_path_factory.mktemp("up") / "rules.yaml"
        rules.write_text(rules_text(upstream=upstream))
        return serving(rules, {"ORIGIN": url}, drain_s=drain_s)

    return begin


async def test_what_goes_up_and_what_comes_back(larder: StartLarder, origin: Origin) -> None:
    """§7.8: both hops name the protocol; nothing frames the bytes behind a 101."""
    origin.reply((Send(GRANTED + b"\x00first"), Close()))
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a", ASKS)
        told = await client.start()
        assert await client.to_end() == b"\x00first"
    sent = origin.last.fields
    assert (sent.get("connection"), sent.get("upgrade"), sent.get("sec-x")) == (
        ("Upgrade", "echo/1", "1")
    )
    assert (told.status, told["Connection"], told["Upgrade"]) == (101, "upgrade", "echo/1")
    assert not {"content-length", "transfer-encoding"} & told.fields.names()


async def test_bytes_pass_both_ways_until_the_client_ends(start: Start) -> None:
    got: list[bytes] = []

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(GRANTED)
        got.append(await connection.take(4))
        connection.send(b"pong")
        got.append(await connection.rest())
        connection.send(b"last")

    async with (
        raw_upstream(script) as upstream,
        start(upstream.url) as proxy,
        tunnel(proxy) as client,
    ):
        await client.send(b"ping")
        assert await client.reader.readexactly(4) == b"pong"
        await client.send(b"GET / HTTP/1.1\r\n\r\n")
        client.writer.write_eof()
        assert await client.to_end() == b"last"
    assert got == [b"ping", b"GET / HTTP/1.1\r\n\r\n"]


async def test_a_client_that_leaves_ends_the_upstreams_side(start: Start) -> None:
    async with (
        raw_upstream(grant) as upstream,
        start(upstream.url) as proxy,
        tunnel(proxy) as client,
    ):
        client.abort()
        await proxy.landed()
        assert (await proxy.told(1)).aborted


@pytest.mark.slow
async def test_a_slow_side_holds_the_other_back(start: Start) -> None:
    """Neither the proxy nor its sockets take more than they can hold."""
    piece, sent = b"x" * 65536, [0]
    read = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(GRANTED)
        await read.wait()
        await connection.rest()

    async def push(client: Connection) -> None:
        for _ in range(400):
            await client.send(piece)
            sent[0] += 1

    async with (
        raw_upstream(script) as upstream,
        start(upstream.url) as proxy,
        tunnel(proxy) as client,
    ):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(push(client), 0.3)
        assert 0 < sent[0] < 400
        read.set()
        client.abort()


async def test_a_silent_tunnel_is_ended_by_the_idle_limit(start: Start) -> None:
    limits = "timeout: {idle: 50ms, total: 50ms}"
    async with (
        raw_upstream(grant) as upstream,
        start(upstream.url, limits) as proxy,
        tunnel(proxy) as client,
    ):
        assert await client.to_end() == b""


@pytest.mark.slow
async def test_a_tunnel_that_is_used_outlives_the_total_limit(start: Start) -> None:
    """And bytes of either side count: here the upstream only listens."""
    got = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(GRANTED)
        await connection.take(20)
        connection.send(b"thanks")
        got.set()
        await connection.rest()

    limits = "timeout: {idle: 200ms, total: 200ms, first_byte: 200ms}"
    async with (
        raw_upstream(script) as upstream,
        start(upstream.url, limits) as proxy,
        tunnel(proxy) as client,
    ):
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(got.wait(), 0.02)
            await client.send(b".")
        assert await client.reader.readexactly(6) == b"thanks"


async def test_drain_ends_tunnels(start: Start) -> None:
    """They have no end of their own to wait for."""
    async with raw_upstream(grant) as upstream:
        async with start(upstream.url, drain_s=30.0) as proxy:
            client = await Connection.connect(proxy.app.proxy_url)
            await client.ask("GET", "/db/a", ASKS)
            assert (await client.start()).status == 101
        assert await client.to_end() == b""
        await client.close()


# -- no switch


async def test_an_upstream_that_does_not_switch_answers_as_ever(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer("plain", fields=FRESH)
    proxy = await larder()
    told = await proxy.get("/db/a", ASKS)
    assert (told.status, told.body, "upgrade" in told.fields) == (200, b"plain", False)
    assert (await proxy.get("/db/a"))["X-Cache"] == "MISS"


async def test_a_stored_answer_is_not_given_to_who_wants_to_switch(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer("x", fields=FRESH)
    proxy = await larder()
    await proxy.get("/db/a")
    told = await proxy.get("/db/a", ASKS)
    assert (told["X-Cache"], len(origin.requests)) == ("BYPASS", 2)
    assert "detail=upgrade" in told["Cache-Status"]


@pytest.mark.parametrize("protocol", ["h2c", "HTTP/2.0", "TLS/1.3"])
async def test_http_in_a_tunnel_is_not_offered_to_the_upstream(
    larder: StartLarder, origin: Origin, protocol: str
) -> None:
    """Requests within it would pass every rule by ("h2c smuggling")."""
    origin.handler = lambda _: answer("x", fields=FRESH)
    proxy = await larder()
    asks = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": protocol, "HTTP2-Settings": "AAM"}
    told = await proxy.get("/db/a", asks)
    assert (told.status, told["X-Cache"]) == (200, "MISS")
    assert not {"upgrade", "http2-settings", "connection"} & origin.last.fields.names()


async def test_a_101_that_nobody_asked_for_is_a_502(larder: StartLarder, origin: Origin) -> None:
    """RFC 9110 §15.2.2."""
    origin.reply((Send(GRANTED + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"), Close()))
    proxy = await larder()
    assert (await proxy.get("/db/a")).status == 502
