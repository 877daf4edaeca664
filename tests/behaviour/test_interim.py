"""Interim answers (RFC 9110 §15.2) pass as they come, are never cached, and are bounded."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import Close, Send, answer
from tests.support.http import Connection
from tests.support.larder import StartLarder
from tests.support.origin import Origin

FRESH = {"Cache-Control": "max-age=60"}
HINT = (103, [("Link", "</a>")])


@pytest.mark.parametrize("routes", ["", "- {name: all, ttl: off}"], ids=["http", "off"])
async def test_a_hint_comes_before_the_answer_is_there(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    """RFC 8297: it would be of no use later."""
    rest = asyncio.Event()
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nKeep-Alive: x\r\nContent-Length: 5\r\n\r\n"
    origin.reply((Send(hint), *answer("x", hold_head=rest)))
    proxy = await larder(routes)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a")
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        rest.set()
        assert (await client.answer()).body == b"x"


async def test_hints_are_not_stored(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer("x", interim=[HINT, HINT], fields=FRESH))
    proxy = await larder()
    first, second = await proxy.get("/db/a"), await proxy.get("/db/a")
    assert [len(each.interim) for each in (first, second)] == [2, 0]
    assert (second["X-Cache"], "link" in second.fields) == ("HIT", False)


async def test_an_http_1_0_client_gets_none(larder: StartLarder, origin: Origin) -> None:
    """§15.2."""
    origin.reply(answer("x", interim=[HINT]))
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(b"GET /db/a HTTP/1.0\r\n\r\n")
        assert (await client.to_end()).startswith(b"HTTP/1.1 200")


async def test_a_hint_for_a_client_that_left_does_not_end_the_fetch(
    larder: StartLarder, origin: Origin
) -> None:
    rest = asyncio.Event()
    origin.reply(answer("x", interim=[HINT], fields=FRESH, hold_head=rest))
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a")
        await origin.received(1)
        client.abort()
    await proxy.told(1)
    rest.set()
    await proxy.landed()
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"


async def test_a_flood_of_interim_answers_is_a_502(larder: StartLarder, origin: Origin) -> None:
    """An upstream that never comes to the point must not keep a client for ever."""
    origin.reply((Send(b"HTTP/1.1 102 Processing\r\n\r\n" * 20_000), Close()))
    proxy = await larder(upstream="retry: {attempts: 1}")
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a")
        told = await client.answer()
    assert (told.status, len(told.interim) < 12_000) == (502, True)
