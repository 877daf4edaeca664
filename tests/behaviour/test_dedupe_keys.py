"""`Idempotency-Key` on a route with `dedupe` (draft-ietf-httpapi-idempotency-key-header-07).

One more name of a request, which its client gave: within a credential it stands for one request
only, however the route's own key reads.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.http import Answer
from tests.support.larder import Larder, StartLarder, until, x_cache
from tests.support.origin import Origin

WHOLE = "- {name: pay, match: 'POST,PATCH /pay/{id}', dedupe: 10m}"
FIRST = {"amount": 5}
KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'


@pytest.fixture
async def proxy(larder: StartLarder, origin: Origin) -> Larder:
    """A proxy whose origin numbers what it is sent."""
    origin.handler = lambda _: answer({"id": len(origin.requests)}, 201)
    return await larder(WHOLE)


async def pay(
    proxy: Larder, key: str, body: object = FIRST, path: str = "1", **more: str
) -> Answer:
    return await proxy.post(f"/db/pay/{path}", body, {"Idempotency-Key": key, **more})


@pytest.mark.parametrize("key", [KEY, "8e03978e-40d5-43e8-bc93-6894a57f9324", "a", '"a b"'])
async def test_a_repeat_under_its_key_gets_the_first_answer(
    proxy: Larder, origin: Origin, key: str
) -> None:
    assert x_cache(await pay(proxy, key), await pay(proxy, key)) == ["MISS", "HIT"]
    assert len(origin.requests) == 1
    assert origin.last.fields.get("idempotency-key") == key


async def test_a_string_and_a_bare_word_are_the_same_key(proxy: Larder) -> None:
    await pay(proxy, '"abc"')
    assert (await pay(proxy, "abc"))["X-Cache"] == "HIT"


@pytest.mark.parametrize(
    ("body", "path", "query"),
    [({"amount": 6}, "1", ""), (FIRST, "1", "?fast=1")],
    ids=["body", "query"],
)
async def test_a_key_of_another_request_is_refused(
    proxy: Larder, origin: Origin, body: object, path: str, query: str
) -> None:
    await pay(proxy, KEY)
    got = await pay(proxy, KEY, body, path + query)
    assert (got.status, got.json()["reason"]) == (422, "key-reused")
    assert len(origin.requests) == 1


async def test_a_key_of_another_request_is_refused_while_that_is_under_way(
    proxy: Larder, origin: Origin
) -> None:
    held = asyncio.Event()
    origin.handler = lambda _: answer(b"paid", 201, hold_head=held)
    first = asyncio.gather(pay(proxy, KEY))
    await origin.received(1)
    assert (await pay(proxy, KEY, {"amount": 6})).status == 422
    held.set()
    assert (await first)[0].status == 201


@pytest.mark.parametrize(
    ("path", "fields"),
    [("2", {}), ("1", {"Authorization": "Bearer b"})],
    ids=["target", "credential"],
)
async def test_elsewhere_it_is_another_key(
    proxy: Larder, path: str, fields: dict[str, str]
) -> None:
    await pay(proxy, KEY)
    assert (await pay(proxy, KEY, {"amount": 6}, path, **fields)).json() == {"id": 2}


async def test_a_shared_scope_does_not_share_keys(larder: StartLarder, origin: Origin) -> None:
    """Two clients that count their requests from 1 must not get each other's answers."""
    origin.handler = lambda _: answer({"id": len(origin.requests)}, 201)
    proxy = await larder(WHOLE.replace("dedupe", "scope: shared, dedupe"))
    got = [
        await pay(proxy, "1", {"amount": amount}, Authorization=f"Bearer {amount}")
        for amount in (1, 2)
    ]
    assert [each.json()["id"] for each in got] == [1, 2]


async def test_both_names_must_be_free(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer({"id": len(origin.requests)}, 201)
    proxy = await larder(
        "- {name: pay, match: 'POST /pay/{id}', key: 'pay:{path.id}', dedupe: 10m}"
    )
    assert (await pay(proxy, "one")).json() == {"id": 1}
    assert (await pay(proxy, "two", {"amount": 6})).json() == {"id": 1}  # the route's key was there
    assert (await proxy.post("/db/pay/1", b"")).json() == {"id": 1}
    # What was answered without being sent took no key.
    assert (await pay(proxy, "two", {"amount": 7})).json() == {"id": 1}
    assert len(origin.requests) == 1


async def test_a_key_helps_a_request_that_the_route_cannot_key(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer({"id": len(origin.requests)}, 201)
    proxy = await larder("- {name: pay, match: 'POST /pay/{id}', key: '{body.order}', dedupe: 10m}")
    got = [await pay(proxy, KEY), await pay(proxy, KEY), await proxy.post("/db/pay/1", FIRST)]
    assert [each.json()["id"] for each in got] == [1, 1, 2]


@pytest.mark.parametrize(
    "key",
    [
        '""',
        "",
        '"a',
        "a b",
        "(a b)",
        ":YQ==:",
        "a, b",
        '"a", "b"',
        "x" * 257,
        f'"{"x" * 257}"',
        "é",
    ],
)
async def test_a_malformed_key_is_refused(proxy: Larder, origin: Origin, key: str) -> None:
    got = await pay(proxy, key)
    assert (got.status, got.json()["reason"]) == (400, "bad-key")
    assert origin.requests == []


async def test_elsewhere_it_is_passed_on(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer({"id": len(origin.requests)}, 201)
    proxy = await larder("- {name: other, match: POST /else, dedupe: 10m}")
    assert [(await pay(proxy, KEY)).json()["id"] for _ in range(2)] == [1, 2]


async def test_a_refusal_frees_both_names(proxy: Larder, origin: Origin) -> None:
    origin.reply(answer(status=400))
    assert [(await pay(proxy, KEY)).status for _ in range(2)] == [400, 201]
    assert (await proxy.post("/db/pay/1", FIRST))["X-Cache"] == "HIT"


async def test_two_that_need_each_others_names_both_come_to_an_end(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(
        "- {name: pay, match: 'POST /pay/{id}', key: 'pay:{path.id}', dedupe: 10m}"
    )
    held = asyncio.Event()
    origin.handler = lambda _: answer({"id": len(origin.requests)}, 201, hold_head=held)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(pay(proxy, f"{n % 3}")) for n in range(30)]
        await until(lambda: proxy.app.readings().in_flight == 30)
        held.set()
    assert {each.result().body for each in asked} == {b'{"id":1}'}
