"""What a client may ask of the cache, and what a rule lets it (RFC 9111 §5.2.1, §5.4, RFC 5861)."""

from __future__ import annotations

import pytest

from tests.support.answers import Answer, Close, answer
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.larder import StartLarder
from tests.support.origin import Origin

CC = "Cache-Control"
LISTENS, IGNORES = "", "- {name: all, reload: ignore}"


@pytest.mark.parametrize(
    ("fields", "age", "listening", "ignoring"),
    [
        pytest.param({CC: "no-cache"}, 10, "MISS", "HIT", id="no-cache"),
        pytest.param({CC: "NO-CACHE"}, 10, "MISS", "HIT", id="case"),
        pytest.param({"Pragma": "no-cache"}, 10, "MISS", "HIT", id="pragma"),
        pytest.param({"Pragma": "x, no-cache"}, 10, "MISS", "HIT", id="pragma-in-a-list"),
        pytest.param({"Pragma": "no-cache", CC: "max-age=60"}, 10, "HIT", "HIT", id="pragma-loses"),
        pytest.param({CC: "max-age=0"}, 0, "HIT", "HIT", id="max-age-0-at-once"),
        pytest.param({CC: "max-age=0"}, 1, "MISS", "HIT", id="max-age-0"),
        pytest.param({CC: "max-age=10"}, 10, "HIT", "HIT", id="max-age-reached"),
        pytest.param({CC: "max-age=10"}, 11, "MISS", "HIT", id="max-age-passed"),
        pytest.param({CC: "max-age=-1"}, 10, "MISS", "HIT", id="max-age-malformed"),
        pytest.param({CC: "min-fresh=50"}, 10, "HIT", "HIT", id="min-fresh-just-met"),
        pytest.param({CC: "min-fresh=51"}, 10, "MISS", "HIT", id="min-fresh"),
        pytest.param({CC: "max-stale"}, 99, "STALE", "STALE", id="max-stale-any"),
        pytest.param({CC: "max-stale=40"}, 99, "STALE", "STALE", id="max-stale-within"),
        pytest.param({CC: "max-stale=30"}, 99, "MISS", "MISS", id="max-stale-passed"),
        pytest.param({CC: "max-stale=x"}, 99, "MISS", "MISS", id="max-stale-malformed"),
        pytest.param({CC: "max-stale=99, max-age=50"}, 70, "MISS", "STALE", id="max-age-and-stale"),
        pytest.param({CC: "max-stale=99, min-fresh=1"}, 70, "MISS", "STALE", id="min-fresh-too"),
        pytest.param({CC: "only-if-cached"}, 10, "HIT", "HIT", id="only-if-cached"),
        pytest.param({CC: "only-if-cached, max-stale"}, 99, "STALE", "STALE", id="cached-stale"),
        pytest.param({CC: "no-transform"}, 10, "HIT", "HIT", id="no-transform"),
        pytest.param({CC: "unknown=1"}, 10, "HIT", "HIT", id="unknown"),
    ],
)
@pytest.mark.parametrize("routes", [LISTENS, IGNORES], ids=["reload-allow", "reload-ignore"])
async def test_what_a_client_asks_of_a_stored_answer(
    larder: StartLarder,
    origin: Origin,
    clock: ManualClock,
    routes: str,
    fields: FieldLines,
    age: int,
    listening: str,
    ignoring: str,
) -> None:
    """Stored fresh for 60 seconds, `age` seconds ago. No directive outlives its request."""
    origin.handler = lambda _: answer("x", fields=[(CC, "max-age=60")])
    proxy = await larder(routes, clock=clock)
    await proxy.get("/db/a")
    clock.advance(age)
    told = await proxy.get("/db/a", fields)
    assert told["X-Cache"] == (ignoring if routes else listening)
    assert (await proxy.get("/db/b", fields)).status in {200, 504}


@pytest.mark.parametrize("routes", [LISTENS, IGNORES], ids=["reload-allow", "reload-ignore"])
async def test_no_store_and_only_if_cached_hold_whatever_the_rule(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    """§5.2.1.5: not looked up, and not stored either. §5.2.1.7: 504, and never a call."""
    origin.handler = lambda _: answer("x", fields=[(CC, "max-age=60")])
    proxy = await larder(routes)
    for _ in range(2):
        assert (await proxy.get("/db/a", {CC: "no-store"}))["X-Cache"] == "BYPASS"
    assert (await proxy.get("/db/a", {CC: "only-if-cached"})).status == 504
    assert len(origin.requests) == 2


@pytest.mark.parametrize(
    "control", ["max-age=60, must-revalidate", "s-maxage=60", "max-age=60, proxy-revalidate"]
)
async def test_max_stale_does_not_outweigh_what_must_be_revalidated(
    larder: StartLarder, origin: Origin, clock: ManualClock, control: str
) -> None:
    """§4.2.4, §5.2.2.2; and only-if-cached is then a 504."""
    origin.handler = lambda _: answer("x", fields=[(CC, control)])
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(61)
    assert (await proxy.get("/db/a", {CC: "only-if-cached, max-stale"})).status == 504
    assert (await proxy.get("/db/a", {CC: "max-stale"}))["X-Cache"] == "MISS"


async def test_immutable_outweighs_a_reload(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 8246 §2: while it is fresh; a client that insists says no-cache."""
    origin.handler = lambda _: answer("x", fields=[(CC, "max-age=60, immutable")])
    proxy = await larder(clock=clock)
    await proxy.get("/db/a")
    clock.advance(30)
    assert (await proxy.get("/db/a", {CC: "max-age=0"}))["X-Cache"] == "HIT"
    assert (await proxy.get("/db/a", {CC: "no-cache"}))["X-Cache"] == "MISS"
    clock.advance(61)
    assert (await proxy.get("/db/a", {CC: "max-age=0"}))["X-Cache"] == "MISS"


TROUBLE: dict[str, Answer] = {"503": answer("oops", 503), "closed": (Close(),)}


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize(
    ("stored", "asked", "stands_in"),
    [
        pytest.param("max-age=60", "stale-if-error=60", True, id="client"),
        pytest.param("max-age=60, stale-if-error=60", "", True, id="answer"),
        pytest.param("max-age=60, stale-if-error=10", "stale-if-error=60", True, id="longer-wins"),
        pytest.param("max-age=60, must-revalidate", "stale-if-error=60", False, id="forbidden"),
        pytest.param("s-maxage=60", "stale-if-error=60", False, id="s-maxage"),
        pytest.param("max-age=60", "no-cache, stale-if-error=60", False, id="no-cache"),
    ],
)
async def test_a_client_may_take_a_stale_answer_for_an_error(
    larder: StartLarder,
    origin: Origin,
    clock: ManualClock,
    trouble: str,
    stored: str,
    asked: str,
    stands_in: bool,
) -> None:
    """RFC 5861 §4: as a request directive, too; nothing that forbids stale is overruled."""
    origin.reply(answer("old", fields=[(CC, stored)]))
    origin.handler = lambda _: TROUBLE[trouble]
    proxy = await larder(upstream="retry: {attempts: 1}", clock=clock)
    await proxy.get("/db/a")
    clock.advance(100)
    told = await proxy.get("/db/a", {CC: asked} if asked else {})
    assert ((told.status, told.body) == (200, b"old")) is stands_in


async def test_the_clients_window_ends(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer("old", fields=[(CC, "max-age=60")]))
    origin.handler = lambda _: answer("oops", 503)
    proxy = await larder(upstream="retry: {attempts: 1}", clock=clock)
    await proxy.get("/db/a")
    clock.advance(121)
    assert (await proxy.get("/db/a", {CC: "stale-if-error=60"})).status == 503
    assert (await proxy.get("/db/a", {CC: "stale-if-error=61"})).status == 200
