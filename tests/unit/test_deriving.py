"""What follows from an answer, before a real driver: what is stored of it, and as what."""

from __future__ import annotations

import json

from proxy.identifying import LARGE
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.http import Client
from tests.support.larder import until
from tests.support.origin import Origin
from tests.unit.small_proxy import SmallProxy, small_proxy

RULES = """
upstreams:
  db:
    url: ORIGIN
    mount: /db
    routes:
      - name: list
        match: GET /rows
        ttl: 1m
        expand: {each: response.body, as: "GET /rows/{item.id}"}
      - name: row
        match: GET /rows/{id}
        key: "row:{path.id}"
        ttl: 1m
        etag: content
        aliases: ["row:name:{response.body.name}"]
      - {name: by-name, match: "GET /names/{name}", key: "row:name:{path.name}", ttl: 1m}
      - name: small
        match: GET /small
        ttl: 1m
        expand: {each: response.body, as: "GET /s/{item.id}"}
      - {name: s, match: "GET /s/{id}", ttl: 1m, stream: {max: 32B}}
      - name: write
        match: PUT /rows/{id}
        ttl: off
        write_through: GET /rows/{path.id}
"""
JSON = {"Content-Type": "application/json"}


async def settled(proxy: SmallProxy) -> None:
    """Return once what follows is done."""
    await until(lambda: not len(proxy.background))


async def test_a_list_too_long_for_the_loop_is_read_all_the_same(
    origin: Origin, clock: ManualClock
) -> None:
    rows = [{"id": 1, "text": "x" * LARGE}, {"id": 2}]
    origin.reply(answer(json.dumps(rows), fields=JSON))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/rows")
        await settled(proxy)
        got = [await client.get(f"/db/rows/{number}") for number in (1, 2)]
    assert [json.loads(each.body) for each in got] == rows
    assert [each["X-Cache"] for each in got] == ["HIT", "HIT"]


async def test_an_item_is_stored_as_its_own_route_stores(
    origin: Origin, clock: ManualClock
) -> None:
    """With that route's ETag, and found by its aliases."""
    origin.reply(answer(b'[{"id": 1, "name": "one"}]', fields={**JSON, "ETag": '"of-the-list"'}))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/rows")
        await settled(proxy)
        by_id, by_name = await client.get("/db/rows/1"), await client.get("/db/names/one")
        again = await client.get("/db/rows/1", {"If-None-Match": by_id["ETag"]})
    assert (by_id["X-Cache"], by_name["X-Cache"]) == ("HIT", "HIT")
    assert by_name.body == by_id.body == b'{"id":1,"name":"one"}'
    assert "of-the-list" not in by_id["ETag"]
    assert again.status == 304


async def test_what_is_larger_than_its_route_keeps_is_left_out(
    origin: Origin, clock: ManualClock
) -> None:
    rows = [{"id": 1, "text": "x" * 32}, {"id": 2}]
    origin.reply(answer(json.dumps(rows), fields=JSON), answer(b"{}"))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/small")
        await settled(proxy)
        got = [await client.get(f"/db/s/{number}") for number in (2, 1)]
    assert [each["X-Cache"] for each in got] == ["HIT", "MISS"]


async def test_what_was_written_is_validated_by_what_the_write_was_told(
    origin: Origin, clock: ManualClock
) -> None:
    """The ETag of a PUT's answer is that of the new state (RFC 9110 §9.3.4)."""
    fields = {**JSON, "ETag": '"v2"'}
    origin.reply(answer(b'{"id": 1}', fields=fields), answer(status=304, fields={"ETag": '"v2"'}))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.request("PUT", "/db/rows/1", body=b"{}")
        clock.advance(61)
        got = await client.get("/db/rows/1")
    assert (got["X-Cache"], got.body) == ("REVALIDATED", b'{"id": 1}')
    assert origin.last.fields.get("if-none-match") == '"v2"'
