"""`refresh`: what is asked for often is fetched anew before it goes stale."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder, x_cache
from tests.support.origin import Origin

RULE = "refresh: {ahead: 20%, hits: 3}"
ROUTE = f"- {{name: all, match: GET /a, ttl: 100s, scope: shared, {RULE}}}"
ASK = "- {name: ask, match: POST /ask, ttl: 100s, scope: shared, key: 'k:{body.q}'EXTRA}"


async def hits(proxy: Larder, count: int) -> list[str]:
    return x_cache(*[await proxy.get("/db/a") for _ in range(count)])


async def test_a_hot_answer_is_refreshed_once_behind_its_hits(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    go = asyncio.Event()
    origin.reply(answer("old"), answer("new", hold_head=go))
    proxy = await larder(ROUTE, clock=clock)
    await proxy.get("/db/a")
    clock.advance(81)
    assert await hits(proxy, 5) == ["HIT"] * 5
    await origin.received(2)
    assert len(origin.requests) == 2
    go.set()
    await proxy.landed()
    clock.advance(30)
    told = await proxy.get("/db/a")
    assert (told.body, told["X-Cache"], told["Age"]) == (b"new", "HIT", "30")


async def test_the_refresh_is_confirmed_by_the_upstreams_validator(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    tag = [("ETag", '"v1"')]
    origin.reply(answer("body", fields=tag), answer(status=304, fields=tag))
    proxy = await larder(ROUTE, clock=clock)
    await proxy.get("/db/a")
    clock.advance(81)
    await hits(proxy, 3)
    await origin.received(2)
    await proxy.landed()
    assert origin.last.fields.get("if-none-match") == '"v1"'
    assert (await proxy.get("/db/a"))["Age"] == "0"


@pytest.mark.parametrize(
    ("age", "count"), [pytest.param(79, 9, id="too-early"), pytest.param(81, 2, id="too-few-hits")]
)
async def test_it_waits_for_both(
    larder: StartLarder, origin: Origin, clock: ManualClock, age: int, count: int
) -> None:
    origin.reply(answer("old"))
    proxy = await larder(ROUTE, clock=clock)
    await proxy.get("/db/a")
    clock.advance(age)
    assert await hits(proxy, count) == ["HIT"] * count
    await proxy.landed()
    assert len(origin.requests) == 1


async def test_a_refresh_that_fails_leaves_what_there_is(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer("old"), answer("oops", 503))
    proxy = await larder(ROUTE, clock=clock)
    await proxy.get("/db/a")
    clock.advance(81)
    await hits(proxy, 3)
    await origin.received(2)
    await proxy.landed()
    assert (await proxy.get("/db/a")).body == b"old"
    assert len(origin.requests) == 2


async def test_hits_are_counted_anew_for_each_answer(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer("one"), answer("two"))
    proxy = await larder(ROUTE, clock=clock)
    await proxy.get("/db/a")
    clock.advance(81)
    await hits(proxy, 3)
    await origin.received(2)
    await proxy.landed()
    clock.advance(81)
    await hits(proxy, 2)
    await proxy.landed()
    assert len(origin.requests) == 2


@pytest.mark.parametrize(
    ("extra", "top", "calls"),
    [
        pytest.param("", f"defaults: {{{RULE}}}", 1, id="a-default-is-for-safe-methods"),
        pytest.param(f", {RULE}", "", 2, id="its-own-route-says-so"),
    ],
)
async def test_an_unsafe_method_is_repeated_only_if_its_own_route_says_so(
    larder: StartLarder, origin: Origin, clock: ManualClock, extra: str, top: str, calls: int
) -> None:
    origin.reply(answer("old"), answer("new"))
    proxy = await larder(ASK.replace("EXTRA", extra), top=top, clock=clock)
    await proxy.post("/db/ask", {"q": 1})
    clock.advance(81)
    for _ in range(4):
        assert (await proxy.post("/db/ask", {"q": 1}))["X-Cache"] == "HIT"
    await proxy.landed()
    assert len(origin.requests) == calls


async def test_what_is_refreshed_ahead_learns_its_lifetime(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.handler = lambda _: answer("same")
    proxy = await larder(
        ROUTE.replace("ttl: 100s", "ttl: {adaptive: {min: 100s, max: 200s}}"), clock=clock
    )
    await proxy.get("/db/a")
    clock.advance(81)
    await hits(proxy, 3)
    await origin.received(2)
    await proxy.landed()
    clock.advance(150)
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"
