"""Attacks on the hot lane: bytes that are a known request, where they are something else."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from tests.support.answers import Answer, answer
from tests.support.http import Connection, request_bytes
from tests.support.larder import Larder, StartLarder
from tests.support.origin import Origin, Received

KNOWN = request_bytes("GET", "/db/known", {"Host": "larder.test", "Authorization": "Bearer a"})
SIGHTINGS = 4
ROUTES = "- {name: all, ttl: 1h}"


async def learnt(proxy: Larder) -> None:
    """Let the lane know the request KNOWN."""
    async with Connection.open(proxy.app.proxy_url) as client:
        for _ in range(SIGHTINGS):
            await client.send(KNOWN)
            assert (await client.answer()).body == b"known"
    assert proxy.app.readings().lanes["hot"].requests == 1


def echo(request: Received) -> Answer:
    """Say what was asked, and with which body."""
    if request.method == "GET":
        return answer(request.target.rpartition("/")[2])
    return answer(b"echo " + request.body)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_in_a_body_it_is_a_part_of_the_body(
    larder: StartLarder, origin: Origin, *, chunked: bool
) -> None:
    """1. a head; 2. alone in its packet, what would be a request; both are one request."""
    origin.handler = echo
    proxy = await larder(ROUTES)
    await learnt(proxy)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(KNOWN)}"
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(f"POST /db/x HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode())  # 1
        if chunked:
            await client.send(b"%x\r\n" % len(KNOWN))
        await origin.received(2)
        await client.send(KNOWN)  # 2
        if chunked:
            await client.send(b"\r\n0\r\n\r\n")
        assert (await client.answer()).body == b"echo " + KNOWN
        await client.send(KNOWN)
        assert (await client.answer()).body == b"known"


@pytest.mark.parametrize(
    "begun",
    [b"GET /db/other HTTP/1.1\r\nHost: h\r\nX-A: ", b"POST /db/other HTTP/1.1\r\nHost: h\r\n"],
)
async def test_behind_a_head_that_is_not_whole_it_is_no_request(
    larder: StartLarder, origin: Origin, begun: bytes
) -> None:
    origin.handler = echo
    proxy = await larder(ROUTES)
    await learnt(proxy)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(begun)
        await proxy.get("/db/elsewhere")  # by now the proxy has read what was begun
        await client.send(KNOWN)
        told = await client.answer()
    assert (told.body == b"known", told.status in (200, 400)) == (False, True)


async def test_answers_come_in_the_order_of_their_requests(
    larder: StartLarder, origin: Origin
) -> None:
    """1. a slow request; 2. while it is under way a known one, in a packet of its own."""
    origin.handler = echo
    held = asyncio.Event()
    proxy = await larder(ROUTES)
    await learnt(proxy)
    origin.reply(answer(b"slow", hold_head=held))
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(request_bytes("GET", "/db/slow"))  # 1
        await origin.received(2)
        await client.send(KNOWN)  # 2
        held.set()
        assert [(await client.answer()).body for _ in range(2)] == [b"slow", b"known"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Bearer a", b"Bearer b"),
        (b"Host: larder.test", b"Host: admin.test"),
        (b"/db/known", b"/db/knowN"),
        (b"\r\n\r\n", b"\r\nX-Session-ID: b\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nCookie: sid=b\r\n\r\n"),
        (b"\r\n\r\n", b"\r\nCache-Control: no-store\r\n\r\n"),
    ],
)
async def test_what_differs_in_a_byte_is_another_request(
    larder: StartLarder, origin: Origin, old: bytes, new: bytes
) -> None:
    origin.handler = echo
    proxy = await larder("- {name: all, ttl: 1h, scope: [credential, header.host]}")
    await learnt(proxy)
    numbers = count()
    origin.handler = lambda _: answer(b"own %d" % next(numbers))
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(KNOWN.replace(old, new))
        assert (await client.answer()).body == b"own 0"


async def test_a_known_request_that_ends_its_connection_ends_it(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = echo
    proxy = await larder(ROUTES)
    last = KNOWN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    for _ in range(SIGHTINGS):
        async with Connection.open(proxy.app.proxy_url) as client:
            await client.send(last)
            assert (await client.answer()).body == b"known"
            assert await client.to_end() == b""


async def test_a_packet_with_more_than_a_known_request_is_all_read(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = echo
    proxy = await larder(ROUTES)
    await learnt(proxy)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(KNOWN + KNOWN + request_bytes("GET", "/db/last"))
        bodies = [(await client.answer()).body for _ in range(3)]
        assert bodies == [b"known", b"known", b"last"]
        await client.send(KNOWN + b"GARBAGE\r\n\r\n")
        assert (await client.answer()).body == b"known"
        assert (await client.answer()).status == 400
