"""What comes in on a client's connection: whole requests, the end of its side, and tunnels."""

from __future__ import annotations

import asyncio

import pytest

from proxy.edges import connection, wire_body
from proxy.edges.wire import WireReply
from proxy.edges.wire_body import WireBody
from proxy.fields import Fields
from proxy.messages import Request
from tests.support.http import Connection, request_bytes
from tests.unit.edges.listener import HOST, Handle, echo, say, serving

GET = b"GET /%d HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /b HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
MANY = (
    b"\r\n"
    + GET % 1
    + POST
    + GET % 2
    + CHUNKED
    + b"2;x\r\n\r\n\r\n0\r\nX-Leak: 1\r\n\r\n"
    + GET % 3
)


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 64])
async def test_requests_are_the_same_however_their_bytes_are_cut(cut: int) -> None:
    async with serving() as served, Connection.open(served.url) as client:
        for at in range(0, len(MANY), cut):
            await client.send(MANY[at : at + cut])
            await asyncio.sleep(0)
        answers = [(await client.answer()).body for _ in range(5)]
    assert answers == [b"GET /1 ", b"POST /a hello", b"GET /2 ", b"POST /b \r\n", b"GET /3 "]


async def test_the_trailers_of_a_request_are_no_fields_of_the_next() -> None:
    """RFC 9110 §6.5; behind a proxy the next request is somebody else's."""
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(CHUNKED + b"0\r\nCookie: evil\r\nHost: evil\r\n\r\n" + GET % 1)
        assert [(await client.answer()).status for _ in range(2)] == [200, 200]
    assert served.requests[1].fields == Fields([("Host", "larder.test")])


async def test_a_malformed_request_is_refused_behind_the_answers_to_those_before_it() -> None:
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(GET % 1 + POST + b"nonsense\r\n\r\n" + GET % 2)
        answers = [await client.answer() for _ in range(3)]
        assert await client.to_end() == b""
    assert [each.status for each in answers] == [200, 200, 400]


async def test_a_flood_of_requests_waits_in_the_socket() -> None:
    """Behind one that is not answered yet."""
    go = asyncio.Event()

    async def slow(request: Request, body: WireBody, reply: WireReply) -> None:
        await go.wait()
        await echo(request, body, reply)

    count = 20_000
    async with serving(slow) as served, Connection.open(served.url) as client:
        client.writer.write(b"".join(GET % number for number in range(count)))
        await served.arrived.wait()
        (held,) = served.server.connections
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(held._queue) <= connection.MAX_QUEUE  # type: ignore[attr-defined] # noqa: SLF001
        assert len(held._tail) < 1_000_000  # type: ignore[attr-defined] # noqa: SLF001
        go.set()
        assert [(await client.answer()).body for _ in range(count)][-1] == b"GET /%d " % (count - 1)


# -- a client that ends its side (RFC 9112 §9.6)


async def test_a_client_that_ended_its_side_gets_its_answers_and_then_the_end() -> None:
    go = asyncio.Event()

    async def slow(request: Request, body: WireBody, reply: WireReply) -> None:
        await go.wait()
        await echo(request, body, reply)

    async with serving(slow) as served, Connection.open(served.url) as client:
        await client.send(GET % 1 + POST)
        client.writer.write_eof()
        await served.arrived.wait()
        go.set()
        assert [(await client.answer()).body for _ in range(2)] == [b"GET /1 ", b"POST /a hello"]
        assert await client.to_end() == b""


async def test_a_client_that_ends_its_side_with_nothing_asked_is_let_go() -> None:
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(GET % 1)
        await client.answer()
        client.writer.write_eof()
        assert await client.to_end() == b""


async def test_a_client_that_ends_its_side_within_its_body_can_never_complete_it() -> None:
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(POST[:-1])
        await served.arrived.wait()
        client.writer.write_eof()
        assert await client.to_end() == b""


async def test_a_client_that_ended_its_side_and_is_sent_nothing_is_taken_for_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "HALF_OPEN_S", 0.01)
    ended = asyncio.Event()

    async def stuck(_: Request, __: WireBody, ___: WireReply) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving(stuck) as served, Connection.open(served.url) as client:
        await client.send(GET % 1)
        await served.arrived.wait()
        client.writer.write_eof()
        await ended.wait()
        assert await client.to_end() == b""


# -- bodies


async def test_a_body_that_stops_coming_is_answered_408(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110 §15.5.9: and its connection is closed."""
    monkeypatch.setattr(wire_body, "BODY_IDLE_S", 0.01)
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(POST[:-1])
        told = await client.answer()
        assert (told.status, told["Connection"]) == (408, "close")


async def test_a_body_that_breaks_its_framing_while_it_is_read_is_answered_400() -> None:
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(CHUNKED + b"1\r\na\r\n")
        await served.arrived.wait()
        await client.send(b"zz\r\n" + GET % 1)
        told = await client.answer()
        assert (told.status, await client.to_end()) == (400, b"")
    assert len(served.requests) == 1


@pytest.mark.slow
async def test_a_body_that_nobody_reads_waits_in_the_socket() -> None:
    """Back-pressure on an upload."""
    go, sent = asyncio.Event(), [0]

    async def late(_: Request, body: WireBody, reply: WireReply) -> None:
        await go.wait()
        content = await body.read(1 << 26)
        await say(reply, str(len(content or b"")).encode())

    async def push(client: Connection) -> None:
        while sent[0] < 400:
            await client.send(b"x" * 65536)
            sent[0] += 1

    async with serving(late) as served, Connection.open(served.url) as client:
        await client.send(request_bytes("POST", "/", {"Content-Length": str(400 * 65536)}))
        await served.arrived.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(push(client), 0.3)
        assert sent[0] < 400
        go.set()
        # The piece whose sending was given up on is in the client's buffer all the same.
        sent[0] += 1
        await push(client)
        assert (await client.answer()).body == str(400 * 65536).encode()


# -- tunnels


ASKS = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: %s\r\n\r\n"


async def mirror(_: Request, body: WireBody, reply: WireReply) -> None:
    """Switch, and send back what comes."""
    await reply.start(101, "", Fields([("Upgrade", "x")]), None)
    await reply.flush()
    async for piece in body.tunnel():
        await reply.write(piece)
    await reply.end()


@pytest.mark.parametrize("protocol", [b"websocket", b"anything/1"])
async def test_after_a_101_every_byte_is_the_tunnels(protocol: bytes) -> None:
    """Also those that came right behind the request, and those that look like one."""
    async with serving(mirror) as served, Connection.open(served.url) as client:
        await client.send(ASKS % protocol + b"early" + GET % 1)
        head = await client.start()
        await client.send(b"\x00" + GET % 2)
        client.writer.write_eof()
        assert await client.to_end() == b"early" + GET % 1 + b"\x00" + GET % 2
    assert (head.status, head["Connection"], len(served.requests)) == (101, "upgrade", 1)


async def test_drain_closes_a_tunnel_at_once() -> None:
    async with serving(mirror) as served, Connection.open(served.url) as client:
        await client.send(ASKS % b"x")
        await client.start()
        await client.send(b"a")
        await client.reader.readexactly(1)
        served.server.pre_shutdown()
        assert await client.to_end() == b""


async def splitting(_: Request, __: WireBody, reply: WireReply) -> None:
    await reply.start(200, "", Fields([("X", "a\r\nSet-Cookie: evil=1")]), 0)


async def hinting(_: Request, __: WireBody, reply: WireReply) -> None:
    await reply.interim(103, Fields([("X", "a\nSet-Cookie: evil=1")]))
    await say(reply, b"x")


@pytest.mark.parametrize("handler", [splitting, hinting])
async def test_a_field_that_would_split_an_answer_is_our_defect_and_a_500(handler: Handle) -> None:
    """CWE-113; whatever let it come this far."""
    async with serving(handler) as served, Connection.open(served.url) as client:
        await client.send(GET % 1)
        told = await client.answer()
    assert (told.status, told.interim, "set-cookie" in told.fields) == (500, (), False)
