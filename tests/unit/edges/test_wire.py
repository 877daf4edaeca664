"""One message in each direction: framing (RFC 9112 §6), and bodies that break off."""

from __future__ import annotations

import asyncio

import pytest

from proxy.client import finish
from proxy.edges.wire import JOINED, SLICE, WireReply
from proxy.edges.wire_body import WireBody
from proxy.errors import ClientGone
from proxy.fields import NO_FIELDS, Fields
from proxy.messages import Request
from tests.support.http import Connection
from tests.unit.edges.listener import HOST, Handle, answered, say, serving


def replying(
    status: int, length: int | None, *chunks: bytes, trailers: Fields = NO_FIELDS
) -> Handle:
    async def handle(_: Request, __: WireBody, reply: WireReply) -> None:
        await reply.start(status, "", Fields([("X", "\xe4")]), length)
        for chunk in chunks:
            await reply.write(chunk)
        await reply.end(trailers)

    return handle


FRAMES: dict[str, tuple[Handle, bytes, tuple[str | None, str | None, bytes]]] = {
    "length": (replying(200, 4, b"ab", b"cd"), b"GET", ("4", None, b"abcd")),
    "empty": (replying(200, 0), b"GET", ("0", None, b"")),
    "chunked": (replying(200, None, b"ab", b"", b"cd"), b"GET", (None, "chunked", b"abcd")),
    "chunked-empty": (replying(200, None), b"GET", (None, "chunked", b"")),
    "204": (replying(204, None, b"never"), b"GET", (None, None, b"")),
    "304": (replying(304, 0, b"never"), b"GET", (None, None, b"")),
    "head": (replying(200, 4, b"abcd"), b"HEAD", ("4", None, b"")),
    "head-of-unknown-length": (replying(200, None, b"abcd"), b"HEAD", (None, None, b"")),
    "more-than-announced": (replying(200, 4, b"abcdefgh"), b"GET", ("4", None, b"abcd")),
    "large": (
        replying(200, 3 << 20, b"x" * (3 << 20)),
        b"GET",
        (str(3 << 20), None, b"x" * (3 << 20)),
    ),
}


@pytest.mark.parametrize(("handle", "method", "expected"), FRAMES.values(), ids=FRAMES)
async def test_how_an_answer_is_framed(
    handle: Handle, method: bytes, expected: tuple[str | None, str | None, bytes]
) -> None:
    got = await answered(handle, method + b" / HTTP/1.1\r\n" + HOST + b"\r\n")
    framing = got.fields.get("content-length"), got.fields.get("transfer-encoding")
    assert (*framing, got.body) == expected
    assert (got.complete, got["X"]) == (True, "\xe4")


WHOLE: dict[str, tuple[bytes, int, bytes, tuple[str | None, bytes]]] = {
    "small": (b"GET", 200, b"abcd", ("4", b"abcd")),
    "empty": (b"GET", 200, b"", ("0", b"")),
    "304": (b"GET", 304, b"", (None, b"")),
    "head": (b"HEAD", 200, b"abcd", ("4", b"")),
    "head-of-what-is-large": (b"HEAD", 200, b"x" * (3 << 20), (str(3 << 20), b"")),
    "behind-the-head": (b"GET", 200, b"x" * (2 * JOINED), (str(2 * JOINED), b"x" * (2 * JOINED))),
    "large": (b"GET", 200, b"x" * (3 << 20), (str(3 << 20), b"x" * (3 << 20))),
}


@pytest.mark.parametrize(("method", "status", "body", "expected"), WHOLE.values(), ids=WHOLE)
async def test_a_whole_answer_goes_out_at_once_unless_it_has_to_wait_for_room(
    method: bytes, status: int, body: bytes, expected: tuple[str | None, bytes]
) -> None:
    at_once: list[bool] = []

    async def handle(_: Request, __: WireBody, reply: WireReply) -> None:
        rest = reply.respond(status, "", Fields([("X", "1")]), body)
        at_once.append(rest is None)
        await finish(rest)
        assert (reply.ended, reply.sent) == (True, len(expected[1]))

    got = await answered(handle, method + b" / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (got.fields.get("content-length"), got.body) == expected
    assert (got.complete, at_once) == (True, [len(body) <= SLICE])


async def test_an_http_1_0_client_gets_no_chunks_but_the_end_of_the_connection() -> None:
    """RFC 9112 §6.1; though it asked to keep it."""
    head = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    got = await answered(replying(200, None, b"ab", b"cd"), head)
    assert (got["Connection"], got.body) == ("close", b"abcd")
    assert "transfer-encoding" not in got.fields


async def test_trailers_follow_a_chunked_body() -> None:
    got = await answered(replying(200, None, b"a", trailers=Fields([("T", "1")])))
    assert got.trailers.get("t") == "1"


async def test_a_body_shorter_than_announced_does_not_look_complete() -> None:
    got = await answered(replying(200, 10, b"abcd"))
    assert got.complete is False


@pytest.mark.parametrize("length", [None, 10], ids=["chunked", "length"])
async def test_an_aborted_answer_does_not_look_complete(length: int | None) -> None:
    async def handle(_: Request, __: WireBody, reply: WireReply) -> None:
        await reply.start(200, "", NO_FIELDS, length)
        await reply.write(b"abcd")
        reply.abort()

    assert (await answered(handle)).complete is False


@pytest.mark.parametrize("status", [200, 299])
async def test_a_reason_is_given_where_one_is_known(status: int) -> None:
    got = await answered(replying(status, 0))
    assert got.reason == ("OK" if status == 200 else "")


async def test_interim_answers_come_before_the_answer_and_not_after_it_began() -> None:
    async def handle(_: Request, __: WireBody, reply: WireReply) -> None:
        await reply.interim(103, Fields([("Link", "</x>")]))
        await reply.start(200, "", NO_FIELDS, 0)
        await reply.interim(103, NO_FIELDS)
        await reply.end()

    got = await answered(handle)
    assert [each["Link"] for each in got.interim] == ["</x>"]


async def test_http_1_0_clients_get_no_interim_answers() -> None:
    async def handle(_: Request, __: WireBody, reply: WireReply) -> None:
        await reply.interim(103, NO_FIELDS)
        await say(reply, b"x")

    assert (await answered(handle, b"GET / HTTP/1.0\r\n\r\n")).interim == ()


async def test_writing_to_a_client_that_left_says_so() -> None:
    seen: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def handle(_: Request, __: WireBody, reply: WireReply) -> None:
        reply.abort()
        try:
            await reply.start(200, "", NO_FIELDS, 1)
            await reply.write(b"x")
        except ClientGone:
            seen.set_result(True)
            raise

    async with serving(handle) as served, Connection.open(served.url) as client:
        await client.send(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert await seen
