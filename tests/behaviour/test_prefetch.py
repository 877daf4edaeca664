"""What is asked for next is fetched behind, and never before what clients wait for (`prefetch`)."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.answers import Answer, answer
from tests.support.behind import jobs, settled
from tests.support.build import FieldLines
from tests.support.larder import StartLarder, until, x_cache
from tests.support.origin import Origin

JSON = {"Content-Type": "application/json"}
ROUTES = """
- name: project
  match: GET /projects/{project}
  ttl: 1h
  prefetch: "GET /projects/{path.project}/scenes"
- name: scenes
  match: GET /projects/{project}/scenes
  ttl: 1h
  prefetch: ["GET /scenes/{item.id} for item in response.body[:3]"]
- {name: scene, match: "GET /scenes/{id}", ttl: 1h}
- {name: loop, match: "GET /loop/{id}", ttl: 1h, prefetch: "GET /loop/{response.body.next}"}
- {name: front, match: GET /front, ttl: off, prefetch: [GET /scenes/9]}
- {name: live, match: "GET /live/{id}", ttl: off}
"""
SCENES = "/db/projects/7/scenes"


def listing(*ids: object) -> Answer:
    """A list of items with these ids."""
    return answer(json.dumps([{"id": each} for each in ids]), fields=JSON)


def targets(origin: Origin) -> list[str]:
    """What the origin was asked for."""
    return [request.target for request in origin.requests]


async def test_what_is_in_a_list_is_fetched_behind_it(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    origin.reply(listing("a", "b", "c", "d"))
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(ROUTES, shared=every_store)
    await proxy.get(SCENES)
    await settled(proxy)
    told = [await proxy.get(f"/db/scenes/{name}") for name in "abcd"]
    assert x_cache(*told) == ["HIT", "HIT", "HIT", "MISS"]
    assert jobs(proxy) == {"done": 3}


async def test_opening_one_thing_fetches_the_next_and_no_more(
    larder: StartLarder, origin: Origin
) -> None:
    """What was fetched behind is the source of nothing more: there would be no end of it."""
    origin.reply(answer(b"{}", fields=JSON), listing("a"))
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(ROUTES)
    await proxy.get("/db/projects/7")
    await settled(proxy)
    assert targets(origin) == ["/projects/7", "/projects/7/scenes"]
    assert (await proxy.get(SCENES))["X-Cache"] == "HIT"


async def test_what_leads_to_itself_ends(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda request: answer(
        {"next": int(request.target.rpartition("/")[2]) + 1}, fields=JSON
    )
    proxy = await larder(ROUTES)
    await proxy.get("/db/loop/1")
    await settled(proxy)
    assert targets(origin) == ["/loop/1", "/loop/2"]


async def test_a_hit_fetches_nothing(larder: StartLarder, origin: Origin) -> None:
    origin.reply(listing("a"))
    origin.handler = lambda _: answer(b"{}", fields={**JSON, "Cache-Control": "no-store"})
    proxy = await larder(ROUTES.replace('{id}", ttl: 1h}', '{id}", ttl: 1s}'))
    await proxy.get(SCENES)
    await settled(proxy)
    await proxy.get(SCENES)
    await settled(proxy)
    assert targets(origin) == ["/projects/7/scenes", "/scenes/a"]


async def test_an_answer_that_is_not_stored_may_tell_what_comes_next(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(ROUTES)
    await proxy.get("/db/front")
    await settled(proxy)
    assert (await proxy.get("/db/scenes/9"))["X-Cache"] == "HIT"


async def test_what_is_fresh_is_not_fetched_again(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda request: (
        listing("a", "b") if request.target.endswith("/scenes") else answer(b"{}", fields=JSON)
    )
    proxy = await larder(ROUTES)
    await proxy.get("/db/scenes/a")
    await proxy.get(SCENES)
    await settled(proxy)
    assert sorted(targets(origin)) == ["/projects/7/scenes", "/scenes/a", "/scenes/b"]


@pytest.mark.parametrize(
    "mine", [{"Authorization": "Bearer a"}, {"Cookie": "sid=a"}, {"X-Api-Key": "a"}]
)
async def test_it_is_fetched_in_the_clients_name_and_for_that_client(
    larder: StartLarder, origin: Origin, mine: FieldLines
) -> None:
    origin.reply(listing("a"))
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(ROUTES)
    await proxy.get(SCENES, mine)
    await settled(proxy)
    name, value = next(iter(dict(mine).items()))
    assert origin.last.fields.get(name) == value
    told = [await proxy.get("/db/scenes/a"), await proxy.get("/db/scenes/a", mine)]
    assert x_cache(*told) == ["MISS", "HIT"]


async def test_a_credential_in_the_query_goes_along(larder: StartLarder, origin: Origin) -> None:
    origin.reply(listing("a"))
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(ROUTES)
    await proxy.get(f"{SCENES}?page=2&api_key=mine")
    await settled(proxy)
    assert origin.last.target == "/scenes/a?api_key=mine"


@pytest.mark.parametrize("name", ["Range", "If-None-Match", "Cache-Control", "If-Modified-Since"])
async def test_what_the_client_asked_of_the_list_is_not_asked_of_the_items(
    larder: StartLarder, origin: Origin, name: str
) -> None:
    value = {"Range": "bytes=0-", "Cache-Control": "max-age=0"}.get(name, '"x"')
    origin.reply(listing("a"))
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(ROUTES)
    await proxy.get(SCENES, {name: value})
    await settled(proxy)
    assert all(name.lower() not in request.fields for request in origin.requests[1:])


async def test_a_client_that_wants_nothing_stored_has_nothing_fetched(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(ROUTES)
    await proxy.get("/db/front", {"Cache-Control": "no-store"})
    await settled(proxy)
    assert targets(origin) == ["/front"]


@pytest.mark.parametrize(
    "value", ["..", ".", "", "../x", "a\\..", None, True, {}, [], "x/../y", "\ud800"]
)
async def test_a_value_that_may_lead_elsewhere_is_not_asked_for(
    larder: StartLarder, origin: Origin, value: object
) -> None:
    origin.reply(listing(value))
    proxy = await larder(ROUTES)
    await proxy.get(SCENES)
    await settled(proxy)
    assert len(origin.requests) == 1


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("a/b", "/scenes/a%2Fb"),
        ("a?b#c", "/scenes/a%3Fb%23c"),
        ("a b", "/scenes/a%20b"),
        ("a\r\nX: y", "/scenes/a%0D%0AX%3A%20y"),
    ],
)
async def test_a_value_stays_one_segment(
    larder: StartLarder, origin: Origin, value: str, target: str
) -> None:
    origin.reply(listing(value))
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(ROUTES)
    await proxy.get(SCENES)
    await settled(proxy)
    assert targets(origin)[1:] == [target]


async def test_of_a_long_list_no_more_than_two_hundred_are_fetched_two_at_a_time(
    larder: StartLarder, origin: Origin
) -> None:
    held = asyncio.Event()
    origin.reply(listing(*range(10_000)))
    origin.handler = lambda _: answer(b"{}", fields=JSON, hold_head=held)
    proxy = await larder(ROUTES.replace("response.body[:3]", "response.body"))
    await proxy.get(SCENES)
    await origin.received(3)
    await until(lambda: len(proxy.app.background) == 200)
    assert targets(origin) == ["/projects/7/scenes", "/scenes/0", "/scenes/1"]
    held.set()
    await settled(proxy)
    assert jobs(proxy) == {"done": 200}


async def test_what_clients_wait_for_goes_first(larder: StartLarder, origin: Origin) -> None:
    """Nothing behind is ever ahead.

    1. a client's fetch waits for its head; 2. a list comes, and tells what is next; 3. the
    first client is answered: only now is that fetched.
    """
    held = asyncio.Event()
    origin.reply(answer(b"live", hold_head=held), listing("a", "b"))
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(ROUTES)
    async with asyncio.TaskGroup() as group:
        group.create_task(proxy.get("/db/live/1"))  # 1
        await origin.received(1)
        await proxy.get(SCENES)  # 2
        await until(lambda: len(proxy.app.background) == 2)
        assert targets(origin) == ["/live/1", "/projects/7/scenes"]
        held.set()  # 3
    await settled(proxy)
    assert targets(origin)[2:] == ["/scenes/a", "/scenes/b"]


async def test_an_upstream_that_fails_is_told_nobody_and_counted(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(listing("a", "b"), answer(b"no", 500), answer(b"no", 500))
    proxy = await larder(ROUTES, upstream="retry: {attempts: 1}")
    assert (await proxy.get(SCENES)).status == 200
    await settled(proxy)
    assert jobs(proxy) == {"failed": 2}
    failed = {"upstream": "db", "result": "failed"}
    assert await proxy.metric("larder_background_jobs_total", **failed) == 2


async def test_an_upstream_that_is_gone_is_told_nobody(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(ROUTES, upstream="retry: {attempts: 1}")
    origin.reply(listing("a"), answer(b"", close=True, cut_at=0, length=9))
    assert (await proxy.get(SCENES)).status == 200
    await settled(proxy)
    assert jobs(proxy) == {"failed": 1}


async def test_what_is_fetched_behind_counts_as_nobodys_request(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(listing("a"))
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(ROUTES)
    await proxy.get(SCENES)
    await settled(proxy)
    record = await proxy.told(2)
    assert (record.route, record.background, record.stored) == ("scene", True, True)
    assert await proxy.metric("larder_requests_total", route="scene") == 0
    assert await proxy.metric("larder_stored_total", route="scene") == 1


async def test_it_is_fetched_in_the_clients_session(larder: StartLarder, origin: Origin) -> None:
    """Also where the proxy issued the id, which goes no further."""
    routes = ROUTES.replace("ttl: 1h", "ttl: 1h, scope: session").replace(
        "  ttl: 1h, scope: session\n", "  ttl: 1h\n  scope: session\n"
    )
    top = "sessions: {from: [cookie.visit], issue: cookie}"
    origin.reply(listing("a"), listing("a"))
    origin.handler = lambda _: answer(b"{}", fields=JSON)
    proxy = await larder(routes, top=top)
    issued = (await proxy.get(SCENES))["Set-Cookie"].partition(";")[0]
    await settled(proxy)
    await proxy.get(SCENES, {"Cookie": issued})
    await settled(proxy)
    assert (await proxy.get("/db/scenes/a", {"Cookie": issued}))["X-Cache"] == "HIT"
    assert all("cookie" not in request.fields for request in origin.requests)
