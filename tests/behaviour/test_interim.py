"""Interim answers (RFC 9110 §15.2) pass as they come, are never cached, and are bounded."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.support.answers import Close, Hold, Send, answer
from tests.support.http import Answer, Connection
from tests.support.larder import StartLarder, until, x_cache
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


MINE, THEIRS = {"Authorization": "Bearer 1"}, {"Authorization": "Bearer 2"}
EARLY, LATE = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </%b>\r\nKeep-Alive: x\r\n\r\n" % name
    for name in (b"early", b"late")
)


async def followed(
    larder: StartLarder, origin: Origin, second: dict[str, str], third: dict[str, str]
) -> list[Answer]:
    """What three get that wait for one upstream call, when a hint comes before its answer.

    The first asks with a credential; another hint came before the others.
    """
    hint, rest = asyncio.Event(), asyncio.Event()
    head = answer("x", hold_head=rest, fields={"Cache-Control": "public, max-age=60"})
    origin.reply((Send(EARLY), Hold(hint), Send(LATE), *head))
    proxy = await larder()
    async with AsyncExitStack() as stack:
        opened = [Connection.open(proxy.app.proxy_url) for _ in range(3)]
        clients = [await stack.enter_async_context(each) for each in opened]
        await clients[0].ask("GET", "/db/a", MINE)
        assert b"</early>" in await clients[0].reader.readuntil(b"\r\n\r\n")
        for client, fields in zip(clients[1:], (second, third), strict=True):
            await client.ask("GET", "/db/a", fields)
        await until(lambda: proxy.app.readings().in_flight == 3)
        hint.set()
        assert b"</late>" in await clients[0].reader.readuntil(b"\r\n\r\n")
        rest.set()
        told = [await client.answer() for client in clients]
    assert x_cache(*told) == ["MISS", "COLLAPSED", "COLLAPSED"]
    return told


async def test_who_waits_for_the_same_answer_hears_what_comes_meanwhile(
    larder: StartLarder, origin: Origin
) -> None:
    _, second, third = await followed(larder, origin, MINE, MINE)
    for told in (second, third):
        assert [(each.status, each["Link"]) for each in told.interim] == [(103, "</late>")]
        assert "keep-alive" not in told.interim[0].fields


async def test_a_hint_is_not_told_to_whom_the_answer_may_not_be_for(
    larder: StartLarder, origin: Origin
) -> None:
    """Only the answer itself says whether it is for other credentials, too."""
    _, second, third = await followed(larder, origin, THEIRS, {})
    assert (second.interim, third.interim) == ((), ())
