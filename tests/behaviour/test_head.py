"""HEAD: the head of GET's answer, never a body, and never a damaged store (RFC 9110 §9.3.2)."""

from __future__ import annotations

import pytest

from tests.support.answers import Send, answer, head
from tests.support.clock import ManualClock
from tests.support.http import Connection
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")


@pytest.mark.parametrize("routes", ["", "- {name: all, ttl: 5m}"], ids=["http", "rule"])
async def test_head_is_answered_from_a_stored_get(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    origin.reply(answer("body", fields=[FRESH, ("X-Kept", "1")]))
    proxy = await larder(routes)
    await proxy.get("/db/a")
    told = await proxy.ask("HEAD", "/db/a")
    assert (told.status, told["X-Cache"], told["X-Kept"]) == (200, "HIT", "1")
    assert (told["Content-Length"], told.body) == ("4", b"")


@pytest.mark.parametrize("routes", ["", "- {name: all, ttl: 5m}"], ids=["http", "rule"])
async def test_a_head_that_misses_does_not_store_an_empty_get(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    origin.reply(
        (Send(head(200, fields=[FRESH, ("Content-Length", "4")])),), answer("body", fields=[FRESH])
    )
    proxy = await larder(routes)
    told = await proxy.ask("HEAD", "/db/a")
    assert (told.status, told["Content-Length"]) == (200, "4")
    got = [await proxy.get("/db/a"), await proxy.get("/db/a")]
    assert [each.body for each in got] == [b"body", b"body"]
    assert x_cache(*got) == ["MISS", "HIT"]


@pytest.mark.parametrize("routes", ["", "- {name: all, ttl: 60s}"], ids=["http", "rule"])
async def test_a_head_that_revalidates_keeps_the_stored_get(
    larder: StartLarder, origin: Origin, clock: ManualClock, routes: str
) -> None:
    etag = ("ETag", '"v1"')
    origin.reply(answer("body", fields=[FRESH, etag]))
    origin.handler = lambda _: answer(status=304, fields=[FRESH, etag])
    proxy = await larder(routes, clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    told = await proxy.ask("HEAD", "/db/a")
    assert (told.status, told["X-Cache"], told["Content-Length"]) == (200, "REVALIDATED", "4")
    got = await proxy.get("/db/a")
    assert (got.status, got.body, origin.last.fields.get("if-none-match")) == (200, b"body", '"v1"')


async def test_the_connection_goes_on_after_a_head(larder: StartLarder, origin: Origin) -> None:
    """No byte of a body strays into the next answer."""
    origin.handler = lambda _: answer("body", fields=[FRESH])
    proxy = await larder()
    await proxy.get("/db/a")
    async with Connection.open(proxy.app.proxy_url) as client:
        for method in ("HEAD", "GET", "HEAD", "GET"):
            await client.ask(method, "/db/a")
            told = await client.answer(method)
            assert told.body == (b"body" if method == "GET" else b"")


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(larder: StartLarder, origin: Origin, status: int) -> None:
    """RFC 9110 §15.3.5, §15.4.5: no body, and 204 has no Content-Length."""
    origin.handler = lambda _: answer(status=status)
    proxy = await larder("- {name: all, ttl: off}")
    async with Connection.open(proxy.app.proxy_url) as client:
        for _ in range(2):
            await client.ask("GET", "/db/a", {"If-None-Match": '"x"'})
            told = await client.answer()
            assert (told.status, told.body) == (status, b"")
            assert "content-length" not in told.fields
