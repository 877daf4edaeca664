"""The relay lane: what is passed on, and comes back, is what the driver would have sent.

Requests like one that was relayed twice go up unparsed, and their whole answers come down so.
All else is the driver's, with what was begun: nothing is asked twice for it. The sides compared
here are a proxy with the lane and one without; see also tests/property/test_lane_equal.py.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from proxy.edges import connection
from proxy.edges.control import State
from proxy.flow.balance import BreakerState
from proxy.outcomes import Bypass, ExchangeRecord, Outcome
from tests.support import wire
from tests.support.answers import Answer as Scripted
from tests.support.answers import Close, Hold, Send, answer
from tests.support.behind import settled
from tests.support.build import FieldLines
from tests.support.clock import NOW, ManualClock
from tests.support.http import Connection, asked, request_bytes
from tests.support.larder import Larder, StartLarder, rules_text, serving, together, until, x_cache
from tests.support.origin import Origin, Received

OFF = "- {name: all, ttl: off}"
SEEN = 3
"""Requests after which the next is the lane's: one that dials, and two that are passed on."""

LARGE = b"x" * (200 << 10)


def relayed(proxy: Larder) -> int:
    """How many requests were passed on by the lane, to the end."""
    return proxy.app.readings().lanes["relay"].answered


def numbered(origin: Origin, *fields: tuple[str, str]) -> None:
    """Every answer of the origin is another."""
    origin.handler = lambda _: answer(f"answer {len(origin.requests)}", fields=fields)


@asynccontextmanager
async def warm(
    proxy: Larder, target: str = "/db/a", fields: FieldLines = ()
) -> AsyncIterator[Connection]:
    """A client whose next equal request is the lane's."""
    async with Connection.open(proxy.app.proxy_url) as client:
        await asked(client, SEEN, target, fields)
        assert (relayed(proxy), proxy.app.lanes.relay.status().requests) == (0, 1)
        yield client


async def read_by(proxy: Larder) -> None:
    """What was sent to the program before this is read when it returns."""
    await proxy.manage("GET", "/health/live")


def timeless(record: ExchangeRecord) -> ExchangeRecord:
    """A record without what the machine's speed decides."""
    upstream_s = None if record.upstream_s is None else 0.0
    return replace(record, duration_s=0.0, upstream_s=upstream_s)


Sides = Callable[..., Awaitable[tuple[Larder, Larder]]]


@pytest.fixture
async def sides(origin: Origin, tmp_path: Path) -> AsyncIterator[Sides]:
    """Two proxies before the origin, on one clock: with the lane, and without."""
    async with together() as enter:

        async def start(routes: str = OFF, *, upstream: str = "") -> tuple[Larder, Larder]:
            clock, made = ManualClock(), []
            for name, lane_bytes in (("with", 1 << 20), ("without", 0)):
                rules = tmp_path / f"{name}.yaml"
                rules.write_text(rules_text(routes, upstream=upstream))
                env = {"ORIGIN": origin.url}
                made.append(await enter(serving(rules, env, clock, lane_bytes=lane_bytes)))
            return made[0], made[1]

        yield start


# -- what goes up and what comes down


async def test_the_fourth_of_a_kind_is_passed_on_and_is_like_the_others(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin, ("Date", "Tue, 14 Nov 2023 22:13:20 GMT"))
    proxy = await larder(OFF, clock=ManualClock())
    async with warm(proxy) as client:
        assert (await asked(client)).raw.endswith(b"answer 4")
        assert (relayed(proxy), len(origin.requests)) == (1, 4)
        last = await asked(client, 3)
    assert (relayed(proxy), last.body, last["X-Cache"]) == (4, b"answer 7", "BYPASS")
    assert len({got.raw for got in origin.requests}) == 1
    assert origin.connections == 1
    record = await proxy.told(7)
    assert (record.outcome, record.reason, record.status) == (Outcome.BYPASS, Bypass.TTL_OFF, 200)
    assert (record.response_bytes, record.path) == (len(b"answer 7"), "/db/a")
    assert await proxy.metric("larder_lane_answers_total", lane="relay") == 4
    assert await proxy.metric("larder_request_duration_seconds_count", outcome="bypass") == 7


SENT: dict[str, list[tuple[str, str]]] = {
    "plain": [],
    "ids": [("X-Request-Id", "%d"), ("traceparent", "00-%d"), ("User-Agent", "a b")],
    "claims": [("X-Forwarded-For", "6.6.6.6"), ("Forwarded", "for=6.6.6.6"), ("X-Trace", "%d")],
    "via": [("Via", "1.1 nearer"), ("X-Trace", "%d")],
    "token": [("Authorization", "Bearer one"), ("Cookie", "a=%d")],
    "twice": [("X-Trace", "%d"), ("Accept", "b"), ("X-Trace", "2"), ("Accept", "a")],
    "kept alive": [("Connection", "keep-alive"), ("Keep-Alive", "timeout=5"), ("X-Trace", "%d")],
    "te": [("TE", "trailers"), ("X-Trace", "%d")],
    "latin": [("X-Trace", "\xe4\xf6 %d")],
    "empty": [("X-Empty", ""), ("X-Trace", "%d")],
    "edited": [("X-Set", "mine"), ("X-Gone", "%d"), ("X-Trace", "%d")],
    "zero": [("Content-Length", "0"), ("X-Trace", "%d")],
}


@pytest.mark.parametrize("name", SENT)
async def test_it_goes_up_as_the_driver_sends_it(sides: Sides, origin: Origin, name: str) -> None:
    numbered(origin)
    edits = "headers: {set: {X-Set: ours}, remove: [x-gone]}"
    for proxy in await sides(upstream=edits):
        async with Connection.open(proxy.app.proxy_url) as client:
            for number in range(5):
                lines = [(field, text.replace("%d", str(number))) for field, text in SENT[name]]
                assert (await asked(client, fields=lines)).status == 200
    up = [got.raw for got in origin.requests]
    assert up[:5] == up[5:]
    assert b"X-Forwarded-For: 127.0.0.1\r\n" in up[4]


@pytest.mark.parametrize(
    "written",
    [
        "X-Odd:{0}\r\nX-Trace: {0}\r\n",
        "X-Odd:  1 \r\nX-Trace: {0}\r\nX-Other: {0}\r\n",
        "X-Trace:1\r\nX-Trace: {0}\r\n",
        "X-Trace: {0}\r\nX-Trace:1\r\nX-Trace: 2\r\n",
        "x-trace: {0}\r\nX-TRACE: {0}\r\nAccept:\t*/*\r\n",
        "X-Odd:1\r\nX-New-{0}: {0}\r\n",
        "X-Odd:1\r\nX-Trace: {0}\r\n" * 2,
    ],
)
async def test_so_it_does_however_its_lines_are_written(
    sides: Sides, origin: Origin, written: str
) -> None:
    """Also where what is unlike the others stands between lines that are rewritten."""
    numbered(origin)
    for proxy in await sides():
        async with Connection.open(proxy.app.proxy_url) as client:
            for number in range(6):
                more = "X-Trace: more\r\n" if number > 3 else ""
                lines = more + written.format(number)
                await client.send(f"GET /db/a HTTP/1.1\r\nHost: me\r\n{lines}\r\n".encode())
                assert (await client.answer()).status == 200
    up = [got.raw for got in origin.requests]
    assert up[:6] == up[6:]


async def test_lines_of_one_field_keep_their_order(sides: Sides, origin: Origin) -> None:
    """Also where one is written in another way, and the others were not there before."""
    numbered(origin)
    data = "GET /db/a HTTP/1.1\r\nHost: me\r\n{0}\r\n"
    plain, odd = data.format("X-Trace: 1\r\n"), data.format("X-Trace:1\r\n")
    more = data.format("X-Trace: 0\r\nX-Trace:1\r\nX-Trace: 2\r\n")
    for proxy in await sides():
        async with Connection.open(proxy.app.proxy_url) as client:
            for request in (*[plain] * 4, *[odd] * 4, more, more):
                await client.send(request.encode())
                assert (await client.answer()).status == 200
    up = [got.raw for got in origin.requests]
    assert up[:10] == up[10:]


ANSWERED: dict[str, Scripted] = {
    "plain": answer(b"x"),
    "empty": answer(b""),
    "dated": answer(b"x", fields=[("X-A", "1"), ("Date", "Tue, 14 Nov 2023 22:13:20 GMT")]),
    "cookie": answer(b"x", fields=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]),
    "not found": answer(b"no", 404, reason="Not Here"),
    "fault": answer(b"no", 500),
    "no reason": (Send(b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx"),),
    "own words": answer(b"x", fields=[("X-Cache", "HIT"), ("Cache-Status", "up; hit")]),
    "aged": answer(b"x", fields=[("Age", "7"), ("Cache-Control", "max-age=60")]),
    "hop by hop": answer(b"x", fields=[("Connection", "X-A"), ("X-A", "1")]),
    "kept": answer(b"x", fields=[("Keep-Alive", "timeout=9"), ("Connection", "keep-alive")]),
    "coded": answer(b"x", fields=[("Content-Encoding", "gzip"), ("Vary", "*"), ("ETag", '"1"')]),
    "part": answer(b"x", 206, fields=[("Content-Range", "bytes 0-0/1")]),
    "large": answer(b"y" * 60_000),
    "latin": answer(b"x", fields=[("X-A", "\xe4")]),
    "closing": answer(b"x", fields=[("Connection", "close")], close=True),
    "too long": (Send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxx"), Close()),
    "no content": answer(status=204),
    "not modified": answer(status=304, fields=[("ETag", '"1"')]),
    "redirect": answer(b"", 302, fields=[("Location", "http://up.test/x")]),
    "chunked": answer(chunks=[b"a", b"b"]),
    "trailers": answer(chunks=[b"a"], trailers=[("X-T", "1")]),
    "until close": answer(b"all", until_close=True),
    "interim": answer(b"x", interim=[(103, [("Link", "</a>")])]),
    "two interim": answer(b"x", interim=[(100, ()), (103, [("Link", "</a>")])]),
    "switched": (Send(b"HTTP/1.1 101 S\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), Close()),
    "both framings": answer(chunks=[b"a"], fields=[("Content-Length", "1")]),
    "two lengths": answer(b"x", fields=[("Content-Length", "2")]),
    "bad length": (Send(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx"), Close()),
    "no head": (Send(b"what is this\r\n\r\n"), Close()),
    "obs-fold": (Send(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 1\r\n\r\nx"),),
    "bare newlines": (Send(b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx"),),
    "old": (Send(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"), Close()),
    "cut": answer(b"xyz", cut_at=1),
    "cut rudely": answer(b"xyz", cut_at=1, reset=True),
    "unknown": answer(b"x", 799),
    "below": (Send(b"HTTP/1.1 099 OK\r\nContent-Length: 1\r\n\r\nx"), Close()),
    "bad gateway": answer(b"no", 502),
    "unavailable": answer(b"no", 503, fields=[("Retry-After", "1")]),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERED)
async def test_each_answer_comes_down_as_from_the_driver(
    sides: Sides, origin: Origin, name: str
) -> None:
    seen = []
    for proxy in await sides():
        numbered(origin)
        origin.requests.clear()
        async with Connection.open(proxy.app.proxy_url) as client:
            await asked(client, SEEN)
            origin.reply(ANSWERED[name])
            got = await asked(client)
        await proxy.told(SEEN + 1)
        after = [(await proxy.get("/db/a")).raw for _ in range(3)]
        await proxy.told(SEEN + 4)
        records = [timeless(record) for record in proxy.records]
        interim = [each.raw for each in got.interim]
        seen.append((got.raw, got.complete, interim, len(origin.requests), after, records))
    assert seen[0] == seen[1]
    assert seen[0][3] == SEEN + 4


async def test_an_answer_in_two_pieces_wherever_it_is_cut(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    proxy = await larder(OFF)
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with warm(proxy) as client:
        for cut in range(1, len(whole)):
            event = asyncio.Event()
            origin.reply((Send(whole[:cut]), Hold(event), Send(whole[cut:])))
            await client.ask("GET", "/db/a")
            await origin.received(SEEN + cut)
            await read_by(proxy)
            event.set()
            got = await client.answer()
            assert (got.status, got.body, got.complete) == (200, b"ok", True)
            assert len(origin.requests) == SEEN + cut
        # Whatever of it comes in pieces is waited for.
        assert (relayed(proxy), origin.connections) == (len(whole) - 1, 1)
        await asked(client)
    assert (relayed(proxy), len(proxy.records)) == (len(whole), SEEN + len(whole))


# -- what is left to the driver


@pytest.mark.parametrize(
    ("method", "fields", "body"),
    [
        pytest.param("POST", {}, b"{}", id="post"),
        pytest.param("HEAD", {}, b"", id="head"),
        pytest.param("DELETE", {}, b"", id="delete"),
        pytest.param("OPTIONS", {}, b"", id="options"),
        pytest.param("GET", {}, b"{}", id="body"),
        pytest.param("GET", {"If-None-Match": '"1"'}, b"", id="condition"),
        pytest.param("GET", {"If-Match": '"1"'}, b"", id="if-match"),
        pytest.param("GET", {"Range": "bytes=0-1"}, b"", id="range"),
        pytest.param("GET", {"Cache-Control": "no-store"}, b"", id="no-store"),
        pytest.param("GET", {"Expect": "100-continue"}, b"", id="expect"),
        pytest.param("GET", {"Max-Forwards": "3"}, b"", id="max-forwards"),
        pytest.param("GET", {"Connection": "close"}, b"", id="close"),
        pytest.param("GET", {"Connection": "X-Trace", "X-Trace": "1"}, b"", id="option"),
        pytest.param("GET", {"Connection": "upgrade", "Upgrade": "x"}, b"", id="upgrade"),
        pytest.param("GET", {"Transfer-Encoding": "chunked"}, b"0\r\n\r\n", id="chunked"),
    ],
)
async def test_what_is_weighed_or_framed_is_not_learnt(
    larder: StartLarder, origin: Origin, method: str, fields: dict[str, str], body: bytes
) -> None:
    numbered(origin)
    proxy = await larder(OFF)
    lines = dict(fields)
    if body and "Transfer-Encoding" not in lines:
        lines["Content-Length"] = str(len(body))
    for _ in range(2 * SEEN + 1):
        async with Connection.open(proxy.app.proxy_url) as client:
            await client.send(request_bytes(method, "/db/a", lines) + body)
            assert (await client.answer(method)).complete
    assert (relayed(proxy), proxy.app.lanes.relay.status().requests) == (0, 0)


@pytest.mark.parametrize(
    "routes",
    [
        pytest.param("- {name: all, ttl: off, cost: {miss: 1}}", id="cost"),
        pytest.param("- {name: all, ttl: off, invalidate: {tags: [t]}}", id="invalidate"),
        pytest.param("- {name: all, ttl: 1h, stale: {if_error: 1m}}", id="cached"),
    ],
)
async def test_routes_from_whose_answers_something_follows_are_not_learnt(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    numbered(origin)
    proxy = await larder(routes)
    async with Connection.open(proxy.app.proxy_url) as client:
        await asked(client, 2 * SEEN + 1)
    assert (relayed(proxy), proxy.app.lanes.relay.status().requests) == (0, 0)


@pytest.mark.parametrize(
    ("routes", "top", "fields"),
    [
        pytest.param(OFF, "cors: {origins: ['https://app.example']}", {}, id="cors"),
        pytest.param(
            "- {name: all, ttl: off, scope: session}",
            "sessions: {from: header.x-session-id, ttl: 10m}",
            {"X-Session-Id": "1"},
            id="session",
        ),
    ],
)
async def test_dressed_answers_and_attended_sessions_are_not_learnt(
    larder: StartLarder, origin: Origin, routes: str, top: str, fields: dict[str, str]
) -> None:
    numbered(origin)
    proxy = await larder(routes, top=top)
    async with Connection.open(proxy.app.proxy_url) as client:
        await asked(client, 2 * SEEN + 1, fields=fields)
    assert (relayed(proxy), proxy.app.lanes.relay.status().requests) == (0, 0)


async def test_several_upstream_urls_are_the_drivers(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(OFF).replace("${ORIGIN}", "['${ORIGIN}', '${ORIGIN}/two']"))
    async with serving(rules, {"ORIGIN": origin.url}) as proxy:
        async with Connection.open(proxy.app.proxy_url) as client:
            await asked(client, 2 * SEEN + 1)
        assert (relayed(proxy), proxy.app.lanes.relay.status().requests) == (0, 0)


async def test_requests_of_an_older_http_are_the_drivers(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        for _ in range(2 * SEEN + 1):
            await client.send(b"GET /db/a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            assert (await client.answer()).status == 200
    assert (relayed(proxy), proxy.app.lanes.relay.status().requests) == (0, 0)


SMUGGLED: dict[str, bytes] = {
    "bare cr": b"X-Trace: a\rX-Evil: 1\r\n",
    "bare lf": b"X-Trace: a\nX-Evil: 1\r\n",
    "nul": b"X-Trace: a\x00b\r\n",
    "control": b"X-Trace: a\x01\r\n",
    "obs-fold": b"X-Trace: a\r\n b\r\n",
    "space in name": b"X-Trace : a\r\n",
    "space in the middle": b"X Trace: a\r\n",
    "two hosts": b"Host: other\r\n",
    "empty name": b": a\r\n",
    "no colon": b"X-Trace\r\n",
    "length": b"Content-Length: 5\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 5\r\n",
    "odd length": b"Content-Length: +0\r\n",
    "coding": b"Transfer-Encoding: chunked\r\n",
    "odd coding": b"Transfer-Encoding : chunked\r\n",
    "underscore": b"Transfer_Encoding: chunked\r\n",
    "underscored claim": b"X_Forwarded_For: 6.6.6.6\r\n",
    "many": b"X-Trace: a\r\n" * 300,
    "override": b"X-HTTP-Method-Override: DELETE\r\n",
    "connection": b"Connection: X-Trace\r\n",
    "range": b"Range: bytes=0-0\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_nothing_is_smuggled_past_the_driver(sides: Sides, origin: Origin, name: str) -> None:
    """Where the lane knows the rest of the request, and has dropped X-Trace before."""
    numbered(origin)
    data = b"GET /db/a HTTP/1.1\r\nHost: me\r\nX-Trace: 1\r\n%b\r\n"
    seen = []
    for proxy in await sides():
        origin.requests.clear()
        async with Connection.open(proxy.app.proxy_url) as client:
            for _ in range(SEEN + 1):
                await client.send(data % b"")
                await client.answer()
            before = relayed(proxy)
        async with Connection.open(proxy.app.proxy_url) as client:
            await client.send(data % SMUGGLED[name] + b"GET /db/admin HTTP/1.1\r\nHost: me\r\n\r\n")
            client.writer.write_eof()
            got = await client.to_end()
        assert relayed(proxy) == before
        seen.append((got, [each.raw for each in origin.requests]))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("name", SMUGGLED)
async def test_nor_when_it_comes_alone(sides: Sides, origin: Origin, name: str) -> None:
    numbered(origin)
    data = b"GET /db/a HTTP/1.1\r\nHost: me\r\nX-Trace: 1\r\n%b\r\n"
    seen = []
    for proxy in await sides():
        origin.requests.clear()
        answers = []
        for _ in range(2 * SEEN):
            async with Connection.open(proxy.app.proxy_url) as client:
                for _ in range(SEEN + 1):
                    await client.send(data % b"")
                    await client.answer()
                await client.send(data % SMUGGLED[name])
                client.writer.write_eof()
                answers.append(await client.to_end())
        seen.append((answers, [each.raw for each in origin.requests]))
    assert seen[0] == seen[1]


# -- what is handed over


async def _held(proxy: Larder, client: Connection, origin: Origin, scripted: Scripted) -> None:
    """Ask once more, for an answer that is held."""
    count = len(origin.requests) + 1
    origin.reply(scripted)
    await client.ask("GET", "/db/a")
    await origin.received(count)
    await read_by(proxy)


async def test_a_second_request_behind_it_is_answered_behind_it(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    proxy = await larder(OFF)
    event = asyncio.Event()
    async with warm(proxy) as client:
        await _held(proxy, client, origin, answer(b"first", hold_head=event))
        await client.send(request_bytes("GET", "/db/b") + request_bytes("GET", "/db/c")[:9])
        await read_by(proxy)
        event.set()
        assert (await client.answer()).body == b"first"
        assert (await client.answer()).body == b"answer 5"
        await client.send(request_bytes("GET", "/db/c")[9:])
        assert (await client.answer()).body == b"answer 6"
    targets = [got.target for got in origin.requests]
    assert targets == ["/a"] * (SEEN + 1) + ["/b", "/c"]
    assert [record.path for record in proxy.records] == ["/db/a"] * (SEEN + 1) + ["/db/b", "/db/c"]


async def test_a_client_that_ends_its_side_gets_its_answer(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    proxy = await larder(OFF)
    event = asyncio.Event()
    async with warm(proxy) as client:
        await _held(proxy, client, origin, answer(b"first", hold_head=event))
        client.writer.write_eof()
        await read_by(proxy)
        event.set()
        assert (await client.answer()).body == b"first"
        assert await client.to_end() == b""
    record = await proxy.told(SEEN + 1)
    assert (record.aborted, record.status, len(origin.requests)) == (False, 200, SEEN + 1)


def _setting(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def job() -> None:
        event.set()

    return job


async def test_a_client_that_leaves_is_told_of_once_and_its_call_goes_on(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    proxy = await larder(OFF)
    event = asyncio.Event()
    async with warm(proxy) as client:
        await _held(proxy, client, origin, answer(b"first", hold_head=event))
        assert proxy.app.readings().in_flight == 1
        wire.reset(client.writer)
        record = await proxy.told(SEEN + 1)
    assert (record.aborted, record.status, record.upstream_status) == (True, 0, None)
    assert proxy.app.readings().in_flight == 0
    event.set()
    over = asyncio.Event()
    proxy.app.background.offer("db", "runs when no head is waited for", _setting(over))
    await over.wait()
    assert (await proxy.get("/db/a")).body == b"answer 5"
    assert origin.connections == 1
    assert (await proxy.get("/db/a")).body == b"answer 6"
    assert len(proxy.records) == SEEN + 3
    assert await proxy.metric("larder_breaker_state", upstream="db") == 0


async def test_one_that_ends_its_side_and_is_gone_is_the_drivers(
    larder: StartLarder, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HALF_OPEN_S", 0.05)
    numbered(origin)
    proxy = await larder(OFF)
    event = asyncio.Event()
    async with warm(proxy) as client:
        await _held(proxy, client, origin, answer(b"first", hold_head=event))
        client.writer.write_eof()
        record = await proxy.told(SEEN + 1)
        assert record.aborted
    event.set()
    await proxy.landed()
    assert (await proxy.get("/db/a")).body == b"answer 5"
    assert (origin.connections, len(proxy.records)) == (1, SEEN + 2)


async def test_a_kept_connection_that_was_closed_is_no_failure(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    proxy = await larder(OFF)
    async with warm(proxy) as client:
        for count in range(1, 4):
            origin.reply((Close(reset=count == 2),))
            got = await asked(client)
            assert (got.status, origin.connections) == (200, 1 + count)
            assert len(origin.requests) == SEEN + 2 * count
    assert [record.status for record in proxy.records] == [200] * (SEEN + 3)
    (status,) = proxy.app.exchange.world.clients["db"].status()
    assert (status.state, status.failures) == (BreakerState.CLOSED, 0)


@pytest.mark.parametrize("attempts", [1, 3])
async def test_an_answer_to_try_again_is_tried_as_often_as_the_rule_says(
    larder: StartLarder, origin: Origin, attempts: int
) -> None:
    numbered(origin)
    upstream = f"retry: {{attempts: {attempts}, on: [503]}}"
    proxy = await larder(OFF, upstream=upstream)
    async with warm(proxy) as client:
        origin.reply(*[answer(b"busy", 503)] * attempts)
        assert (await asked(client)).status == 503
        assert len(origin.requests) == SEEN + attempts
        (status,) = proxy.app.exchange.world.clients["db"].status()
        assert status.failures == attempts
        assert (await asked(client)).status == 200
        assert relayed(proxy) == 0  # the breaker had something to forget
        (status,) = proxy.app.exchange.world.clients["db"].status()
        assert status.failures == 0
        assert (await asked(client)).status == 200
        assert relayed(proxy) == 1


async def test_a_breaker_that_failures_opened_keeps_the_lane_out(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    upstream = "retry: {attempts: 1}\nbreaker: {failures: 2, open: 1m}"
    proxy = await larder(OFF, upstream=upstream)
    async with warm(proxy) as client:
        origin.reply(*[answer(b"no", 502)] * 2)
        statuses = [(await asked(client)).status for _ in range(4)]
    assert statuses == [502, 502, 503, 503]
    assert (len(origin.requests), relayed(proxy)) == (SEEN + 2, 0)


async def test_an_upstream_that_is_too_slow_is_timed_out(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    proxy = await larder(OFF, upstream="timeout: {first_byte: 50ms}\nretry: {attempts: 1}")
    async with warm(proxy) as client:
        origin.reply((Hold(asyncio.Event()),))
        got = await asked(client)
        assert (got.status, len(origin.requests)) == (504, SEEN + 1)
        assert (await asked(client)).status == 200
    assert [record.status for record in proxy.records] == [200] * SEEN + [504, 200]
    assert proxy.records[SEEN].duration_s < 5


async def test_more_from_the_client_does_not_give_the_upstream_more_time(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    proxy = await larder(OFF, upstream="timeout: {first_byte: 1s, total: 300ms}")
    async with warm(proxy) as client:
        await _held(proxy, client, origin, (Hold(asyncio.Event()),))
        await client.ask("GET", "/db/b")
        assert (await client.answer()).status == 504
        assert (await client.answer()).body == b"answer 5"


async def test_a_drain_waits_for_it(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(OFF))
    event = asyncio.Event()
    async with (
        asyncio.TaskGroup() as group,
        serving(rules, {"ORIGIN": origin.url}, drain_s=10) as proxy,
    ):
        app = proxy.app
        client = await Connection.connect(app.proxy_url)
        await asked(client, SEEN)
        await _held(proxy, client, origin, answer(b"last", hold_head=event))

        async def witness() -> None:
            await until(lambda: app.state() is State.DRAINING)
            event.set()
            got = await client.answer()
            assert (got.body, got["Connection"]) == (b"last", "close")
            assert await client.to_end() == b""
            await client.close()

        group.create_task(witness())
    assert len(origin.requests) == SEEN + 1
    assert [record.aborted for record in proxy.records] == [False] * (SEEN + 1)


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("routes", [OFF, "- {name: other, ttl: off}", "- {name: other, ttl: 1h}"])
async def test_other_rules_come_into_force_meanwhile(
    larder: StartLarder, origin: Origin, routes: str, more: bool
) -> None:
    """It ends under those it began with, unless the driver has to begin anew with it."""
    numbered(origin)
    proxy = await larder(OFF)
    event = asyncio.Event()
    async with warm(proxy) as client:
        await _held(proxy, client, origin, answer(b"first", hold_head=event))
        proxy.rules.write_text(rules_text(routes))
        assert (await proxy.manage("POST", "/api/reload")).status == 200
        caches = "1h" in routes
        if more:
            await client.ask("GET", "/db/b")
            await read_by(proxy)
        event.set()
        got = await client.answer()
        assert got.body == (b"answer 5" if more and caches else b"first")
        if more:
            assert (await client.answer()).status == 200
        before = len(origin.requests)
        assert (await asked(client, 2)).status == 200
        hits = 2 if more and caches else 1 if caches else 0
        assert len(origin.requests) == before + 2 - hits
        assert before == SEEN + 1 + more + (more and caches)
    assert proxy.app.readings().in_flight == 0
    assert len(proxy.records) == SEEN + 3 + more


async def test_a_client_that_reads_slowly_is_waited_for(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer(b"y" * 60_000)
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        await asked(client, SEEN)
        transport = client.writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]
        times = 0
        while not proxy.app.readings().in_flight and times < 2000:
            await client.ask("GET", "/db/a")
            times += 1
            await until(partial(_told_or_waits, proxy, SEEN + times))
        assert proxy.app.readings().in_flight == 1
        assert len(origin.requests) == SEEN + times
        transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(times):
            assert len((await client.answer()).body) == 60_000
        record = await proxy.told(SEEN + times)
        assert (record.aborted, record.response_bytes) == (False, 60_000)
        before = relayed(proxy)
        await asked(client)
        assert relayed(proxy) == before + 1
    assert len(proxy.records) == SEEN + times + 1


def _told_or_waits(proxy: Larder, count: int) -> bool:
    return len(proxy.records) >= count or proxy.app.readings().in_flight == 1


# -- time


def _token(**claims: object) -> dict[str, str]:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return {"Authorization": f"Bearer e30.{payload}.x"}


@pytest.mark.parametrize("claims", [{"exp": NOW + 100}, {"nbf": NOW - 10, "exp": NOW + 100}])
async def test_a_token_that_ends_ends_it(
    larder: StartLarder, origin: Origin, clock: ManualClock, claims: dict[str, float]
) -> None:
    numbered(origin)
    proxy = await larder(
        "- {name: admins, when: {jwt.role: admin}, ttl: off}\n"
        "- {name: others, ttl: 1h, scope: shared}",
        clock=clock,
    )
    fields = _token(role="admin", **claims)
    async with warm(proxy, fields=fields) as client:
        clock.advance(99)
        assert (await asked(client, fields=fields))["X-Cache"] == "BYPASS"
        assert relayed(proxy) == 1
        clock.advance(1)
        assert (await asked(client, fields=fields))["X-Cache"] == "MISS"
    assert relayed(proxy) == 1
    assert proxy.records[-1].route == "others"


async def test_a_token_that_begins_begins_it(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    numbered(origin)
    proxy = await larder(
        "- {name: admins, when: {jwt.role: admin}, ttl: 1h, scope: shared}\n"
        "- {name: others, ttl: off}",
        clock=clock,
    )
    fields = _token(role="admin", nbf=NOW + 100)
    async with warm(proxy, fields=fields) as client:
        clock.advance(100)
        shown = [(await asked(client, fields=fields))["X-Cache"] for _ in range(2)]
    assert relayed(proxy) == 0 or shown == ["BYPASS"] * 2
    assert shown == ["MISS", "HIT"]


async def test_a_connection_whose_answer_is_long_in_coming_is_not_closed_as_idle(
    larder: StartLarder, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE_S", 0.1)
    numbered(origin)
    proxy = await larder(OFF)
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with warm(proxy) as client:
        await _held(proxy, client, origin, answer(b"late", hold_head=event))
        loop.call_later(0.4, event.set)
        assert (await client.answer()).body == b"late"
        assert relayed(proxy) == 1
        assert (await asked(client)).body == b"answer 5"
        assert await client.to_end() == b""  # and is closed at last


async def test_an_upstream_that_keeps_connections_shortly_is_heeded(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin, ("Keep-Alive", "timeout=1"))
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        last = await asked(client, 2 * SEEN + 1)
    assert last.body == b"answer 7"
    assert (relayed(proxy), origin.connections) == (0, 7)


async def test_one_that_says_it_on_the_way_too(larder: StartLarder, origin: Origin) -> None:
    numbered(origin)
    proxy = await larder(OFF)
    async with warm(proxy) as client:
        origin.reply(answer(b"x", fields=[("Keep-Alive", "timeout=1")]))
        await asked(client)
        assert (relayed(proxy), origin.connections) == (1, 1)
        await asked(client)
        assert (relayed(proxy), origin.connections) == (1, 2)


# -- the others


@pytest.mark.parametrize("more", [False, True])
async def test_work_behind_waits_for_it(larder: StartLarder, origin: Origin, more: bool) -> None:
    """Also while it is handed over."""
    numbered(origin)
    proxy = await larder(OFF)
    event, began = asyncio.Event(), asyncio.Event()

    async def job() -> None:
        began.set()

    async with warm(proxy) as client:
        await _held(proxy, client, origin, answer(b"first", hold_head=event))
        assert proxy.app.background.offer("db", "job", job)
        if more:
            await client.ask("GET", "/db/b")
            await read_by(proxy)
        assert not began.is_set()
        event.set()
        assert (await client.answer()).body == b"first"
        await began.wait()
    await settled(proxy)


async def test_several_clients_at_once_get_their_own(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda got: answer((got.fields.get("x-request-id") or "").encode())
    proxy = await larder(OFF)

    async def one(name: str) -> None:
        async with Connection.open(proxy.app.proxy_url) as client:
            for number in range(30):
                own = f"{name}-{number}"
                assert (await asked(client, fields={"X-Request-Id": own})).body == own.encode()

    async with asyncio.TaskGroup() as group:
        for name in "abcdef":
            group.create_task(one(name))
    assert relayed(proxy) > 90
    assert len(proxy.records) == len(origin.requests) == 180
    assert proxy.app.readings().in_flight == 0


async def test_other_targets_and_hosts_are_others(larder: StartLarder, origin: Origin) -> None:
    def echoed(got: Received) -> Scripted:
        return answer(f"{got.target} {got.fields.get('x-forwarded-host')}")

    origin.handler = echoed
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        for _ in range(2 * SEEN):
            for target in ("/db/a", "/db/a?x", "/db/A", "/db/b"):
                for host in ("one.test", "two.test"):
                    got = await asked(client, target=target, fields={"Host": host})
                    assert got.body == f"{target.removeprefix('/db')} {host}".encode()
    assert relayed(proxy) == 4 * 8 - 1


async def test_switched_off_there_is_none(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(OFF))
    async with serving(rules, {"ORIGIN": origin.url}, lane_bytes=0) as proxy:
        async with Connection.open(proxy.app.proxy_url) as client:
            assert x_cache(await asked(client, 2 * SEEN + 1)) == ["BYPASS"]
        assert (relayed(proxy), proxy.app.lanes.relay.status().requests) == (0, 0)
