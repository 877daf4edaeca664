"""Parts of answers are served from, joined, and never taken for the whole (RFC 9111 §3.3-3.4).

Under `ttl: http` and under a rule's own ttl, in memory and through both shared stores. What
is not stored is in test_partial_refused.py; ranges of a whole are in test_range.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.flow import tasks
from tests.support.answers import Answer
from tests.support.http import Connection
from tests.support.larder import Larder, StartLarder, x_cache
from tests.support.origin import Origin, Received
from tests.support.parts import BODY, ETAG, FIELDS, asks, part, speaks_ranges
from tests.support.redis_server import RedisServer

RULE = "- {name: all, ttl: 1m}"
routes = pytest.mark.parametrize(
    "routes", [pytest.param("", id="http"), pytest.param(RULE, id="rule")]
)


@dataclass(frozen=True, slots=True)
class Party:
    """Two instances on one shared store, or the same one twice where there is only memory."""

    one: Larder
    other: Larder

    async def written(self, count: int) -> None:
        if self.one is not self.other:
            await self.one.written(count)


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """`store.shared` for each of the stores."""
    match request.param:
        case "redis":
            server = RedisServer(tmp_path / "redis")
            await server.start()
            yield server.url
            server.close()
        case "sqlite":
            yield f"sqlite:{tmp_path / 'cache.db'}"
        case _:
            yield "none"


async def party(larder: StartLarder, routes: str, store: str) -> Party:
    one = await larder(routes, shared=store)
    return Party(one, one if store == "none" else await larder(routes, shared=store))


@routes
async def test_a_range_within_a_stored_part_is_served_from_it(
    larder: StartLarder, origin: Origin, routes: str, store: str
) -> None:
    """RFC 9111 §3.3: the request is partial and wholly within what is stored."""
    origin.handler = speaks_ranges
    both = await party(larder, routes, store)
    first = await both.one.get("/db/a", asks("2-7"))
    await both.written(1)
    second = await both.other.get("/db/a", asks("3-5"))
    assert x_cache(first, second) == ["MISS", "HIT"]
    assert first["Cache-Status"] == "larder; fwd=uri-miss; fwd-status=206; stored; detail=absent"
    assert (second.status, second.body, second["Content-Range"]) == (206, b"345", "bytes 3-5/10")
    assert (second["ETag"], second["Content-Type"], second["Age"]) == (ETAG, "text/plain", "0")
    assert second["Cache-Status"].startswith("larder; hit; ttl=")
    assert len(origin.requests) == 1


@routes
@pytest.mark.parametrize("order", [("0-4", "5-9"), ("5-9", "0-4"), ("0-6", "3-9")])
async def test_parts_that_leave_nothing_out_become_the_whole(
    larder: StartLarder, origin: Origin, routes: str, store: str, order: tuple[str, str]
) -> None:
    """RFC 9111 §3.4, in both directions, also where each was fetched by another instance."""
    origin.handler = speaks_ranges
    both = await party(larder, routes, store)
    await both.one.get("/db/a", asks(order[0]))
    await both.written(1)
    second = await both.other.get("/db/a", asks(order[1]))
    assert second["Cache-Status"] == "larder; fwd=partial; fwd-status=206; stored; detail=partial"
    whole = await both.other.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "HIT")
    assert (whole["Content-Type"], whole["Content-Length"]) == ("text/plain", "10")
    assert "content-range" not in whole.fields
    cut = await both.other.get("/db/a", asks("-1"))
    assert (cut.status, cut.body, cut["X-Cache"]) == (206, b"9", "HIT")
    assert len(origin.requests) == 2


async def test_parts_fetched_at_once_are_joined_whichever_ends_first(
    larder: StartLarder, origin: Origin
) -> None:
    """Neither look-up found the other's part: what counts is what is stored at the end."""
    first, second = asyncio.Event(), asyncio.Event()
    held = {"bytes=0-4": first, "bytes=5-9": second}

    async def slow(request: Received) -> Answer:
        await held[request.fields.get("range") or ""].wait()
        return speaks_ranges(request)

    origin.handler = slow
    proxy = await larder()
    one = tasks.spawn(proxy.get("/db/a", asks("0-4")), "a client")
    other = tasks.spawn(proxy.get("/db/a", asks("5-9")), "another")
    await origin.received(2)
    second.set()
    await other
    first.set()
    await one
    whole = await proxy.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "HIT")


async def test_parts_that_touch_become_one_part_under_the_newer_head(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(part(0, 3, {**FIELDS, "X-Seen": "1"}), part(4, 6, {**FIELDS, "X-Seen": "2"}))
    proxy = await larder()
    await proxy.get("/db/a", asks("0-3"))
    await proxy.get("/db/a", asks("4-6"))
    across = await proxy.get("/db/a", asks("2-5"))
    assert (across.body, across["X-Cache"], across["X-Seen"]) == (b"2345", "HIT", "2")


async def test_a_part_that_touches_nothing_takes_the_place_of_the_older(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = speaks_ranges
    proxy = await larder()
    told = [await proxy.get("/db/a", asks(text)) for text in ("0-1", "8-9", "8-8", "0-0")]
    assert x_cache(*told) == ["MISS", "MISS", "HIT", "MISS"]


async def test_a_206_that_has_everything_is_the_whole(larder: StartLarder, origin: Origin) -> None:
    origin.reply(part(0, 9))
    proxy = await larder()
    await proxy.get("/db/a", asks("0-"))
    whole = await proxy.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "HIT")


async def test_on_the_wire_a_part_of_a_part_has_one_range_and_one_length(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = speaks_ranges
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a", asks("2-7"))
        await client.answer()
        await client.ask("GET", "/db/a", asks("3-5"))
        told = await client.answer()
    assert told.raw.startswith(b"HTTP/1.1 206 ")
    assert told.fields.get_all("content-range") == ("bytes 3-5/10",)
    assert told.fields.get_all("content-length") == ("3",)
    assert told.raw.endswith(b"\r\n\r\n345")


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        pytest.param({"If-Range": ETAG}, 206, b"345", id="if-range-holds"),
        pytest.param({"If-None-Match": ETAG}, 304, b"", id="condition-comes-first"),
        pytest.param({"If-None-Match": '"v0"'}, 206, b"345", id="condition-fails"),
        pytest.param({"Cache-Control": "only-if-cached"}, 206, b"345", id="only-if-cached"),
        pytest.param({"Cache-Control": "max-age=60"}, 206, b"345", id="young-enough"),
    ],
)
async def test_the_clients_conditions_are_judged_on_a_part(
    larder: StartLarder, origin: Origin, fields: dict[str, str], status: int, body: bytes
) -> None:
    origin.handler = speaks_ranges
    proxy = await larder()
    await proxy.get("/db/a", asks("2-7"))
    told = await proxy.get("/db/a", {**asks("3-5"), **fields})
    assert (told.status, told.body, told["X-Cache"]) == (status, body, "HIT")
    assert len(origin.requests) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param(
            asks("3-8"), "fwd=partial; fwd-status=206; stored; detail=partial", id="beyond-it"
        ),
        pytest.param(
            asks("3-5", Cache_Control="no-cache"),
            "fwd=request; fwd-status=206; stored; detail=declined",
            id="no-cache",
        ),
    ],
)
async def test_what_the_part_may_not_answer_goes_up(
    larder: StartLarder, origin: Origin, fields: dict[str, str], said: str
) -> None:
    origin.handler = speaks_ranges
    proxy = await larder()
    await proxy.get("/db/a", asks("2-7"))
    told = await proxy.get("/db/a", fields)
    assert (told.status, told["Cache-Status"]) == (206, f"larder; {said}")
    assert len(origin.requests) == 2


async def test_only_if_cached_is_refused_what_the_part_does_not_hold(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9111 §5.2.1.7."""
    origin.handler = speaks_ranges
    proxy = await larder()
    await proxy.get("/db/a", asks("2-7"))
    for asked in (asks("3-8"), {}):
        told = await proxy.get("/db/a", {**asked, "Cache-Control": "only-if-cached"})
        assert told.status == 504
    assert len(origin.requests) == 1


@routes
async def test_who_asks_for_everything_never_gets_a_part(
    larder: StartLarder, origin: Origin, routes: str, store: str
) -> None:
    """RFC 9111 §3.3; nor is the part's validator sent along."""
    origin.handler = speaks_ranges
    both = await party(larder, routes, store)
    await both.one.get("/db/a", asks("2-7"))
    await both.written(1)
    whole = await both.other.get("/db/a")
    assert (whole.status, whole.body, whole["X-Cache"]) == (200, BODY, "MISS")
    assert origin.last.fields.names() & {"range", "if-range", "if-none-match"} == set()
    cut = await both.other.get("/db/a", asks("0-1"))
    assert (cut.body, cut["X-Cache"]) == (b"01", "HIT")


async def test_a_purge_takes_the_parts(larder: StartLarder, origin: Origin, store: str) -> None:
    origin.handler = speaks_ranges
    both = await party(larder, "", store)
    await both.one.get("/db/a", asks("2-7"))
    await both.written(1)
    await both.one.purge(url="/db/a", wait=store != "none")
    assert (await both.other.get("/db/a", asks("3-5")))["X-Cache"] == "MISS"
