"""One list answer fills the entries of its items (RULES §4, `expand`), for whoever got the list."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.answers import answer
from tests.support.behind import settled
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder, x_cache
from tests.support.origin import Origin

JSON = {"Content-Type": "application/json"}
ROUTES = """
- name: scenes
  match: GET /projects/{project}/scenes
  ttl: 1h
  tags: ["project:{path.project}"]
  expand: {each: response.body.scenes, as: "GET /projects/{path.project}/scenes/{item.id}"}
- {name: scene, match: "GET /projects/{project}/scenes/{id}", ttl: 1h, tags: ["scene:{path.id}"]}
- {name: purge, match: "POST /purge/{tag}", ttl: off, invalidate: {tags: ["{path.tag}:1"]}}
"""
LIST = "/db/projects/7/scenes"


def scenes(*items: object) -> bytes:
    """A list's body."""
    return json.dumps({"scenes": items}).encode()


async def listed(proxy: Larder, fields: FieldLines = (), target: str = LIST) -> None:
    """Get the list, and wait until its items are stored."""
    assert (await proxy.get(target, fields)).status == 200
    await settled(proxy)


async def test_the_first_get_of_an_item_is_a_hit(
    larder: StartLarder, origin: Origin, every_store: str
) -> None:
    items = [{"id": 1, "title": "Ärger \u2028 \U0001f600", "n": [1.5, 1e3, None]}, {"id": "b"}]
    origin.reply(answer(scenes(*items), fields=JSON))
    proxy = await larder(ROUTES, shared=every_store)
    await listed(proxy)
    told = [await proxy.get(f"{LIST}/1"), await proxy.get(f"{LIST}/b")]
    assert x_cache(*told) == ["HIT", "HIT"]
    assert [json.loads(each.body) for each in told] == items
    assert told[0]["Content-Type"] == "application/json"


async def test_numbers_that_no_double_holds_keep_their_digits(
    larder: StartLarder, origin: Origin
) -> None:
    item = b'{"id":1,"big":123456789012345678901234567890,"long":0.1000000000000000000001}'
    origin.reply(answer(b'{"scenes": [%s]}' % item, fields=JSON))
    proxy = await larder(ROUTES)
    await listed(proxy)
    assert (await proxy.get(f"{LIST}/1")).body == item


async def test_another_instance_has_the_items_too(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    origin.reply(answer(scenes({"id": 1}, {"id": 2}), fields=JSON))
    one, two = await larder(ROUTES, shared=shared), await larder(ROUTES, shared=shared)
    await listed(one)
    await one.written(3)
    assert x_cache(await two.get(f"{LIST}/1"), await two.get(f"{LIST}/2")) == ["HIT", "HIT"]


async def test_an_item_is_as_old_as_its_list_and_ends_by_its_own_rule(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(scenes({"id": 1}), fields=JSON), answer(b'{"id": 1}', fields=JSON))
    proxy = await larder(ROUTES.replace('/{id}", ttl: 1h', '/{id}", ttl: 1m'), clock=clock)
    await listed(proxy)
    clock.advance(20)
    first = await proxy.get(f"{LIST}/1")
    clock.advance(41)
    assert (first["Age"], x_cache(first, await proxy.get(f"{LIST}/1"))) == ("20", ["HIT", "MISS"])


@pytest.mark.parametrize(
    "item",
    [
        pytest.param({"title": "no id"}, id="no-id"),
        pytest.param({"id": None}, id="null"),
        pytest.param({"id": ""}, id="empty"),
        pytest.param({"id": "."}, id="dot"),
        pytest.param({"id": ".."}, id="dots"),
        pytest.param({"id": ["x"]}, id="list"),
        pytest.param({"id": {"x": 1}}, id="mapping"),
        pytest.param({"id": True}, id="boolean"),
        pytest.param({"id": "\ud800"}, id="half-a-surrogate"),
        pytest.param("text", id="no-mapping"),
        pytest.param(None, id="nothing"),
    ],
)
async def test_an_item_without_a_usable_name_is_left_out_and_no_other(
    larder: StartLarder, origin: Origin, item: object
) -> None:
    origin.reply(answer(scenes({"id": 1}, item, {"id": 2}), fields=JSON))
    proxy = await larder(ROUTES)
    await listed(proxy)
    assert x_cache(await proxy.get(f"{LIST}/1"), await proxy.get(f"{LIST}/2")) == ["HIT", "HIT"]
    assert len(await proxy.entries()) == 3


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("a/b", "a%2Fb"),
        ("a?x=1", "a%3Fx%3D1"),
        ("a#b", "a%23b"),
        ("a\r\nHost: evil", "a%0D%0AHost%3A%20evil"),
        ("a%2Fb", "a%252Fb"),
        ("é", "%C3%A9"),
        (7, "7"),
        (1.5, "1.5"),
    ],
)
async def test_a_value_is_one_segment_whatever_it_holds(
    larder: StartLarder, origin: Origin, value: object, spelled: str
) -> None:
    """It is found where a client that writes it as one segment asks, and nowhere else."""
    origin.reply(answer(scenes({"id": value}), fields=JSON))
    proxy = await larder(ROUTES)
    await listed(proxy)
    assert (await proxy.get(f"{LIST}/{spelled}"))["X-Cache"] == "HIT"
    urls = {entry["url"] for entry in await proxy.entries()}
    assert urls == {"/projects/7/scenes", f"/projects/7/scenes/{spelled}"}


@pytest.mark.parametrize("value", ["../../admin", "a/../b", "..\\x", "x/.", "%2e%2e"])
async def test_a_value_that_may_lead_elsewhere_fills_nothing(
    larder: StartLarder, origin: Origin, value: str
) -> None:
    origin.reply(answer(scenes({"id": value}), fields=JSON))
    proxy = await larder(ROUTES)
    await listed(proxy)
    assert [entry["url"] for entry in await proxy.entries()] == ["/projects/7/scenes"]


async def test_two_items_with_one_name_fill_nothing(larder: StartLarder, origin: Origin) -> None:
    origin.reply(
        answer(scenes({"id": 1, "v": "a"}, {"id": "1", "v": "b"}, {"id": 2}), fields=JSON),
        answer(b"asked"),
    )
    proxy = await larder(ROUTES)
    await listed(proxy)
    assert (await proxy.get(f"{LIST}/1")).body == b"asked"
    assert (await proxy.get(f"{LIST}/2"))["X-Cache"] == "HIT"


async def test_of_a_long_list_the_first_two_hundred_are_stored(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer(scenes(*({"id": number} for number in range(10_000))), fields=JSON))
    origin.handler = lambda _: answer(b"asked")
    proxy = await larder(ROUTES)
    await listed(proxy)
    told = [await proxy.get(f"{LIST}/{number}") for number in (0, 199, 200, 9_999)]
    assert x_cache(*told) == ["HIT", "HIT", "MISS", "MISS"]


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ({"Authorization": "Bearer a"}, {"Authorization": "Bearer b"}),
        ({"Cookie": "sid=a"}, {"Cookie": "sid=b"}),
        ({"X-Api-Key": "a"}, {}),
    ],
)
async def test_another_credential_does_not_get_them(
    larder: StartLarder, origin: Origin, mine: FieldLines, other: FieldLines
) -> None:
    origin.reply(answer(scenes({"id": 1}), fields=JSON), answer(b"theirs"))
    proxy = await larder(ROUTES)
    await listed(proxy, mine)
    told = await proxy.get(f"{LIST}/1", other)
    assert (told.body, told["X-Cache"]) == (b"theirs", "MISS")
    assert (await proxy.get(f"{LIST}/1", mine))["X-Cache"] == "HIT"


async def test_a_credential_in_the_query_goes_along_in_the_query(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer(scenes({"id": 1}), fields=JSON))
    origin.handler = lambda _: answer(b"asked")
    proxy = await larder(ROUTES)
    await listed(proxy, target=f"{LIST}?page=1&api_key=mine")
    told = [
        await proxy.get(f"{LIST}/1{query}") for query in ("?api_key=mine", "?api_key=other", "")
    ]
    assert x_cache(*told) == ["HIT", "MISS", "MISS"]


@pytest.mark.parametrize(
    ("scope_of_list", "scope_of_item", "outcome"),
    [
        ("credential", "shared", "MISS"),
        ("[header.x-user]", "shared", "MISS"),
        ("[header.x-user]", "[header.x-team]", "MISS"),
        ("shared", "shared", "HIT"),
        ("shared", "credential", "HIT"),
        ("[header.x-user]", "[header.x-user]", "HIT"),
    ],
)
async def test_a_list_for_some_fills_nothing_for_more(
    larder: StartLarder, origin: Origin, scope_of_list: str, scope_of_item: str, outcome: str
) -> None:
    routes = ROUTES.replace("ttl: 1h\n", f"ttl: 1h\n  scope: {scope_of_list}\n")
    routes = routes.replace('/{id}", ttl: 1h', f'/{{id}}", ttl: 1h, scope: {scope_of_item}')
    fields = {"Authorization": "Bearer a", "X-User": "u", "X-Team": "t"}
    origin.reply(answer(scenes({"id": 1}), fields=JSON), answer(b"asked"))
    proxy = await larder(routes)
    await listed(proxy, fields)
    assert (await proxy.get(f"{LIST}/1", fields))["X-Cache"] == outcome


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        pytest.param({"Vary": "Accept-Language"}, {}, id="it-varies"),
        pytest.param({}, {"Cache-Control": "no-store"}, id="the-client-wants-nothing-stored"),
        pytest.param({"Content-Encoding": "gzip"}, {}, id="it-is-encoded"),
    ],
)
async def test_an_answer_that_is_not_for_everybody_fills_nothing(
    larder: StartLarder, origin: Origin, fields: FieldLines, asked: FieldLines
) -> None:
    origin.reply(answer(scenes({"id": 1}), fields={**JSON, **dict(fields)}), answer(b"asked"))
    proxy = await larder(ROUTES)
    await listed(proxy, asked)
    assert (await proxy.get(f"{LIST}/1")).body == b"asked"


@pytest.mark.parametrize(
    "body", [b'{"scenes": {"id": 1}}', b'{"scenes": 1}', b"{}", b"[]", b'{"scenes": []}']
)
async def test_what_is_no_list_is_left_alone(
    larder: StartLarder, origin: Origin, body: bytes
) -> None:
    origin.reply(answer(body, fields=JSON))
    proxy = await larder(ROUTES)
    await listed(proxy)
    assert len(await proxy.entries()) == 1


@pytest.mark.parametrize("tag", ["scene", "project"])
async def test_what_is_invalidated_while_the_list_is_fetched_is_not_served(
    larder: StartLarder, origin: Origin, every_store: str, tag: str
) -> None:
    """1. the list is read; 2. a write to what is in it is acknowledged; 3. the list arrives."""
    held = asyncio.Event()
    routes = ROUTES.replace('"project:{path.project}"', '"project:1"')
    origin.reply(
        answer(scenes({"id": 1, "v": "old"}), fields=JSON, hold_head=held),
        answer(b"written"),
        answer(b"new"),
    )
    proxy = await larder(routes, shared=every_store)
    async with asyncio.TaskGroup() as group:
        group.create_task(proxy.get(LIST))  # 1
        await origin.received(1)
        await proxy.post(f"/db/purge/{tag}", b"")  # 2
        held.set()  # 3
    await settled(proxy)
    assert (await proxy.get(f"{LIST}/1")).body == b"new"


async def test_what_was_asked_for_later_stays(larder: StartLarder, origin: Origin) -> None:
    """1. the list is read; 2. an item is fetched, and it is newer; 3. the list arrives."""
    held = asyncio.Event()
    origin.reply(
        answer(scenes({"id": 1, "v": "older"}), fields=JSON, hold_head=held), answer(b"newer")
    )
    proxy = await larder(ROUTES)
    async with asyncio.TaskGroup() as group:
        group.create_task(proxy.get(LIST))  # 1
        await origin.received(1)
        await proxy.get(f"{LIST}/1")  # 2
        held.set()  # 3
    await settled(proxy)
    assert (await proxy.get(f"{LIST}/1")).body == b"newer"


async def test_an_item_whose_rule_refuses_it_is_not_stored(
    larder: StartLarder, origin: Origin
) -> None:
    routes = ROUTES.replace(
        '/{id}", ttl: 1h', '/{id}", ttl: 1h, store_if: {response.body.ok: true}'
    )
    origin.reply(
        answer(scenes({"id": 1, "ok": True}, {"id": 2}), fields=JSON), answer(b'{"ok": true}')
    )
    proxy = await larder(routes)
    await listed(proxy)
    told = [await proxy.get(f"{LIST}/1"), await proxy.get(f"{LIST}/2")]
    assert x_cache(*told) == ["HIT", "MISS"]


async def test_an_error_fills_nothing(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer(scenes({"id": 1}), 500, fields=JSON), answer(b"asked"))
    proxy = await larder(ROUTES)
    await proxy.get(LIST)
    await settled(proxy)
    assert (await proxy.get(f"{LIST}/1")).body == b"asked"


async def test_a_list_that_was_found_unchanged_fills_its_items_again(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    origin.reply(
        answer(scenes({"id": 1}), fields={**JSON, "ETag": '"v1"'}),
        answer(status=304, fields={"ETag": '"v1"'}),
    )
    proxy = await larder(ROUTES, clock=clock)
    await listed(proxy)
    clock.advance(3601)
    await listed(proxy)
    told = await proxy.get(f"{LIST}/1")
    assert (told["X-Cache"], told["Age"]) == ("HIT", "0")
