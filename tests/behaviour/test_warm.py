"""`warm`: what the rules name is stored before anybody asks for it, and kept fresh."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder, rules_text, until, x_cache
from tests.support.origin import Origin

ROUTES = '- {name: items, match: "GET /items/{id}", ttl: 10m, scope: shared}'
WARM = """
warm:
  - {get: /db/items/1, every: 5m}
  - {get: /db/items/2, on_start: false}
"""
FIRST = "/db/items/1"


async def progress(proxy: Larder) -> Any:
    return (await proxy.manage("GET", "/api/warm")).json()


async def warmed(proxy: Larder, count: int) -> Any:
    """The progress once so many entries of what was begun are done."""

    async def over() -> bool:
        told = await progress(proxy)
        return not told["running"] and told["done"] == count

    await until(over)
    return await progress(proxy)


async def test_at_the_start_it_is_stored_before_anybody_asks(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.handler = lambda _: answer("body")
    proxy = await larder(ROUTES, top=WARM, clock=clock)
    told = await warmed(proxy, 1)
    assert (told["failed"], told["left"]) == (0, 0)
    assert [(each["get"], each["status"], each["at"]) for each in told["entries"]] == [
        ("/db/items/1", 200, clock.now),
        ("/db/items/2", None, None),
    ]
    assert x_cache(await proxy.get(FIRST), await proxy.get("/db/items/2")) == ["HIT", "MISS"]


async def test_it_is_renewed_in_time_so_that_nobody_waits(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """Only what would not be fresh until the next time: of 10 minutes 5 are left."""
    origin.handler = lambda _: answer("body")
    proxy = await larder(ROUTES, top=WARM, clock=clock)
    await warmed(proxy, 1)
    for _ in range(4):
        proxy.records.clear()
        clock.advance(300)
        assert (await proxy.told(1)).background
        assert x_cache(await proxy.get(FIRST)) == ["HIT"]
        await proxy.told(2)
    assert len(origin.requests) == 3


async def test_a_client_that_may_not_ask_for_fresher_answers_does_not_bind_the_proxy(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.handler = lambda _: answer("body")
    routes = ROUTES.replace("10m", "5m, reload: ignore")
    proxy = await larder(routes, top="warm: [{get: /db/items/1, every: 4m}]", clock=clock)
    await warmed(proxy, 1)
    clock.advance(240)
    await origin.received(2)


async def test_on_demand_it_is_begun_once_at_a_time(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer("body")
    proxy = await larder(ROUTES, top=WARM)
    await warmed(proxy, 1)
    held = asyncio.Event()
    origin.handler = lambda _: answer("body", hold_head=held)
    begun = await proxy.manage("POST", "/api/warm")
    assert (begun.status, begun.json()["running"], begun.json()["left"]) == (200, True, 2)
    again = await proxy.manage("POST", "/api/warm")
    assert again.status == 409
    held.set()
    await warmed(proxy, 2)
    assert x_cache(await proxy.get("/db/items/2")) == ["HIT"]
    assert [each.target for each in origin.requests] == ["/items/1", "/items/2"]


async def test_with_force_what_is_stored_is_fetched_again(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer("body")
    proxy = await larder(ROUTES, top="warm: [{get: /db/items/1, every: 20m}, {get: /db/items/2}]")
    await warmed(proxy, 2)
    await proxy.manage("POST", "/api/warm", {"force": True})
    await warmed(proxy, 2)
    assert len(origin.requests) == 4


async def test_its_headers_go_with_it_and_are_shown_to_nobody(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer("body")
    entry = "{get: '/db/items/1?api_key=sekrit1', headers: {authorization: Bearer sekrit2}}"
    proxy = await larder(
        ROUTES.replace("shared", "credential"),
        top=f"warm: [{entry}]",
        upstream="credentials: [header.authorization]",
    )
    await warmed(proxy, 1)
    assert origin.requests[0].fields.get("authorization") == "Bearer sekrit2"
    target = "/db/items/1?api_key=sekrit1"
    assert x_cache(await proxy.get(target, {"Authorization": "Bearer sekrit2"})) == ["HIT"]
    assert b"sekrit" not in (await proxy.manage("GET", "/api/warm")).body


async def test_one_that_fails_is_told_of(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer("no", 500)
    proxy = await larder(ROUTES, top=WARM)

    async def failed() -> bool:
        return bool((await progress(proxy))["failed"] == 1)

    await until(failed)
    (first, _) = (await progress(proxy))["entries"]
    assert (first["status"], first["failed"], first["busy"]) == (500, True, False)


async def test_of_several_instances_one_renews_it(
    larder: StartLarder, origin: Origin, shared: str, clock: ManualClock
) -> None:
    origin.handler = lambda _: answer("body")
    top = "warm: [{get: /db/items/1, every: 8m}]"
    one = await larder(ROUTES, shared=shared, top=top, clock=clock)
    await warmed(one, 1)
    await one.written(1)
    other = await larder(ROUTES, shared=shared, top=top, clock=clock)
    await warmed(other, 1)
    assert len(origin.requests) == 1, "what one has warmed is there for all"
    one.records.clear()
    other.records.clear()
    clock.advance(480)
    await until(lambda: len(one.records) + len(other.records) == 1)
    assert x_cache(await one.get(FIRST), await other.get(FIRST)) == ["HIT", "HIT"]
    assert len(origin.requests) == 2


@pytest.mark.parametrize("every", ["5m", "1s"])
async def test_what_the_rules_no_longer_name_is_left_alone(
    larder: StartLarder, origin: Origin, clock: ManualClock, every: str
) -> None:
    origin.handler = lambda _: answer("body")
    proxy = await larder(ROUTES, top=f"warm: [{{get: /db/items/1, every: {every}}}]", clock=clock)
    await warmed(proxy, 1)
    proxy.rules.write_text(rules_text(ROUTES, top="warm: [{get: /db/items/3}]"))
    assert (await proxy.manage("POST", "/api/reload")).status == 200
    await origin.received(2)
    assert [each["get"] for each in (await progress(proxy))["entries"]] == ["/db/items/3"]
    assert origin.requests[-1].target == "/items/3"
