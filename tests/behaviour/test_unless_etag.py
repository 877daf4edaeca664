"""`unless_etag`: an invalidation that spares what is already of the state it speaks of."""

from __future__ import annotations

import pytest

from tests.support.answers import Answer, answer
from tests.support.larder import Larder, StartLarder, until, x_cache
from tests.support.origin import Origin, Received

ROUTES = """
- {name: settings, match: GET /settings, ttl: 5m, scope: shared, tags: [settings],
   etag: response.body.v}
- {name: marker, match: GET /marker, ttl: 5m, scope: shared, tags: [marker]}
- name: event
  match: POST /event
  ttl: off
  invalidate:
    - {tags: settings, when: {body.v: {exists: true}}, unless_etag: "{body.v}"}
    - {tags: settings, when: {body.v: {exists: false}}, unless_etag: "{body.none}"}
    - {tags: marker}
"""


def serve(origin: Origin, version: str) -> None:
    def handle(request: Received) -> Answer:
        if request.target == "/settings":
            return answer({"v": version}, fields=[("Content-Type", "application/json")])
        return answer("ok")

    origin.handler = handle


async def event(proxy: Larder, *others: Larder, **told: object) -> None:
    """Tell of a state; returns once every instance has followed."""
    for each in (proxy, *others):
        await each.get("/db/marker")
    await proxy.post("/db/event", told)
    for other in others:
        await until(lambda one=other: _followed(one))  # type: ignore[misc]


async def _followed(proxy: Larder) -> bool:
    return (await proxy.get("/db/marker"))["X-Cache"] != "HIT"


@pytest.mark.parametrize(
    ("told", "state"),
    [
        pytest.param({"v": "1"}, "HIT", id="of-this-state"),
        pytest.param({"v": 'W/"1"'}, "HIT", id="compared-weakly"),
        pytest.param({"v": '"1"'}, "HIT", id="in-quotes"),
        pytest.param({"v": "2"}, "MISS", id="of-another"),
        pytest.param({"v": "1" * 300}, "MISS", id="too-long-to-be-noted"),
        pytest.param({}, "MISS", id="without-it-nothing-is-spared"),
    ],
)
async def test_one_instance(
    larder: StartLarder, origin: Origin, told: dict[str, object], state: str
) -> None:
    serve(origin, "1")
    proxy = await larder(ROUTES)
    await proxy.get("/db/settings")
    await event(proxy, **told)
    assert (await proxy.get("/db/settings"))["X-Cache"] == state


async def test_two_instances(larder: StartLarder, origin: Origin, shared: str) -> None:
    serve(origin, "1")
    one, two = await larder(ROUTES, shared=shared), await larder(ROUTES, shared=shared)
    await one.get("/db/settings")
    await one.written(1)
    assert (await two.get("/db/settings"))["X-Cache"] == "HIT"
    await event(one, two, v="1")
    both = [await one.get("/db/settings"), await two.get("/db/settings")]
    assert x_cache(*both) == ["HIT", "HIT"]
    serve(origin, "2")
    await event(one, two, v="2")
    killed = [await two.get("/db/settings"), await one.get("/db/settings")]
    assert killed[0]["X-Cache"] == "MISS"
    assert [answered["ETag"] for answered in killed] == ['W/"2"'] * 2


@pytest.mark.parametrize(("told", "state"), [("1", "HIT"), ("2", "MISS")])
async def test_after_a_restart(
    larder: StartLarder, origin: Origin, shared: str, told: str, state: str
) -> None:
    serve(origin, "1")
    before = await larder(ROUTES, shared=shared)
    await before.get("/db/settings")
    await before.written(1)
    await event(before, v=told)
    after = await larder(ROUTES, shared=shared)
    assert (await after.get("/db/settings"))["X-Cache"] == state


async def test_two_events_spare_only_what_both_spare(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    """1. The entry is of state 1.  2. Told of 2.  3. Told of 1: what it was is over anyway."""
    serve(origin, "1")
    proxy = await larder(ROUTES, shared=shared)
    await proxy.get("/db/settings")
    await proxy.written(1)
    await event(proxy, v="2")
    await event(proxy, v="1")
    assert (await proxy.get("/db/settings"))["X-Cache"] == "MISS"


async def test_an_answer_under_way_is_judged_by_its_own_tag(
    larder: StartLarder, origin: Origin
) -> None:
    """1. A fetch reads state 1.  2. Told of 2.  3. The fetch ends: it is not kept."""
    serve(origin, "1")
    proxy = await larder(ROUTES)

    async def overtaken(request: Received) -> Answer:
        if request.target == "/settings":
            await proxy.client.post("/db/event", {"v": "2"})
            return answer({"v": "1"}, fields=[("Content-Type", "application/json")])
        return answer("ok")

    origin.handler = overtaken
    await proxy.get("/db/settings")
    await proxy.landed()
    serve(origin, "2")
    told = await proxy.get("/db/settings")
    assert (told["X-Cache"], told["ETag"]) == ("MISS", 'W/"2"')


async def test_an_answer_under_way_that_is_of_the_new_state_is_kept(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(ROUTES)

    async def overtaken(request: Received) -> Answer:
        if request.target == "/settings":
            await proxy.client.post("/db/event", {"v": "2"})
            return answer({"v": "2"}, fields=[("Content-Type", "application/json")])
        return answer("ok")

    origin.handler = overtaken
    await proxy.get("/db/settings")
    await proxy.landed()
    assert (await proxy.get("/db/settings"))["X-Cache"] == "HIT"


@pytest.mark.parametrize(("etag", "count", "state"), [('"1"', 0, "HIT"), ("2", 1, "MISS")])
async def test_a_purge_may_spare_too(
    larder: StartLarder, origin: Origin, etag: str, count: int, state: str
) -> None:
    serve(origin, "1")
    proxy = await larder(ROUTES)
    await proxy.get("/db/settings")
    told = await proxy.purge(tags=["settings"], unless_etag=etag)
    assert told["count"] == count
    assert (await proxy.get("/db/settings"))["X-Cache"] == state


@pytest.mark.parametrize(
    "members",
    [
        {"all": True, "unless_etag": "1"},
        {"tags": ["settings"], "soft": True, "unless_etag": "1"},
        {"tags": ["settings"], "unless_etag": '""'},
        {"tags": ["settings"], "unless_etag": "1" * 257},
    ],
)
async def test_where_a_purge_may_not(larder: StartLarder, members: dict[str, object]) -> None:
    proxy = await larder(ROUTES)
    said = await proxy.manage("POST", "/api/purge", members)
    assert (said.status, said.json()["member"]) == (400, "unless_etag")
