"""A client that leaves ends its own request; what it began is finished and stored."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.http import Connection
from tests.support.larder import StartLarder, until
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")
routes = pytest.mark.parametrize(
    "routes", [pytest.param("", id="http"), pytest.param("- {name: all, ttl: 5m}", id="rule")]
)


@routes
@pytest.mark.parametrize("hold", ["hold_head", "hold_body"])
@pytest.mark.parametrize("leave", ["reset", "politely"])
async def test_the_fetch_outlives_its_client_and_is_stored(
    larder: StartLarder, origin: Origin, routes: str, hold: str, leave: str
) -> None:
    """Whether it leaves before the head or in the middle of the body."""
    rest = asyncio.Event()
    script = (
        answer("body", fields=[FRESH], hold_head=rest)
        if hold == "hold_head"
        else answer("body", fields=[FRESH], hold_body=rest, hold_at=2)
    )
    origin.reply(script)
    proxy = await larder(routes)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a")
        await origin.received(1)
        if hold == "hold_body":
            await client.start()
        if leave == "reset":
            client.abort()
    record = await proxy.told(1)
    assert (record.aborted, proxy.app.readings().flights) == (True, 1)
    rest.set()
    await proxy.landed()
    told = await proxy.get("/db/a")
    assert (told["X-Cache"], told.body, len(origin.requests)) == ("HIT", b"body", 1)
    assert await proxy.metric("larder_aborted_total") == 1


async def test_a_client_that_leaves_in_its_upload_ends_the_upstream_call(
    larder: StartLarder, origin: Origin
) -> None:
    """A request that never was whole must not look whole to the upstream."""
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(b"POST /db/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        await origin.received(1)
        client.abort()
    await origin.closed(1)
    assert not origin.last.whole
    await until(lambda: proxy.app.readings().in_flight == 0)


async def test_a_relayed_feed_ends_when_its_only_reader_has_left(
    larder: StartLarder, origin: Origin
) -> None:
    """What is not stored and nobody reads is not read on for ever."""
    never = asyncio.Event()
    events = [("Content-Type", "text/event-stream")]
    big = ["x" * 100_000] * 20
    origin.reply(answer(chunks=big, fields=events, hold_body=never, hold_at=1_500_000))
    proxy = await larder("- {name: feed, ttl: off}")
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a")
        await client.start()
        await client.piece()
        client.abort()
    await origin.closed(1)
    await proxy.landed()


async def test_other_clients_are_not_disturbed(larder: StartLarder, origin: Origin) -> None:
    rest = asyncio.Event()
    origin.reply(answer("body", fields=[FRESH], hold_body=rest, hold_at=2))
    proxy = await larder()
    url = proxy.app.proxy_url
    async with Connection.open(url) as leader, Connection.open(url) as other:
        await leader.ask("GET", "/db/a")
        await leader.start()
        await other.ask("GET", "/db/a")
        await other.start()
        leader.abort()
        rest.set()
        assert await other.reader.readexactly(4) == b"body"
