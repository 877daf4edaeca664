"""The lanes change nothing but the time it takes, nor does answering what comes in at once.

The same random traffic goes through three proxies, one with the lane, one without, and one whose
requests come in pieces, so that each takes the long way; each stands before an upstream of its
own, on one clock that only the traffic moves. Every answer, byte for byte,
every record, count, metric and entry must be the same, whatever was written, purged, reloaded
or let go of in between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from proxy.outcomes import ExchangeRecord
from tests.support.answers import Answer, answer
from tests.support.clock import ManualClock
from tests.support.http import Connection, request_bytes
from tests.support.larder import Larder, rules_text, serving, together
from tests.support.origin import Origin, Received

STEPS = 400
CONNECTIONS = 3

ROUTES = """
- {name: short, match: "GET /short/{id}", ttl: 5s, tags: ["short:{path.id}"], stale: {if_error: 1m}}
- {name: slides, match: "GET /slides/{id}", ttl: {default: 6s, sliding: true}}
- {name: ahead, match: "GET /ahead/{id}", ttl: 8s, refresh: {ahead: 30%, hits: 2}}
- {name: behind, match: "GET /behind/{id}", ttl: 3s, stale: {while_revalidate: 4s}}
- {name: asks, match: "POST /asks", ttl: 20s, cost: {miss: 20, hit: 1, unit: credits}}
- {name: own, match: "GET /own/{id}", ttl: 30s, scope: credential, headers: {remove: [date]}}
- {name: guarded, match: "GET /guarded/{id}", ttl: 30s, serve_if: {header.x-deny: {exists: false}}}
- {name: sits, match: "GET /sits/{id}", ttl: 30s, scope: session}
- {name: writes, match: "PUT /short/{id}", invalidate: {tags: ["short:{path.id}"]}}
- {name: large, match: "GET /large/{id}", ttl: 1h}
- {name: passes, match: "GET /passes/{id}", ttl: off}
"""
OTHER_ROUTES = ROUTES.replace("ttl: 30s", "ttl: 25s")
TOP = """
store: {shared: none, memory: {max_size: 192KiB, max_object: 64KiB}}
"""
CORS = 'cors: {origins: ["https://app.example"]}\n'
"""Answers under it are dressed, and never passed on without the driver."""
SESSIONS = "sessions: {from: header.x-session-id}"
LIVING = "sessions: {from: header.x-session-id, ttl: 10s}"

TARGETS = (
    *("/db/short/1", "/db/short/2", "/db/slides/1", "/db/ahead/1", "/db/behind/1", "/db/plain"),
    *("/db/own/1", "/db/guarded/1", "/db/sits/1", "/db/varied", "/db/large/1", "/db/large/2"),
    *("/db/passes/1", "/db/passes/2", "/db/passes/1", "/db/passes/2"),
)
FIELDS: tuple[dict[str, str], ...] = (
    *({}, {}, {}, {}, {"Authorization": "Bearer one"}, {"Authorization": "Bearer two"}),
    *({"X-Session-ID": "one"}, {"X-Session-ID": "two"}, {"X-Deny": "1"}),
    *({"Accept-Language": "de"}, {"Accept-Language": "en"}, {"Origin": "https://app.example"}),
    *({"If-None-Match": '"1"'}, {"Range": "bytes=0-3"}, {"Cache-Control": "no-cache"}),
    *({"Cache-Control": "max-age=2"}, {"X-Trace": "%41"}, {"Connection": "keep-alive"}),
)
MORE_FIELDS = (
    *("Accept", "Accept-Encoding", "Accept-Language", "Referer", "User-Agent", "Prefer", "DNT"),
    *("X-Request-Id", "Traceparent", "Sec-Fetch-Mode", "Priority", "Date", "Keep-Alive", "TE"),
    *("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "Max-Forwards", "Trailer"),
    *("X-HTTP-Method-Override", "X_HTTP_Method", "X-Original-URL", "X-Api-Key", "Cookie"),
    *("If-Match", "If-Modified-Since", "If-Range", "Pragma", "Idempotency-Key"),
    *("Content-Type", "Content-Encoding", "Server", "ETag", "Access-Control-Request-Method"),
)
"""Whatever else a client may send: none, one or two of these, with one value or another."""
BODIES = ({"n": 1}, {"n": 2})


class Upstream:
    """Answers that count, so that none is mistaken for another."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._counts: dict[str, int] = {}

    def __call__(self, got: Received) -> Answer:
        number = self._counts[got.target] = self._counts.get(got.target, 0) + 1
        body = f"{got.method} {got.target} {number} {got.body!r}"
        if "/large/" in got.target:
            body += "x" * 50_000
        if "/passes/" in got.target and number % 4 == 0:
            return _oddly(number, body)
        fields = [("ETag", f'"{number}"'), ("Cache-Control", "max-age=4"), ("X-Percent", "100%d")]
        if got.target == "/varied":
            fields.append(("Vary", "Accept-Language"))
        return answer(body, fields=fields)


def _oddly(number: int, body: str) -> Answer:
    """An answer that is not of the kind that most are."""
    kinds = (
        answer(chunks=[body, "more"]),
        answer(body, 503, fields=[("Retry-After", "1")]),
        answer(body, split=30),
        answer(body, interim=[(103, [("Link", "</a>")])]),
        answer(status=204),
        answer(body, fields=[("Connection", "close")], close=True),
        answer(body, until_close=True),
    )
    return kinds[number // 4 % len(kinds)]


class Side:
    """One of the proxies, and the connections to it; `cuts`: no request comes in one piece."""

    def __init__(self, proxy: Larder, clients: list[Connection], *, cuts: bool) -> None:
        self.proxy = proxy
        self.clients = clients
        self._cuts = cuts

    async def exchange(self, which: int, pieces: list[bytes], methods: list[str]) -> list[bytes]:
        """Send the pieces, each read by itself, and return as many answers, byte for byte."""
        client = self.clients[which]
        if self._cuts:
            pieces = [pieces[0][:3], pieces[0][3:], *pieces[1:]]
        for piece in pieces[:-1]:
            await client.send(piece)
            await self.proxy.manage("GET", "/health/live")  # it has been read by then
        await client.send(pieces[-1])
        return [(await client.answer(method)).raw for method in methods]

    async def state(self) -> dict[str, Any]:
        """All that is told of what happened."""
        proxy = self.proxy
        await proxy.landed()
        stats = (await proxy.manage("GET", "/api/stats")).json()
        stats.pop("uptime_s", None)
        return {
            "records": [_timeless(record) for record in proxy.records],
            "stats": _without_times(stats),
            "metrics": await _metrics(proxy),
            "entries": [_without_times(entry) for entry in await proxy.entries()],
        }


def _timeless(record: ExchangeRecord) -> ExchangeRecord:
    upstream = None if record.upstream_s is None else 0.0
    return replace(record, duration_s=0.0, upstream_s=upstream)


def _without_times(told: Any) -> Any:
    """Plain data without what the machine's speed decides."""
    if isinstance(told, dict):
        measured = {"upstream_s", "saved_s"}
        return {name: _without_times(value) for name, value in told.items() if name not in measured}
    return [_without_times(each) for each in told] if isinstance(told, list) else told


async def _metrics(proxy: Larder) -> list[str]:
    lines = (await proxy.manage("GET", "/metrics")).body.decode().splitlines()
    measured = ("larder_lane_", "larder_rules_", "python_", "process_")
    return sorted(
        line
        for line in lines
        if not line.startswith(("#", *measured))
        and ("_seconds" not in line or "_count{" in line)
        and "_created" not in line
    )


Step = Callable[[Side], Awaitable[object]]


def drawn(random: Random, clock: ManualClock, hot: list[bytes]) -> Step:
    """Something that happens next, to be done to both sides."""
    chance = random.random()
    which = random.randrange(CONNECTIONS)
    if chance < 0.75:
        again = hot and random.random() < 0.8
        data, method = (random.choice(hot), "") if again else _request(random)
        method = method or data.split(b" ", 1)[0].decode()
        if not again:
            hot.append(data)
            del hot[:-6]
        elif random.random() < 0.3:
            number = b"\r\nX-Trace-Id: %d\r\n" % random.randrange(1000)
            data = data.replace(b"\r\n", number, 1)
        return lambda side: side.exchange(which, [data], [method])
    if chance < 0.80:
        data, method = _request(random)
        cut = random.randrange(1, len(data))
        return lambda side: side.exchange(which, [data[:cut], data[cut:]], [method])
    if chance < 0.85 and hot:
        several = [random.choice(hot) for _ in range(3)]
        methods = [each.split(b" ", 1)[0].decode() for each in several]
        return lambda side: side.exchange(which, [b"".join(several)], methods)
    if chance < 0.93:
        clock.advance(random.choice((0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 2.5)))
        return lambda side: side.proxy.landed()
    return _deed(random)


def _request(random: Random) -> tuple[bytes, str]:
    if random.random() < 0.1:
        return request_bytes("POST", "/db/asks", {}, random.choice(BODIES)), "POST"
    method = "HEAD" if random.random() < 0.05 else "GET"
    fields = dict(random.choice(FIELDS))
    for name in random.sample(MORE_FIELDS, random.choice((0, 0, 1, 2))):
        fields.setdefault(
            name, random.choice(("1", "en", "upgrade", "Tue, 14 Nov 2023 22:13:20 GMT"))
        )
    return request_bytes(method, random.choice(TARGETS), fields), method


def _deed(random: Random) -> Step:
    """What makes stored answers invalid."""
    number, soft = random.choice("12"), random.random() < 0.5
    chance = random.randrange(5)
    if chance == 0:
        return lambda side: side.proxy.ask("PUT", f"/db/short/{number}", (), b"new")
    if chance == 1:
        return lambda side: side.proxy.purge(tags=[f"short:{number}"], soft=soft)
    if chance == 2:
        return lambda side: side.proxy.purge(all=True, soft=soft)
    if chance == 3:
        return lambda side: side.proxy.purge(url=f"/db/large/{number}")
    routes = random.choice((ROUTES, OTHER_ROUTES))
    top = TOP + random.choice((CORS, "", "")) + random.choice((SESSIONS, LIVING))

    async def reload(side: Side) -> int:
        side.proxy.rules.write_text(rules_text(routes, top=top))
        status = (await side.proxy.manage("POST", "/api/reload")).status
        assert status == 200
        return status

    return reload


@pytest.mark.parametrize("seed", range(6))
async def test_with_and_without_it_all_is_the_same(seed: int, tmp_path: Path) -> None:
    random, clock, hot = Random(seed), ManualClock(), list[bytes]()
    async with AsyncExitStack() as stack, together() as enter:
        sides = []
        for name, lane_bytes in (("with", 48 << 10), ("without", 0), ("cut", 0)):
            origin = await stack.enter_async_context(Origin(Upstream(clock)))
            rules = tmp_path / f"{name}.yaml"
            rules.write_text(rules_text(ROUTES, top=TOP + SESSIONS))
            proxy = await enter(
                serving(rules, {"ORIGIN": origin.url}, clock, lane_bytes=lane_bytes)
            )
            clients = [
                await stack.enter_async_context(Connection.open(proxy.app.proxy_url))
                for _ in range(CONNECTIONS)
            ]
            sides.append(Side(proxy, clients, cuts=name == "cut"))
        for number in range(STEPS):
            step = drawn(random, clock, hot)
            done = [await step(side) for side in sides]
            for side in sides:
                await side.proxy.landed()
            if isinstance(done[0], list):
                assert done[0] == done[1] == done[2], f"step {number}"
        with_lane, without, cut = [await side.state() for side in sides]
        assert with_lane == without == cut
        relayed = [side.proxy.app.readings().relayed for side in sides]
        assert relayed[0] > 0
        assert relayed[1:] == [0, 0]
        hits = [side.proxy.app.readings().lane.hits for side in sides]
        assert hits[0] > STEPS / 20
        assert hits[1:] == [0, 0]
