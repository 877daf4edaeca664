"""The far lane: for a request that is known, only the shared store is asked.

Memory holds nothing here, as after a restart or beside another instance.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.outcomes import ExchangeRecord, Outcome, Tier
from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.http import Answer, Connection, request_bytes
from tests.support.larder import Larder, StartLarder, rules_text, serving, until, x_cache
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")
KNOWN = 3
"""A miss, and two hits that the driver answers."""


def top(shared: str) -> str:
    """Only the shared store keeps answers."""
    return f'store: {{memory: {{max_size: 1MiB, max_object: 1B}}, shared: "{shared}"}}\n'


@asynccontextmanager
async def far(
    origin: Origin,
    tmp_path: Path,
    routes: str = "",
    clock: ManualClock | None = None,
    lane_bytes: int = 1 << 20,
) -> AsyncIterator[Larder]:
    """A proxy whose answers are all in SQLite."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(routes, top=top(f"sqlite:{tmp_path}/larder.db")))
    async with serving(rules, {"ORIGIN": origin.url}, clock, lane_bytes=lane_bytes) as proxy:
        yield proxy


def numbered(origin: Origin, *fields: tuple[str, str]) -> None:
    origin.handler = lambda _: answer(f"answer {len(origin.requests)}", fields=[FRESH, *fields])


async def asked(client: Connection, target: str = "/db/a", fields: FieldLines = ()) -> Answer:
    await client.ask("GET", target, fields)
    return await client.answer()


async def known(proxy: Larder, client: Connection, fields: FieldLines = ()) -> Answer:
    """The last answer before such requests are the lane's."""
    first = await asked(client, fields=fields)
    await proxy.written(1)
    told = [first] + [await asked(client, fields=fields) for _ in range(KNOWN - 1)]
    assert x_cache(*told) == ["MISS"] + ["HIT"] * (KNOWN - 1)
    assert reached(proxy) == 0
    return told[-1]


def reached(proxy: Larder) -> int:
    return proxy.app.readings().lanes["far"].answered


def unlinked(folder: Path) -> None:
    for path in folder.glob("larder.db*"):
        path.unlink()


def timeless(record: ExchangeRecord) -> ExchangeRecord:
    return replace(record, duration_s=0.0)


async def test_a_known_request_gets_what_the_driver_would_send(
    origin: Origin, tmp_path: Path
) -> None:
    numbered(origin)
    async with far(origin, tmp_path, clock=ManualClock()) as proxy:
        async with Connection.open(proxy.app.proxy_url) as client:
            before = await known(proxy, client, {"X-Request-Id": "1"})
            after = [await asked(client, fields={"X-Request-Id": str(n)}) for n in range(3)]
        assert [each.raw for each in after] == [before.raw] * 3
        assert reached(proxy) == 3
        assert await proxy.metric("larder_lane_answers_total", lane="far") == 3
        records = [await proxy.told(n) for n in range(KNOWN, KNOWN + 4)]
        assert [timeless(each) for each in records[1:]] == [timeless(records[0])] * 3
        assert (records[-1].tier, records[-1].outcome) == (Tier.SHARED, Outcome.HIT)
    assert len(origin.requests) == 1


async def test_with_the_lanes_off_nothing_is_learnt(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    async with far(origin, tmp_path, lane_bytes=0) as proxy:
        async with Connection.open(proxy.app.proxy_url) as client:
            await known(proxy, client)
            assert x_cache(await asked(client)) == ["HIT"]
        assert reached(proxy) == 0


async def test_what_matters_is_told_apart(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    routes = "- {name: all, ttl: 1h, scope: credential}"
    async with far(origin, tmp_path, routes) as proxy:
        async with Connection.open(proxy.app.proxy_url) as client:
            await known(proxy, client, {"Authorization": "Bearer one"})
            other = await asked(client, fields={"Authorization": "Bearer two"})
        assert (other["X-Cache"], other.body) == ("MISS", b"answer 2")


async def test_what_was_invalidated_is_fetched_anew(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    async with far(origin, tmp_path) as proxy, Connection.open(proxy.app.proxy_url) as client:
        await known(proxy, client)
        await proxy.purge(all=True)
        anew = await asked(client)
        await proxy.written(2)
        again = await asked(client)
    assert x_cache(anew, again) == ["MISS", "HIT"]
    assert anew.body == again.body == b"answer 2"


async def test_what_has_expired_is_fetched_anew(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    clock = ManualClock()
    async with (
        far(origin, tmp_path, clock=clock) as proxy,
        Connection.open(proxy.app.proxy_url) as client,
    ):
        await known(proxy, client)
        clock.advance(59)
        late = await asked(client)
        clock.advance(1)
        anew = await asked(client)
    assert (late["X-Cache"], late["Age"], anew["X-Cache"]) == ("HIT", "59", "MISS")


async def test_what_the_rule_will_not_serve_is_not_served(origin: Origin, tmp_path: Path) -> None:
    answers = iter(({"good": True}, {"good": False}, {"good": True}))
    origin.handler = lambda _: answer(next(answers))
    routes = "- {name: all, ttl: 1h, serve_if: {response.body.good: true}}"
    async with (
        far(origin, tmp_path, routes) as proxy,
        Connection.open(proxy.app.proxy_url) as client,
    ):
        await known(proxy, client)
        await proxy.purge(all=True)
        told = [await asked(client)]
        await proxy.written(2)
        told.append(await asked(client))
    assert x_cache(*told) == ["MISS", "MISS"]
    assert [each.json()["good"] for each in told] == [False, True]


async def test_requests_behind_it_are_answered_in_order(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    async with far(origin, tmp_path) as proxy, Connection.open(proxy.app.proxy_url) as client:
        await known(proxy, client)
        data = request_bytes("GET", "/db/a")
        await client.send(data)
        await client.send(request_bytes("GET", "/db/b") + data)
        told = [(await client.answer()).body for _ in range(3)]
    assert told == [b"answer 1", b"answer 2", b"answer 1"]


async def test_a_client_that_ends_its_side_gets_its_answer(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    async with far(origin, tmp_path) as proxy, Connection.open(proxy.app.proxy_url) as client:
        await known(proxy, client)
        await client.send(request_bytes("GET", "/db/a"))
        client.writer.write_eof()
        assert (await client.answer()).body == b"answer 1"


async def test_a_client_that_leaves_is_told_of_once(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    async with far(origin, tmp_path) as proxy:
        async with Connection.open(proxy.app.proxy_url) as client:
            await known(proxy, client)
            await client.send(request_bytes("GET", "/db/a"))
            client.abort()
        await until(lambda: len(proxy.records) == KNOWN + 1)
        async with Connection.open(proxy.app.proxy_url) as other:
            assert (await asked(other)).body == b"answer 1"
        assert (await proxy.told(KNOWN + 2)).status == 200


async def test_what_memory_holds_is_the_hot_lanes(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    numbered(origin)
    one, two = await larder(shared=shared), await larder(shared=shared)
    await one.get("/db/a")
    await one.written(1)
    async with Connection.open(two.app.proxy_url) as client:
        for _ in range(6):
            await asked(client)
    assert two.app.readings().lanes["hot"].answered > 0
    assert reached(two) == 0


async def test_a_store_that_is_gone_leaves_it_to_the_driver(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    async with far(origin, tmp_path) as proxy, Connection.open(proxy.app.proxy_url) as client:
        await known(proxy, client)
        await asyncio.to_thread(unlinked, tmp_path)
        told = await asyncio.wait_for(asked(client), 5)
    assert told.status == 200


@pytest.mark.parametrize("lane_bytes", [0, 1 << 20], ids=["off", "on"])
async def test_a_post_is_known_by_its_body(origin: Origin, tmp_path: Path, lane_bytes: int) -> None:
    numbered(origin)
    routes = "- {name: asks, match: POST /asks, ttl: 1h}"
    async with far(origin, tmp_path, routes, lane_bytes=lane_bytes) as proxy:
        async with Connection.open(proxy.app.proxy_url) as client:
            told = []
            for number in (1, 1, 1, 1, 2, 1):
                await client.send(request_bytes("POST", "/db/asks", {}, {"n": number}))
                told.append((await client.answer("POST")).body)
                await proxy.written(1)
        assert told == [b"answer 1"] * 4 + [b"answer 2", b"answer 1"]
        assert reached(proxy) == (2 if lane_bytes else 0)
        assert (await proxy.told(4)).request_bytes == len('{"n":1}')
