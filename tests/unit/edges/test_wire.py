"""One message in each direction: framing (RFC 9112 §6), and bodies that break off."""

from __future__ import annotations

import asyncio

import pytest

from proxy.edges.wire import WireBody, WireReply
from proxy.errors import ClientGone
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.budget import Budget, Lease
from proxy.messages import Request
from tests.support.http import Answer, Connection, request_bytes
from tests.unit.edges.listener import HOST, Handle, say, serving


async def answered(handle: Handle, head: bytes = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n") -> Answer:
    """What a client sees of this handler's answer."""
    async with serving(handle) as served, Connection.open(served.url) as client:
        await client.send(head)
        return await client.answer("HEAD" if head.startswith(b"HEAD") else "GET")


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


# -- request bodies

READ: dict[str, tuple[bytes, int, bytes | None]] = {
    "none": (request_bytes("GET", "/"), 0, b""),
    "length": (request_bytes("POST", "/", body=b"hello"), 5, b"hello"),
    "announced-too-large": (request_bytes("POST", "/", body=b"hello"), 4, None),
    "chunked": (
        request_bytes("POST", "/", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
        5,
        b"hello",
    ),
    "chunked-too-large": (
        request_bytes("POST", "/", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
        4,
        None,
    ),
}


@pytest.mark.parametrize(("head", "limit", "expected"), READ.values(), ids=READ)
async def test_a_body_is_read_up_to_a_limit_and_nothing_read_is_lost(
    head: bytes, limit: int, expected: bytes | None
) -> None:
    seen: list[tuple[bytes | None, bytes, int]] = []

    async def handle(_: Request, body: WireBody, reply: WireReply) -> None:
        whole = await body.read(limit)
        streamed = b"".join([chunk async for chunk in body.chunks()])
        seen.append((whole, streamed, body.received))
        await say(reply, b"")

    await answered(handle, head)
    sent = b"" if head.startswith(b"GET") else b"hello"
    assert seen == [(expected, sent, len(sent))]


async def test_a_body_for_which_there_is_no_room_is_not_read_whole_and_not_lost() -> None:
    """What is read of it counts until it has been passed on."""
    seen: list[object] = []
    budget = Budget(4)

    async def handle(_: Request, body: WireBody, reply: WireReply) -> None:
        seen.extend((await body.read(100), budget.held))
        seen.append(b"".join([chunk async for chunk in body.chunks()]))
        await say(reply, b"")

    async with serving(handle) as served, Connection.open(served.url) as client:
        served.server.budget = budget
        await client.ask("POST", "/", body=b"hello")
        await client.answer("POST")
    assert (seen, budget.held) == ([None, 5, b"hello"], 0)


async def test_a_body_read_whole_counts_until_its_last_owner_has_ended() -> None:
    """The client's request may be over before the fetch that sends its body is."""
    held: list[int] = []
    leases: list[Lease] = []

    async def handle(_: Request, body: WireBody, reply: WireReply) -> None:
        await body.read(100)
        leases.append(body.lease.share())
        await say(reply, b"")

    async with serving(handle) as served, Connection.open(served.url) as client:
        for _ in range(2):  # the second is served once the first is over
            await client.ask("POST", "/", body=b"hello")
            await client.answer("POST")
        held.append(served.server.budget.held)
        for lease in leases:
            lease.end()
    held.append(served.server.budget.held)
    assert held == [10, 0]
