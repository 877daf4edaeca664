"""Budgets: once spent, upstream calls are refused and hits are not, until the window ends."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from proxy.flow import tasks
from proxy.rules.route import Match
from tests.support.answers import answer
from tests.support.build import request
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder, until, x_cache
from tests.support.origin import Origin

ROUTES = "- {name: speech, match: POST /speech, ttl: 7d, cost: {miss: 20, hit: 1}}"
TOP = "budgets: [{name: daily, limit: 40, unit: credits, per: 1h%s}]"


async def _spend(proxy: Larder, *texts: str, key: str = "a") -> list[int]:
    fields = {"Authorization": f"Bearer {key}"}
    return [(await proxy.post("/db/speech", text, fields)).status for text in texts]


async def test_over_the_budget_a_miss_is_refused_and_a_hit_is_served(
    larder: StartLarder, origin: Origin
) -> None:
    clock = ManualClock()
    clock.now -= clock.now % 3600
    clock.advance(600)
    proxy = await larder(ROUTES, top=TOP % "", clock=clock)
    origin.handler = lambda _: answer(b"sound")
    assert await _spend(proxy, "1", "2") == [200, 200]
    refused = await proxy.post("/db/speech", "3", {"Authorization": "Bearer a"})
    assert refused.status == 429
    assert refused["Content-Type"] == "application/problem+json"
    assert refused["Retry-After"] == "3000"
    assert "daily" in refused.json()["detail"]
    assert refused.json()["reason"] == "budget"
    hit = await proxy.post("/db/speech", "1", {"Authorization": "Bearer a"})
    assert x_cache(hit) == ["HIT"]
    assert len(origin.requests) == 2
    assert await proxy.metric("larder_reasons_total", reason="budget") == 1
    clock.advance(3000)
    assert await _spend(proxy, "3") == [200]


async def test_requests_at_once_do_not_all_pass(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(ROUTES, top=TOP % "")
    hold = asyncio.Event()
    origin.handler = lambda _: answer(b"sound", hold_head=hold)
    asked = [tasks.spawn(proxy.post("/db/speech", str(n)), "ask") for n in range(5)]
    await origin.received(2)
    await proxy.told(3)  # those that were refused
    hold.set()
    statuses = sorted(each.status for each in await asyncio.gather(*asked))
    assert statuses == [200, 200, 429, 429, 429]


async def test_what_failed_is_given_back(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(ROUTES, top=TOP % "")
    origin.reply(*(answer(b"no", status=500) for _ in range(3)), answer(b"yes"))
    assert await _spend(proxy, "1", "2", "3", "4") == [500, 500, 500, 200]


async def test_each_credential_may_have_a_budget_of_its_own(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(ROUTES, top=TOP % ", by: credential")
    origin.handler = lambda _: answer(b"sound")
    assert await _spend(proxy, "1", "2", "3", key="a") == [200, 200, 429]
    assert await _spend(proxy, "1", key="b") == [200]


@pytest.mark.slow  # they tell each other once a second
async def test_instances_share_a_budget(larder: StartLarder, origin: Origin, shared: str) -> None:
    first = await larder(ROUTES, top=TOP % "", shared=shared)
    second = await larder(ROUTES, top=TOP % "", shared=shared)
    origin.handler = lambda _: answer(b"sound")
    assert await _spend(first, "1") == [200]
    assert await _spend(second, "2") == [200]
    for proxy in (first, second):
        await until(partial(_is_spent, proxy))
        assert await _spend(proxy, "3") == [429]


def _is_spent(proxy: Larder) -> bool:
    """Whether it knows so already: to find out by asking for more would be to spend more."""
    config = proxy.app.config()
    match = config.router.match(config.upstreams[0], request("POST", "/speech"))
    assert isinstance(match, Match)
    return proxy.app.accounts.budgets.over(match.route, match.subject) is not None


@pytest.mark.slow  # they tell each other once a second
async def test_a_budget_survives_a_reload_and_a_restart(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    first = await larder(ROUTES, top=TOP % "", shared=shared)
    origin.handler = lambda _: answer(b"sound")
    assert await _spend(first, "1", "2") == [200, 200]
    assert await first.app.reload() == ()
    assert await _spend(first, "3") == [429]
    second = await larder(ROUTES, top=TOP % "", shared=shared)
    await until(partial(_is_spent, second))
    assert await _spend(second, "3") == [429]


async def test_a_stale_answer_is_served_and_not_refreshed(
    larder: StartLarder, origin: Origin
) -> None:
    clock = ManualClock()
    routes = (
        "- {name: doc, match: GET /doc, ttl: 1m, stale: {while_revalidate: 1h}, cost: {miss: 30}}"
    )
    proxy = await larder(routes, top=TOP % "", clock=clock)
    origin.reply(answer(b"old"))
    await proxy.get("/db/doc")
    clock.advance(90)
    assert x_cache(await proxy.get("/db/doc")) == ["STALE"]
    await proxy.landed()
    assert len(origin.requests) == 1


async def test_what_is_not_stored_is_held_to_it_too(larder: StartLarder, origin: Origin) -> None:
    routes = "- {name: say, match: POST /say, ttl: off, cost: {miss: 30}}"
    proxy = await larder(routes, top=TOP % "")
    origin.handler = lambda _: answer(b"said")
    assert (await proxy.post("/db/say", "1")).status == 200
    assert (await proxy.post("/db/say", "1")).status == 429


async def test_a_refused_request_may_be_sent_once_the_window_has_ended(
    larder: StartLarder, origin: Origin
) -> None:
    """What is sent at most once was not sent at all: its claim is given back."""
    clock = ManualClock()
    routes = "- {name: sms, match: POST /sms, dedupe: 1d, cost: {miss: 30, hit: 1}}"
    proxy = await larder(routes, top=TOP % "", clock=clock)
    origin.handler = lambda _: answer(b"sent")
    assert (await proxy.post("/db/sms", "1")).status == 200
    assert (await proxy.post("/db/sms", "2")).status == 429
    repeated = await proxy.post("/db/sms", "1")
    assert (repeated.status, repeated["X-Cost"], repeated["X-Cost-Saved"]) == (200, "1", "29")
    clock.advance(3600)
    assert (await proxy.post("/db/sms", "2")).status == 200
    assert len(origin.requests) == 2


async def test_warming_and_the_like_are_not_held_to_it(larder: StartLarder, origin: Origin) -> None:
    routes = """
    - {name: list, match: GET /list, ttl: 1h, prefetch: "GET /doc"}
    - {name: doc, match: GET /doc, ttl: 1h, cost: {miss: 50, hit: 0}}
    """
    proxy = await larder(routes, top=TOP % "")
    origin.handler = lambda _: answer(b"x")
    assert (await proxy.get("/db/doc")).status == 429
    await proxy.get("/db/list")
    await origin.received(2)
    await proxy.landed()
    assert x_cache(await proxy.get("/db/doc")) == ["HIT"]
