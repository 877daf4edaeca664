"""A successful write's body becomes the entry that it wrote (RULES §3, `write_through`)."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.behind import settled
from tests.support.build import FieldLines
from tests.support.larder import Larder, StartLarder, until, x_cache
from tests.support.origin import Origin

JSON = {"Content-Type": "application/json"}
ROUTES = """
- {name: session, match: "GET /sessions/{id}", ttl: 1h, tags: ["session:{path.id}"]}
- name: create
  match: POST /sessions
  ttl: off
  write_through: GET /sessions/{response.body.id}
- name: write
  match: PUT,PATCH,DELETE /sessions/{id}
  ttl: off
  invalidate: [{on: success, tags: ["session:{path.id}"]}]
  write_through: GET /sessions/{path.id}
- {name: touch, match: "POST /touch/{id}", ttl: off, invalidate: {tags: ["session:{path.id}"]}}
"""
NEW = b'{"id": 7, "state": "new"}'
OLD = b'{"id": 7, "state": "old"}'
AT = "/db/sessions/7"


async def test_what_was_created_is_a_hit(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    origin.reply(answer(NEW, 201, fields=JSON))
    proxy = await larder(ROUTES, shared=every_store)
    posted = await proxy.post("/db/sessions", b"{}")
    got = await proxy.get(AT)
    assert (posted.status, posted.body) == (201, NEW)
    assert (got.status, got.body, got["X-Cache"]) == (200, NEW, "HIT")
    assert got["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_what_was_written_takes_the_place_of_what_was_stored(
    larder: StartLarder, origin: Origin, every_store: str, method: str
) -> None:
    origin.reply(answer(OLD, fields=JSON), answer(NEW, fields=JSON))
    proxy = await larder(ROUTES, shared=every_store)
    await proxy.get(AT)
    await proxy.ask(method, AT, body=b"{}")
    got = await proxy.get(AT)
    assert (got.body, got["X-Cache"]) == (NEW, "HIT")


async def test_both_instances_have_it(larder: StartLarder, origin: Origin, shared: str) -> None:
    origin.reply(answer(OLD, fields=JSON), answer(NEW, fields=JSON))
    one, two = await larder(ROUTES, shared=shared), await larder(ROUTES, shared=shared)
    await two.get(AT)
    await two.written(1)
    await one.ask("PUT", AT, body=b"{}")
    await one.written(1)
    await until(lambda: two.app.cache.position >= one.app.cache.position)
    here, there = await one.get(AT), await two.get(AT)
    assert (here.body, there.body) == (NEW, NEW)
    assert x_cache(here, there) == ["HIT", "HIT"]


@pytest.mark.parametrize(
    ("status", "fields", "body"),
    [
        pytest.param(500, JSON, NEW, id="failed"),
        pytest.param(409, JSON, NEW, id="refused"),
        pytest.param(202, JSON, NEW, id="not-done-yet"),
        pytest.param(204, {}, b"", id="no-body"),
        pytest.param(200, JSON, b"", id="empty"),
        pytest.param(200, JSON, b'{"id": 7, "sta', id="cut-off"),
        pytest.param(200, {"Content-Type": "text/plain"}, NEW, id="no-json"),
        pytest.param(200, JSON, b'"done"', id="no-state"),
        pytest.param(200, {**JSON, "Vary": "Accept-Language"}, NEW, id="it-varies"),
        pytest.param(200, {**JSON, "Content-Encoding": "gzip"}, NEW, id="encoded"),
    ],
)
async def test_any_other_answer_to_a_write_is_not_the_entry(
    larder: StartLarder, origin: Origin, status: int, fields: FieldLines, body: bytes
) -> None:
    origin.reply(answer(body, status, fields=fields), answer(OLD, fields=JSON))
    proxy = await larder(ROUTES)
    await proxy.ask("PUT", AT, body=b"{}")
    got = await proxy.get(AT)
    assert (got.body, got["X-Cache"]) == (OLD, "MISS")


async def test_what_was_deleted_is_not_there(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer(NEW, fields=JSON), answer(OLD, fields=JSON), answer(status=404))
    proxy = await larder(ROUTES)
    await proxy.get(AT)
    await proxy.ask("DELETE", AT)
    assert (await proxy.get(AT)).status == 404


async def test_a_write_whose_answer_is_lost_leaves_nothing(
    larder: StartLarder, origin: Origin
) -> None:
    """It may have been done: what was stored before is no longer believed."""
    change = (
        "- {name: change, match: 'POST /change/{id}', ttl: off,"
        " write_through: 'GET /sessions/{path.id}'}\n"
    )
    origin.reply(answer(OLD, fields=JSON), answer(NEW, length=999, close=True))
    proxy = await larder(ROUTES + change)
    await proxy.get(AT)
    assert (await proxy.post("/db/change/7", b"{}")).status == 502
    origin.reply(answer(NEW, fields=JSON))
    got = await proxy.get(AT)
    assert (got.body, got["X-Cache"]) == (NEW, "MISS")


@pytest.mark.parametrize(
    "mine", [{"Authorization": "Bearer a"}, {"Cookie": "sid=a"}, {"X-Api-Key": "a"}]
)
async def test_another_credential_does_not_get_it(
    larder: StartLarder, origin: Origin, mine: FieldLines
) -> None:
    origin.reply(answer(NEW, 201, fields=JSON), answer(OLD, fields=JSON))
    proxy = await larder(ROUTES)
    await proxy.post("/db/sessions", b"{}", mine)
    assert x_cache(await proxy.get(AT), await proxy.get(AT, mine)) == ["MISS", "HIT"]


async def test_a_credential_in_the_query_goes_along_in_the_query(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer(NEW, 201, fields=JSON), answer(OLD, fields=JSON))
    proxy = await larder(ROUTES)
    await proxy.post("/db/sessions?api_key=mine", b"{}")
    told = [await proxy.get(f"{AT}?api_key=other"), await proxy.get(f"{AT}?api_key=mine")]
    assert x_cache(*told) == ["MISS", "HIT"]


async def test_a_client_that_wants_nothing_stored_has_nothing_stored(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer(NEW, 201, fields=JSON), answer(OLD, fields=JSON))
    proxy = await larder(ROUTES)
    await proxy.post("/db/sessions", b"{}", {"Cache-Control": "no-store"})
    assert (await proxy.get(AT))["X-Cache"] == "MISS"


@pytest.mark.parametrize("identity", ["..", ".", "", "a/../b", ["x"], {"a": 1}, None, True])
async def test_an_id_that_is_no_segment_leads_nowhere(
    larder: StartLarder, origin: Origin, identity: object
) -> None:
    origin.reply(answer({"id": identity}, 201, fields=JSON))
    proxy = await larder(ROUTES)
    assert (await proxy.post("/db/sessions", b"{}")).status == 201
    assert await proxy.entries() == []


async def test_a_client_that_takes_encodings_has_its_write_stored_all_the_same(
    larder: StartLarder, origin: Origin
) -> None:
    """What is to be read of an answer is asked for plain."""
    origin.reply(answer(NEW, 201, fields=JSON))
    proxy = await larder(ROUTES)
    await proxy.post("/db/sessions", b"{}", {"Accept-Encoding": "gzip, br"})
    assert origin.last.fields.get("accept-encoding") == "identity"
    assert (await proxy.get(AT))["X-Cache"] == "HIT"


async def race(origin: Origin, one: Larder, two: Larder) -> None:
    """1. a write goes up; 2. another goes up, and is answered; 3. the first one's answer comes."""
    held = asyncio.Event()
    origin.reply(answer(OLD, fields=JSON, hold_head=held))
    async with asyncio.TaskGroup() as group:
        group.create_task(one.ask("PUT", AT, body=b"1"))  # 1
        await origin.received(1)
        origin.reply(answer(NEW, fields=JSON))
        await two.ask("PUT", AT, body=b"2")  # 2
        held.set()  # 3
    origin.handler = lambda _: answer(NEW, fields=JSON)


async def test_of_two_racing_writes_the_older_is_never_left(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    """Which of them the origin did last, nobody knows: what is served is what it says now."""
    proxy = await larder(ROUTES, shared=every_store)
    await race(origin, proxy, proxy)
    assert (await proxy.get(AT)).body == NEW


async def test_of_two_writes_racing_on_two_instances_the_older_is_never_left(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    one, two = await larder(ROUTES, shared=shared), await larder(ROUTES, shared=shared)
    await race(origin, one, two)
    assert [(await each.get(AT)).body for each in (one, two)] == [NEW, NEW]


async def overtaken(origin: Origin, one: Larder, two: Larder) -> None:
    """1. a write goes up; 2. the same is changed by other means; 3. the write's answer comes."""
    held = asyncio.Event()
    origin.reply(answer(OLD, fields=JSON, hold_head=held), answer(b"touched"))
    async with asyncio.TaskGroup() as group:
        group.create_task(one.ask("PUT", AT, body=b"1"))  # 1
        await origin.received(1)
        await two.post("/db/touch/7", b"")  # 2
        held.set()  # 3
    origin.handler = lambda _: answer(NEW, fields=JSON)


async def test_a_write_that_something_else_overtook_is_not_stored(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    proxy = await larder(ROUTES, shared=every_store)
    await overtaken(origin, proxy, proxy)
    assert (await proxy.get(AT)).body == NEW


async def test_a_write_that_another_instance_overtook_is_not_stored(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    one, two = await larder(ROUTES, shared=shared), await larder(ROUTES, shared=shared)
    await overtaken(origin, one, two)
    assert (await one.get(AT)).body == NEW


async def test_writes_one_after_the_other_leave_the_last(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    proxy = await larder(ROUTES, shared=every_store)
    for number in range(5):
        body = b'{"id": 7, "n": %d}' % number
        origin.reply(answer(body, fields=JSON))
        await proxy.ask("PUT", AT, body=b"{}")
        got = await proxy.get(AT)
        assert (got.body, got["X-Cache"]) == (body, "HIT")


async def test_a_read_that_began_before_the_write_does_not_take_its_place(
    larder: StartLarder, origin: Origin
) -> None:
    """1. a read goes up; 2. a write is answered and stored; 3. the old answer comes."""
    held = asyncio.Event()
    origin.reply(answer(OLD, fields=JSON, hold_head=held), answer(NEW, fields=JSON))
    proxy = await larder(ROUTES)
    async with asyncio.TaskGroup() as group:
        group.create_task(proxy.get(AT))  # 1
        await origin.received(1)
        await proxy.ask("PUT", AT, body=b"{}")  # 2
        held.set()  # 3
    await settled(proxy)
    got = await proxy.get(AT)
    assert (got.body, got["X-Cache"]) == (NEW, "HIT")
