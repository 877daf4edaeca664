"""Stale answers go out at once while one newer is fetched behind them (RFC 5861 §3)."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

Fields = list[tuple[str, str]]
BY_HTTP: tuple[str, Fields] = ("", [("Cache-Control", "max-age=60, stale-while-revalidate=30")])
BY_RULE: tuple[str, Fields] = ("- {name: all, ttl: 60s, stale: {while_revalidate: 30s}}", [])

both = pytest.mark.parametrize(
    ("routes", "fields"), [pytest.param(*BY_HTTP, id="http"), pytest.param(*BY_RULE, id="rule")]
)


@both
async def test_one_refresh_for_any_number_of_requests(
    larder: StartLarder, origin: Origin, clock: ManualClock, routes: str, fields: Fields
) -> None:
    refresh = asyncio.Event()
    origin.reply(answer("old", fields=fields), answer("new", fields=fields, hold_head=refresh))
    proxy = await larder(routes, clock=clock)
    await proxy.get("/db/a")
    clock.advance(70)
    # None of these waits for the refresh, which is held.
    stale = await asyncio.gather(*(proxy.get("/db/a") for _ in range(20)))
    assert x_cache(*stale) == ["STALE"] * 20
    assert {each.body for each in stale} == {b"old"}
    assert stale[0]["Cache-Status"].startswith("larder; hit; ttl=-10")
    await origin.received(2)
    refresh.set()
    await proxy.landed()
    fresh = await proxy.get("/db/a")
    assert (fresh["X-Cache"], fresh.body, len(origin.requests)) == ("HIT", b"new", 2)


@both
async def test_past_the_window_the_client_waits(
    larder: StartLarder, origin: Origin, clock: ManualClock, routes: str, fields: Fields
) -> None:
    origin.reply(answer("old", fields=fields), answer("new", fields=fields))
    proxy = await larder(routes, clock=clock)
    await proxy.get("/db/a")
    clock.advance(90)
    late = await proxy.get("/db/a")
    assert (late["X-Cache"], late.body) == ("MISS", b"new")


@both
async def test_a_refresh_is_conditional_and_a_304_renews(
    larder: StartLarder, origin: Origin, clock: ManualClock, routes: str, fields: Fields
) -> None:
    origin.reply(
        answer("old", fields=[*fields, ("ETag", '"v1"')]), answer(status=304, fields=fields)
    )
    proxy = await larder(routes, clock=clock)
    await proxy.get("/db/a")
    clock.advance(70)
    assert (await proxy.get("/db/a"))["X-Cache"] == "STALE"
    await origin.received(2)
    await proxy.landed()
    assert origin.last.fields.get("if-none-match") == '"v1"'
    clock.advance(59)
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"


@both
async def test_a_refresh_that_fails_changes_nothing(
    larder: StartLarder, origin: Origin, clock: ManualClock, routes: str, fields: Fields
) -> None:
    """And the next one is not begun at once: an upstream in trouble is left alone for a moment."""
    origin.reply(answer("old", fields=fields), answer("oops", 500), answer("new", fields=fields))
    proxy = await larder(routes, clock=clock)
    await proxy.get("/db/a")
    clock.advance(70)
    assert (await proxy.get("/db/a")).body == b"old"
    await origin.received(2)
    await proxy.landed()
    again = await proxy.get("/db/a")
    assert (again["X-Cache"], again.body) == ("STALE", b"old")
    assert len(origin.requests) == 2
    clock.advance(3)
    assert (await proxy.get("/db/a")).body == b"old"
    await origin.received(3)
    await proxy.landed()
    assert (await proxy.get("/db/a")).body == b"new"


@pytest.mark.parametrize("forbids", ["must-revalidate", "proxy-revalidate", "no-cache"])
async def test_what_must_be_revalidated_is_not_served_stale(
    larder: StartLarder, origin: Origin, clock: ManualClock, forbids: str
) -> None:
    """RFC 9111 §5.2.2.2, §5.2.2.8."""
    control = f"max-age=60, stale-while-revalidate=30, {forbids}"
    origin.reply(answer("old", fields=[("Cache-Control", control)]), answer("new"))
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(70)
    assert (await proxy.get("/db/a")).body == b"new"


async def test_a_client_that_asks_for_fresh_gets_fresh(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    routes, fields = BY_RULE
    origin.reply(answer("old", fields=fields), answer("new", fields=fields))
    proxy = await larder(routes, clock=clock)
    await proxy.get("/db/a")
    clock.advance(70)
    assert (await proxy.get("/db/a", {"Cache-Control": "no-cache"})).body == b"new"
