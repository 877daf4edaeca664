"""Refreshes behind stale answers, and what they must not disturb."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from proxy.flow import tasks
from proxy.outcomes import Outcome
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.http import Client
from tests.support.origin import Origin
from tests.unit.small_proxy import small_proxy

RULES = """
server: {max_body: 1KiB}
upstreams:
  db:
    url: ORIGIN
    mount: /db
    routes:
      - name: ask
        match: POST /ask
        ttl: 60s
        scope: shared
        refresh: {ahead: 1%}
        stale: {while_revalidate: 60s}
      - {name: buy, match: POST /buy, ttl: 60s, scope: shared, stale: {while_revalidate: 60s}}
      - {name: swr, match: GET /swr, ttl: 60s, scope: shared, stale: {while_revalidate: 60s}}
      - name: slides
        match: GET /slides
        ttl: {default: 60s, sliding: true}
        scope: shared
        stale: {while_revalidate: 600s}
      - {name: read, match: "GET /p/{id}", ttl: 1h, scope: shared, tags: ["p:{path.id}"]}
      - {name: write, match: POST /p, ttl: off, invalidate: {tags: ["p:{body.id}"]}}
"""
TAGGED = {"ETag": '"one"'}


async def test_a_stale_post_is_refreshed_without_conditions(
    origin: Origin, clock: ManualClock
) -> None:
    """A POST whose condition fails is answered 412 (RFC 9110 §13.1.2): it would never be fresh."""
    origin.reply(answer(b"old", fields=TAGGED), answer(b"new", fields=TAGGED))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.post("/db/ask", b"?")
        clock.advance(70)
        assert (await client.post("/db/ask", b"?")).body == b"old"
        await proxy.landed()
        assert (await client.post("/db/ask", b"?")).body == b"new"
    assert "if-none-match" not in origin.last.fields


async def test_no_post_is_repeated_behind_unless_its_route_says_so(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"old"), answer(b"new"))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.post("/db/buy", b"?")
        clock.advance(70)
        told = await client.post("/db/buy", b"?")
        assert (told["X-Cache"], told.body) == ("MISS", b"new")


async def test_a_stale_head_is_refreshed_by_a_get(origin: Origin, clock: ManualClock) -> None:
    """Whoever joins the refresh wants a body, which the answer to a HEAD has not."""
    go = asyncio.Event()
    origin.reply(answer(b"old"), answer(b"new", hold_head=go))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/swr")
        clock.advance(70)
        assert (await client.request("HEAD", "/db/swr"))["X-Cache"] == "STALE"
        await origin.received(2)
        clock.advance(60)
        joined = tasks.spawn(client.get("/db/swr"), "a client")
        await proxy.under_way(3)
        go.set()
        assert (await joined).body == b"new"
    assert [got.method for got in origin.requests] == ["GET", "GET"]


async def test_a_refresh_is_told_of_as_one_nobody_waited_for(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"old"), answer(b"oops", 503))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/swr")
        clock.advance(70)
        await client.get("/db/swr")
        await proxy.landed()
        stale, refresh = sorted(
            (proxy.records[1], await proxy.record(3)), key=lambda r: r.background
        )
    assert (stale.outcome, stale.background) == (Outcome.STALE, False)
    assert (refresh.upstream_status, refresh.stored) == (503, False)
    assert refresh.upstream_s is not None


async def test_using_a_stale_answer_does_not_make_it_fresh(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"old"), answer(b"oops", 503))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/slides")
        clock.advance(70)
        for _ in range(2):
            assert (await client.get("/db/slides"))["X-Cache"] == "STALE"
            await proxy.landed()


async def test_a_write_too_large_to_read_invalidates_whatever_it_may_name(
    origin: Origin, clock: ManualClock
) -> None:
    origin.handler = lambda _: answer(b"old" if len(origin.requests) == 1 else b"new")
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/p/7")
        await client.post("/db/p", b'{"id": 7, "text": "' + b"x" * 2000 + b'"}')
        assert (await client.get("/db/p/7")).body == b"new"


async def test_another_url_has_other_answers(origin: Origin, clock: ManualClock) -> None:
    """The same route, moved to another host: what the old one said is not the new one's answer."""
    async with small_proxy(RULES, origin, clock) as proxy:
        digests = [
            proxy.exchange.world.config.router.routes(upstream)[0].digest
            for upstream in proxy.exchange.world.config.upstreams
        ]
    async with (
        Origin() as other,
        small_proxy(RULES, other, clock) as moved,
    ):
        config = moved.exchange.world.config
        assert config.router.routes(config.upstreams[0])[0].digest not in digests


@pytest.mark.parametrize("cut", ["before-the-head", "in-the-body"])
async def test_a_write_whose_answer_is_lost_may_have_been_done(
    origin: Origin, clock: ManualClock, cut: str
) -> None:
    """Its outcome is unknown, so what it may have changed is not served any more."""
    origin.reply(
        answer(b"old"),
        answer(b"done", cut_at=0 if cut == "before-the-head" else 30),
        answer(b"new"),
    )
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/p/7")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await client.post("/db/p", b'{"id": 7}')
        assert (await client.get("/db/p/7")).body == b"new"
