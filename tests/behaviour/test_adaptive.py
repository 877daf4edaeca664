"""`ttl.adaptive`: lifetimes grow while nothing changes and shrink when something did."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder
from tests.support.origin import Origin

ROUTE = "- {name: all, match: GET /a, scope: shared, ttl: {adaptive: {min: 10s, max: 60s}}}"
TAGGED = ROUTE.replace("scope", "tags: [t], scope") + (
    "\n- {name: write, match: POST /w, ttl: off, invalidate: {tags: [t]}}"
)


async def lifetimes(proxy: Larder, clock: ManualClock, fetches: int) -> list[float]:
    """The lifetime after each of these fetches, each made once the one before is over."""
    found = []
    for _ in range(fetches):
        await proxy.get("/db/a")
        await proxy.landed()
        found.append(await learned(proxy))
        clock.advance(found[-1] + 1)
    return found


async def learned(proxy: Larder) -> float:
    told = await proxy.manage("GET", "/api/stats")
    seconds: float = told.json()["routes"]["all"]["adaptive"]["max_s"]
    return seconds


async def test_it_doubles_while_the_body_stays_and_halves_when_it_changes(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    bodies = iter("aaaaabcde")
    origin.handler = lambda _: answer(next(bodies))
    proxy = await larder(ROUTE, clock=clock)
    assert await lifetimes(proxy, clock, 9) == [10, 20, 40, 60, 60, 30, 15, 10, 10]


async def test_a_304_is_no_change(larder: StartLarder, origin: Origin, clock: ManualClock) -> None:
    tag = [("ETag", '"v1"')]
    origin.reply(answer("body", fields=tag), answer(status=304, fields=tag))
    proxy = await larder(ROUTE, clock=clock)
    assert await lifetimes(proxy, clock, 2) == [10, 20]


async def test_a_rules_etag_says_what_a_change_is(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """The body has the time of day in it: only `at` counts."""
    bodies = iter([{"at": 1, "now": 1}, {"at": 1, "now": 2}, {"at": 2, "now": 2}])
    fields = [("Content-Type", "application/json")]
    origin.handler = lambda _: answer(next(bodies), fields=fields)
    proxy = await larder(ROUTE.replace("scope", "etag: response.body.at, scope"), clock=clock)
    assert await lifetimes(proxy, clock, 3) == [10, 20, 10]


async def test_it_begins_at_the_default_and_serves_by_what_it_learnt(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.handler = lambda _: answer("same")
    proxy = await larder(ROUTE.replace("{adaptive", "{default: 20s, adaptive"), clock=clock)
    await proxy.get("/db/a")
    clock.advance(21)
    await proxy.get("/db/a")
    clock.advance(39)
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"
    clock.advance(2)
    assert (await proxy.get("/db/a"))["X-Cache"] == "MISS"


async def test_a_client_that_asks_early_teaches_nothing(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.handler = lambda _: answer("same")
    proxy = await larder(ROUTE, clock=clock)
    await proxy.get("/db/a")
    for _ in range(3):
        clock.advance(1)
        await proxy.get("/db/a", {"Cache-Control": "no-cache"})
    await proxy.landed()
    assert await learned(proxy) == 10


async def test_an_invalidation_counts_as_a_change(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.handler = lambda _: answer("same")
    proxy = await larder(TAGGED, clock=clock)
    assert await lifetimes(proxy, clock, 3) == [10, 20, 40]
    await proxy.get("/db/a")
    assert await learned(proxy) == 60
    await proxy.post("/db/w", "x")
    await proxy.get("/db/a")
    await proxy.landed()
    assert await learned(proxy) == 30


async def test_another_instance_goes_on_where_the_first_was(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    origin.handler = lambda _: answer("same")
    one, two = await larder(ROUTE, shared=shared), await larder(ROUTE, shared=shared)
    await one.get("/db/a")
    await one.written(1)
    assert (await two.get("/db/a"))["X-Cache"] == "HIT"
    (entry,) = await two.entries()
    described = await two.manage("GET", f"/api/entries/{entry['key']}")
    assert described.json()["learned_s"] == 10


async def test_the_statistics_have_a_range_for_each_route(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.handler = lambda _: answer("same")
    proxy = await larder(ROUTE.replace("GET /a", "'GET /{x}'"), clock=clock)
    await proxy.get("/db/a")
    clock.advance(11)
    for target in ("/db/a", "/db/b"):
        await proxy.get(target)
    told: Any = (await proxy.manage("GET", "/api/stats")).json()
    spans = told["routes"]["all"]["adaptive"]
    assert spans == {"entries": 2, "min_s": 10, "avg_s": 15, "max_s": 20}


@pytest.mark.parametrize("status", [404, 200])
async def test_what_has_a_status_of_its_own_is_not_learnt(
    larder: StartLarder, origin: Origin, clock: ManualClock, status: int
) -> None:
    origin.handler = lambda _: answer("same", status)
    rule = ROUTE.replace("{adaptive", "{status: {404: 5s}, adaptive")
    proxy = await larder(rule, clock=clock)
    await proxy.get("/db/a")
    clock.advance(6)
    assert (await proxy.get("/db/a"))["X-Cache"] == ("MISS" if status == 404 else "HIT")
