"""An upstream in trouble does not take down what was answered before (RFC 5861 §4)."""

from __future__ import annotations

import pytest

from tests.support.answers import Answer, Close, answer
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder
from tests.support.origin import Origin

Fields = list[tuple[str, str]]
BY_HTTP: tuple[str, Fields] = ("", [("Cache-Control", "max-age=60, stale-if-error=600")])
BY_RULE: tuple[str, Fields] = ("- {name: all, ttl: 60s, stale: {if_error: 10m}}", [])
both = pytest.mark.parametrize(
    ("routes", "fields"), [pytest.param(*BY_HTTP, id="http"), pytest.param(*BY_RULE, id="rule")]
)
TROUBLE = {
    "500": answer("oops", 500),
    "502": answer("oops", 502),
    "503": answer("oops", 503),
    "504": answer("oops", 504),
    "closed": (Close(),),
    "reset": (Close(reset=True),),
}


async def stale_proxy(
    larder: StartLarder, origin: Origin, clock: ManualClock, routes: str, fields: Fields
) -> Larder:
    """A proxy that has `old` for /db/a, 40 seconds past its time."""
    origin.reply(answer("old", fields=fields))
    proxy = await larder(routes, upstream="retry: {attempts: 1}", clock=clock)
    await proxy.get("/db/a")
    clock.advance(100)
    return proxy


@both
@pytest.mark.parametrize("trouble", TROUBLE)
async def test_the_stale_answer_stands_in(
    larder: StartLarder,
    origin: Origin,
    clock: ManualClock,
    routes: str,
    fields: Fields,
    trouble: str,
) -> None:
    proxy = await stale_proxy(larder, origin, clock, routes, fields)
    failing: Answer = TROUBLE[trouble]
    origin.handler = lambda _: failing
    told = await proxy.get("/db/a")
    assert (told.status, told.body, told["X-Cache"], told["Age"]) == (200, b"old", "STALE", "100")
    assert told["Cache-Status"].startswith("larder; fwd=stale")


@both
async def test_also_when_the_upstream_is_gone(
    larder: StartLarder, origin: Origin, clock: ManualClock, routes: str, fields: Fields
) -> None:
    """Connection refused."""
    proxy = await stale_proxy(larder, origin, clock, routes, fields)
    await origin.stop()
    told = await proxy.get("/db/a")
    assert (told.status, told.body, told["X-Cache"]) == (200, b"old", "STALE")


@both
async def test_it_is_asked_again_and_the_new_answer_is_taken(
    larder: StartLarder, origin: Origin, clock: ManualClock, routes: str, fields: Fields
) -> None:
    proxy = await stale_proxy(larder, origin, clock, routes, fields)
    origin.reply(answer("oops", 503), answer("new", fields=fields))
    assert [(await proxy.get("/db/a")).body for _ in range(3)] == [b"old", b"new", b"new"]


@both
async def test_past_the_window_the_error_is_told(
    larder: StartLarder, origin: Origin, clock: ManualClock, routes: str, fields: Fields
) -> None:
    proxy = await stale_proxy(larder, origin, clock, routes, fields)
    clock.advance(600)
    origin.reply(answer("oops", 503))
    told = await proxy.get("/db/a")
    assert (told.status, told.body) == (503, b"oops")


@both
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 501])
async def test_an_answer_that_is_no_trouble_is_told(
    larder: StartLarder,
    origin: Origin,
    clock: ManualClock,
    routes: str,
    fields: Fields,
    status: int,
) -> None:
    proxy = await stale_proxy(larder, origin, clock, routes, fields)
    origin.reply(answer("told", status))
    assert (await proxy.get("/db/a")).status == status


@pytest.mark.parametrize(
    "forbids", ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60"]
)
async def test_must_revalidate_is_obeyed(
    larder: StartLarder, origin: Origin, clock: ManualClock, forbids: str
) -> None:
    """RFC 9111 §5.2.2.2: an error rather than a stale answer, with 5xx and without an upstream."""
    control = ("Cache-Control", f"max-age=60, stale-if-error=600, {forbids}")
    proxy = await stale_proxy(larder, origin, clock, "", [control])
    origin.reply(answer("oops", 503))
    assert (await proxy.get("/db/a")).status == 503
    await origin.stop()
    assert (await proxy.get("/db/a")).status in {502, 504}


async def test_without_any_permission_a_dead_upstream_is_stood_in_for_a_failing_one_is_not(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 9111 §4.2.4: a cache that is disconnected may serve stale; a 5xx is an answer."""
    proxy = await stale_proxy(larder, origin, clock, "", [("Cache-Control", "max-age=60")])
    origin.reply(answer("oops", 503))
    assert (await proxy.get("/db/a")).status == 503
    await origin.stop()
    assert (await proxy.get("/db/a")).body == b"old"


async def test_nothing_stored_a_gateway_error_with_its_reason(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(upstream="retry: {attempts: 1}")
    await origin.stop()
    told = await proxy.get("/db/a")
    assert (told.status, told["Content-Type"]) == (502, "application/problem+json")
    assert told.json()["reason"] == "upstream-connect"
    assert "detail=upstream-connect" in told["Cache-Status"]


async def test_an_open_breaker_serves_stale_and_leaves_the_upstream_alone(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    routes, fields = BY_RULE
    origin.reply(answer("old", fields=fields))
    proxy = await larder(
        routes, upstream="retry: {attempts: 1}\nbreaker: {failures: 2, open: 30s}", clock=clock
    )
    await proxy.get("/db/a")
    clock.advance(100)
    origin.handler = lambda _: answer("oops", 503)
    assert {(await proxy.get("/db/a")).body for _ in range(5)} == {b"old"}
    assert len(origin.requests) == 3
    refused = await proxy.get("/db/other")
    assert (refused.status, refused.json()["reason"]) == (503, "breaker-open")
