"""How a client's connection lives and ends: order, keep-alive, 100, back-pressure, drain."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from proxy.edges.wire import WireReply
from proxy.edges.wire_body import WireBody
from proxy.errors import ClientError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow import tasks
from proxy.messages import Request
from tests.support.http import Connection, request_bytes
from tests.unit.edges.listener import HOST, echo, say, serving

GET = b"GET /%d HTTP/1.1\r\n" + HOST + b"\r\n"

# -- order and keep-alive


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    """RFC 9112 §9.3.2; more than the parser holds at once."""
    count = 100
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(b"".join(GET % number for number in range(count)))
        answers = [(await client.answer()).body for _ in range(count)]
    assert answers == [b"GET /%d " % number for number in range(count)]


async def test_a_request_behind_a_body_that_nobody_read_is_served() -> None:
    async def indifferent(request: Request, _: WireBody, reply: WireReply) -> None:
        await say(reply, request.method.encode())

    async with serving(indifferent) as served, Connection.open(served.url) as client:
        await client.send(request_bytes("POST", "/", body=b"x" * 300_000) + GET % 1)
        assert [(await client.answer()).body for _ in range(2)] == [b"POST", b"GET"]


LIVES = {
    "1.1": (b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", None, True),
    "1.1-close": (b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", "close", False),
    "1.1-close-among": (
        b"GET / HTTP/1.1\r\n" + HOST + b"Connection: x, Close\r\n\r\n",
        "close",
        False,
    ),
    "1.0": (b"GET / HTTP/1.0\r\n\r\n", "close", False),
    "1.0-keep-alive": (
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "keep-alive",
        True,
    ),
}


@pytest.mark.parametrize(("head", "connection", "stays"), LIVES.values(), ids=LIVES)
async def test_a_connection_stays_open_as_its_client_asks(
    head: bytes, connection: str | None, *, stays: bool
) -> None:
    """RFC 9112 §9.3."""
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(head + head)
        first = await client.answer()
        rest = (await client.answer()).body if stays else await client.to_end()
    assert first.fields.get("connection") == connection
    assert rest == (first.body if stays else b"")


async def test_a_defect_in_the_handler_is_a_500_and_is_logged_with_its_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(request: Request, _: WireBody, __: WireReply) -> None:
        raise RuntimeError(request.target)

    async with serving(broken) as served, Connection.open(served.url) as client:
        with caplog.at_level(logging.ERROR, "larder.server"):
            await client.send(GET % 7)
            failed = await client.answer()
    assert (failed.status, "/7" in failed.body.decode()) == (500, False)
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_a_defect_after_the_head_breaks_the_answer_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(request: Request, _: WireBody, reply: WireReply) -> None:
        await reply.start(200, "", NO_FIELDS, None)
        await reply.write(b"half")
        raise RuntimeError(request.target)

    async with serving(broken) as served, Connection.open(served.url) as client:
        with caplog.at_level(logging.CRITICAL, "larder.server"):
            await client.send(GET % 7)
            half = await client.answer()
    assert (half.status, half.complete) == (200, False)


# -- 100 Continue (RFC 9110 §10.1.1)

EXPECTING = request_bytes("POST", "/", {"Expect": "100-continue", "Content-Length": "5"})


async def test_100_is_sent_when_the_body_is_wanted() -> None:
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(EXPECTING)
        assert await client.piece() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hello" + GET % 1)
        answers = [(await client.answer()).body for _ in range(2)]
    assert answers == [b"POST / hello", b"GET /1 "]


async def test_no_100_is_sent_when_the_body_is_not_wanted_and_the_connection_ends() -> None:
    """What the client sends next, the body or another request, is not to be known."""

    async def unwilling(_: Request, __: WireBody, reply: WireReply) -> None:
        await say(reply, b"no", 403)

    async with serving(unwilling) as served, Connection.open(served.url) as client:
        await client.send(EXPECTING)
        refused = await client.answer()
        assert (refused.status, refused.interim, await client.to_end()) == (403, (), b"")


async def test_http_1_0_clients_get_no_100() -> None:
    head = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(head)
        answered = await client.answer()
    assert (answered.interim, answered.body) == ((), b"POST / hello")


# -- a client that is slow, or leaves


@pytest.mark.slow
async def test_a_client_that_does_not_read_holds_the_handler_back_until_it_does() -> None:
    """Back-pressure: what is waiting for it stays within the socket's buffers."""
    size, total = 64 * 1024, 400
    written, finished = [0], asyncio.Event()

    async def flood(_: Request, __: WireBody, reply: WireReply) -> None:
        await reply.start(200, "", NO_FIELDS, size * total)
        for _number in range(total):
            await reply.write(b"x" * size)
            written[0] += 1
        await reply.end()
        finished.set()

    async with serving(flood) as served, Connection.open(served.url) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(GET % 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(finished.wait(), 0.2)
        assert written[0] < total
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        flooded = await client.answer()
    assert (len(flooded.body), written[0]) == (size * total, total)


async def test_a_client_that_leaves_mid_answer_cancels_its_own_request_only() -> None:
    started, ended, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(request: Request, body: WireBody, reply: WireReply) -> None:
        if request.target != "/1":
            await go.wait()
            await echo(request, body, reply)
            return
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with (
        serving(slow) as served,
        Connection.open(served.url) as leaver,
        Connection.open(served.url) as other,
    ):
        await leaver.send(GET % 1)
        await other.send(GET % 2)
        await started.wait()
        leaver.abort()
        await ended.wait()
        go.set()
        assert (await other.answer()).body == b"GET /2 "


async def test_a_client_that_leaves_in_the_middle_of_its_body_ends_the_reading_of_it() -> None:
    seen: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def reading(_: Request, body: WireBody, __: WireReply) -> None:
        try:
            await body.read(1 << 20)
        except BaseException as error:
            seen.set_result(error)
            raise

    async with serving(reading) as served, Connection.open(served.url) as client:
        await client.send(request_bytes("POST", "/", {"Content-Length": "10"}, b"half"))
        await served.arrived.wait()
        client.abort()
        assert type(await seen).__name__ in {"ClientGone", "CancelledError"}


async def test_a_refusal_reaches_a_client_that_is_still_sending() -> None:
    """RFC 9112 §9.6: closing with unread bytes would reset the answer away."""

    async def refusing(_: Request, __: WireBody, ___: WireReply) -> None:
        raise ClientError(403, "not here")

    async with serving(refusing) as served, Connection.open(served.url) as client:
        await client.send(request_bytes("POST", "/", {"Content-Length": "9000000"}, b"x" * 400_000))
        refused = await client.start()
        client.writer.write(b"x" * 400_000)
        assert (refused.status, refused["Connection"]) == (403, "close")
        assert b"not here" in await client.to_end()


# -- drain


async def test_drain_closes_idle_connections_at_once() -> None:
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(GET % 1)
        await client.answer()
        served.server.pre_shutdown()
        assert await client.to_end() == b""


async def test_drain_lets_the_request_under_way_finish_and_then_closes() -> None:
    go = asyncio.Event()

    async def slow(request: Request, body: WireBody, reply: WireReply) -> None:
        await go.wait()
        await echo(request, body, reply)

    async with serving(slow) as served, Connection.open(served.url) as client:
        await client.send(GET % 1)
        await served.arrived.wait()
        served.server.pre_shutdown()
        ending = tasks.spawn(served.server.shutdown(5), "shutdown")
        go.set()
        answered = await client.answer()
        assert (answered.body, await client.to_end()) == (b"GET /1 ", b"")
        await ending


async def test_drain_lets_an_upload_under_way_finish() -> None:
    """On SIGTERM no request under way is cut off, its body included."""
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(request_bytes("POST", "/", {"Content-Length": "8"}, b"half"))
        await served.arrived.wait()
        served.server.pre_shutdown()
        ending = tasks.spawn(served.server.shutdown(5), "shutdown")
        await asyncio.sleep(0)
        await client.send(b"half")
        assert (await client.answer()).body == b"POST / halfhalf"
        await ending


async def test_drain_cuts_off_what_does_not_finish_in_time() -> None:
    async def stuck(_: Request, __: WireBody, reply: WireReply) -> None:
        await reply.start(200, "", Fields(), 4)
        await reply.flush()
        await asyncio.Event().wait()

    async with serving(stuck) as served, Connection.open(served.url) as client:
        await client.send(GET % 1)
        await client.start()
        served.server.pre_shutdown()
        await served.server.shutdown(0.01)
        assert await client.to_end() == b""


async def test_small_answers_are_not_delayed() -> None:
    """Nagle's algorithm is off, or each answer on a kept connection could wait 40 ms."""
    found: list[int] = []

    async def look(_: Request, __: WireBody, reply: WireReply) -> None:
        sock: socket.socket = reply._protocol.transport.get_extra_info("socket")  # type: ignore[union-attr] # noqa: SLF001
        found.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await say(reply, b"")

    async with serving(look) as served, Connection.open(served.url) as client:
        await client.send(GET % 1)
        await client.answer()
    assert found == [1]
