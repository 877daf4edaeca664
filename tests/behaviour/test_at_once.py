"""A request that came whole and alone, and is a hit in memory, is answered as it comes in.

No task, no queue: whoever is told of it is told by the connection itself. What has to wait for
anything goes the long way, and says the same.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from proxy.edges import wire
from proxy.outcomes import ExchangeRecord, Outcome
from tests.support.answers import Answer as Scripted
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.http import Connection, request_bytes
from tests.support.larder import Larder, rules_text, serving, until
from tests.support.origin import Origin, Received

ROUTES = """
- {name: asks, match: POST /asks, ttl: 5m}
- {name: any, match: POST /any, ttl: 5m, key: {ignore: [body]}}
- {name: live, match: GET /live, ttl: 5m, scope: session}
- {name: once, match: POST /once, dedupe: 10m}
- {name: ahead, match: GET /ahead, ttl: 100s, refresh: {ahead: 90%, hits: 1}}
- {name: behind, match: GET /behind, ttl: 10s, stale: {while_revalidate: 1m}}
- {name: rest, ttl: 5m}
"""
TOP = """
store: {shared: none, memory: {max_object: 16MiB}}
cors: {origins: ["https://app.example"]}
sessions: {from: header.x-sid, ttl: 1h}
"""
SIZES = {"/100k": 100 << 10, "/1m": 1 << 20, "/6m": 6 << 20}
JSON = {"Content-Type": "application/json"}


class Watched:
    """A proxy without the lane, one client of it, and which exchanges were told of at once."""

    def __init__(self, proxy: Larder, client: Connection, clock: ManualClock) -> None:
        self.proxy = proxy
        self.client = client
        self.clock = clock
        self.at_once: list[bool] = []
        proxy.app.exchange.observe(self._observe)

    def _observe(self, record: ExchangeRecord) -> None:
        if not record.background:
            self.at_once.append(asyncio.current_task() is None)

    async def asked(
        self, method: str, target: str, fields: dict[str, str], body: object = b""
    ) -> tuple[str, bool]:
        """What an answer says of itself, and whether it was given at once."""
        count = len(self.at_once)
        await self.client.ask(method, target, fields, body)
        said = await self.client.answer(method)
        await until(lambda: len(self.at_once) > count)
        return f"{said.status} {said['X-Cache']}", self.at_once[-1]


Watch = Callable[[], Awaitable[Watched]]


def scripted(got: Received) -> Scripted:
    """An answer of the size that its target asks for."""
    return answer("x" * SIZES.get(got.target, 10), fields=[("ETag", '"1"')])


@asynccontextmanager
async def watching(tmp_path: Path, origin: Origin) -> AsyncIterator[Watched]:
    """One with these rules."""
    origin.handler = scripted
    rules, clock = tmp_path / "rules.yaml", ManualClock()
    rules.write_text(rules_text(ROUTES, top=TOP))
    async with (
        serving(rules, {"ORIGIN": origin.url}, clock, lane_bytes=0) as proxy,
        Connection.open(proxy.app.proxy_url) as client,
    ):
        yield Watched(proxy, client, clock)


HITS = {
    "get": ("GET", "/db/a", {}, b"", "200 HIT", True),
    "head": ("HEAD", "/db/a", {}, b"", "200 HIT", True),
    "not modified": ("GET", "/db/a", {"If-None-Match": '"1"'}, b"", "304 HIT", True),
    "range": ("GET", "/db/a", {"Range": "bytes=0-3"}, b"", "206 HIT", True),
    "page": ("GET", "/db/a", {"Origin": "https://app.example"}, b"", "200 HIT", True),
    "100 KiB": ("GET", "/db/100k", {}, b"", "200 HIT", True),
    "1 MiB": ("GET", "/db/1m", {}, b"", "200 HIT", False),
    "body": ("POST", "/db/asks", JSON, {"n": 1}, "200 HIT", True),
    "body of no account": ("POST", "/db/any", JSON, {"n": 1}, "200 HIT", False),
    "session": ("GET", "/db/live", {"X-Sid": "1"}, b"", "200 HIT", False),
    "declined": ("GET", "/db/a", {"Cache-Control": "no-cache"}, b"", "200 MISS", False),
    "bypass": ("GET", "/db/a", {"Cache-Control": "no-store"}, b"", "200 BYPASS", False),
}


@pytest.mark.parametrize("name", HITS)
async def test_which_hits_are_answered_at_once(name: str, tmp_path: Path, origin: Origin) -> None:
    method, target, fields, body, said, at_once = HITS[name]
    async with watching(tmp_path, origin) as watched:
        first = "GET" if method == "HEAD" else method
        plain = {k: v for k, v in fields.items() if k in {"Content-Type", "X-Sid"}}
        assert await watched.asked(first, target, plain, body) == ("200 MISS", False)
        await watched.asked(method, target, fields, body)
        seen, was_at_once = await watched.asked(method, target, fields, body)
        assert seen == said
        assert len(watched.proxy.records) == 3
        if name != "body of no account":  # it is told of at once, and its body read past after
            assert was_at_once is at_once


async def test_an_answer_that_is_stale_by_now(tmp_path: Path, origin: Origin) -> None:
    async with watching(tmp_path, origin) as watched:
        await watched.asked("GET", "/db/behind", {})
        watched.clock.advance(20)
        assert await watched.asked("GET", "/db/behind", {}) == ("200 STALE", False)
        await watched.proxy.landed()
        assert await watched.asked("GET", "/db/behind", {}) == ("200 HIT", True)


async def test_one_that_is_refreshed_ahead_is_fetched_anew(tmp_path: Path, origin: Origin) -> None:
    async with watching(tmp_path, origin) as watched:
        await watched.asked("GET", "/db/ahead", {})
        watched.clock.advance(20)
        assert (await watched.asked("GET", "/db/ahead", {}))[0] == "200 HIT"
        await watched.proxy.landed()
        assert len(origin.requests) == 2


async def test_several_at_once_are_answered_in_their_order(tmp_path: Path, origin: Origin) -> None:
    async with watching(tmp_path, origin) as watched:
        for target in ("/db/a", "/db/100k"):
            await watched.asked("GET", target, {})
        several = ("/db/a", "/db/100k", "/db/new", "/db/a")
        await watched.client.send(b"".join(request_bytes("GET", each) for each in several))
        said = [await watched.client.answer() for _ in several]
        assert [each["X-Cache"] for each in said] == ["HIT", "HIT", "MISS", "HIT"]
        assert [len(each.body) for each in said] == [10, 100 << 10, 10, 10]
        assert await watched.asked("GET", "/db/a", {}) == ("200 HIT", True)


async def test_one_that_comes_in_pieces(tmp_path: Path, origin: Origin) -> None:
    data = request_bytes("POST", "/db/asks", JSON, {"n": 1})
    async with watching(tmp_path, origin) as watched:
        await watched.asked("POST", "/db/asks", JSON, {"n": 1})
        for cut in (5, data.index(b"\r\n\r\n") + 4, len(data) - 1):
            await watched.client.send(data[:cut])
            await watched.proxy.manage("GET", "/health/live")  # it has been read by then
            await watched.client.send(data[cut:])
            assert (await watched.client.answer())["X-Cache"] == "HIT"
        assert await watched.asked("POST", "/db/asks", JSON, {"n": 1}) == ("200 HIT", True)


async def test_the_last_on_a_connection(tmp_path: Path, origin: Origin) -> None:
    async with watching(tmp_path, origin) as watched:
        await watched.asked("GET", "/db/a", {})
        await watched.client.ask("GET", "/db/a", {"Connection": "close"})
        assert (await watched.client.answer())["X-Cache"] == "HIT"
        assert await watched.client.to_end() == b""


async def test_one_whose_client_makes_no_room_is_told_of_when_it_leaves(
    tmp_path: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "SLICE", 64 << 20)
    async with watching(tmp_path, origin) as watched:
        await watched.asked("GET", "/db/6m", {})
        proxy, place = watched.proxy, urlsplit(watched.proxy.app.proxy_url)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect((place.hostname, place.port))
            deaf.sendall(request_bytes("GET", "/db/6m"))
            await until(lambda: proxy.app.readings().in_flight == 1)
        record = await proxy.told(2)
        assert (record.outcome, record.aborted) == (Outcome.HIT, True)
        await until(lambda: proxy.app.readings().in_flight == 0)


@pytest.mark.parametrize("target", ["/db/a", "/db/asks", "/db/once"])
async def test_a_client_that_leaves_at_once_leaves_nothing(
    target: str, tmp_path: Path, origin: Origin
) -> None:
    async with watching(tmp_path, origin) as watched:
        proxy = watched.proxy
        for _ in range(20):
            async with Connection.open(proxy.app.proxy_url) as client:
                await client.ask("POST" if target != "/db/a" else "GET", target, JSON, {"n": 1})
                client.abort()
        await proxy.landed()
        await until(lambda: proxy.app.readings().buffered_bytes == 0)
        await until(lambda: proxy.app.readings().in_flight == 0)
