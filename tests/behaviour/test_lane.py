"""The hot lane: a request that came before, byte for byte, is answered without being parsed.

What it answers, and what is told of it, is what the driver would have said; see also
tests/property/test_lane_equal.py, which compares the two on random traffic.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from proxy.edges import connection, wire
from proxy.edges.control import State
from proxy.outcomes import Outcome, Tier
from tests.support.answers import Answer as Scripted
from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.clock import ManualClock
from tests.support.http import Connection, asked, request_bytes
from tests.support.larder import Larder, StartLarder, rules_text, serving, until, x_cache
from tests.support.origin import Origin, Received
from tests.support.redis_server import RedisServer

FRESH = ("Cache-Control", "max-age=60")
FEW = 3
"""A miss, and two hits that the driver answers: the request has been seen twice."""

LARGE = b"x" * (200 << 10)
"""More than is handed to a socket without asking whether there is room."""


def told(proxy: Larder) -> int:
    """How many requests the lane has answered."""
    return proxy.app.readings().lanes["hot"].answered


@asynccontextmanager
async def warm(
    proxy: Larder, target: str = "/db/a", fields: FieldLines = ()
) -> AsyncIterator[Connection]:
    """A client whose next equal request is the lane's."""
    async with Connection.open(proxy.app.proxy_url) as client:
        await asked(client, FEW, target, fields)
        assert told(proxy) == 0
        yield client


def numbered(origin: Origin, *fields: tuple[str, str]) -> None:
    """Every answer of the origin is another."""
    origin.handler = lambda _: answer(f"answer {len(origin.requests)}", fields=[FRESH, *fields])


async def test_an_equal_request_gets_an_equal_answer(larder: StartLarder, origin: Origin) -> None:
    numbered(origin)
    proxy = await larder(clock=ManualClock())
    async with Connection.open(proxy.app.proxy_url) as client:
        before = await asked(client, FEW)
        assert (told(proxy), proxy.app.readings().lanes["hot"].requests) == (0, 1)
        after = await asked(client, 5)
    assert told(proxy) == 5
    assert after.raw == before.raw
    assert (after["X-Cache"], after["Age"]) == ("HIT", "0")
    assert len(origin.requests) == 1


async def test_others_on_other_connections_get_it_too(larder: StartLarder, origin: Origin) -> None:
    numbered(origin)
    proxy = await larder()
    async with warm(proxy), Connection.open(proxy.app.proxy_url) as other:
        assert (await asked(other)).body == b"answer 1"
    assert told(proxy) == 1


async def test_all_is_told_as_of_any_other_hit(larder: StartLarder, origin: Origin) -> None:
    numbered(origin)
    proxy = await larder("- {name: all, ttl: 1h, cost: {miss: 20, hit: 1, unit: credits}}")
    async with warm(proxy) as client:
        await asked(client, 4)
    record = await proxy.told(FEW + 4)
    assert (record.outcome, record.tier, record.status) == (Outcome.HIT, Tier.MEMORY, 200)
    assert (record.path, record.response_bytes) == ("/db/a", len("answer 1"))
    assert 0 < record.duration_s < 1
    hits = FEW + 4 - 1
    assert await proxy.metric("larder_hits_total", route="all", tier="memory") == hits
    assert await proxy.metric("larder_lane_answers_total", lane="hot") == 4
    assert await proxy.metric("larder_request_duration_seconds_count", outcome="hit") == hits
    shown = (await proxy.manage("GET", "/api/stats")).json()
    assert shown["routes"]["all"]["outcomes"]["hit"] == hits
    (entry,) = await proxy.entries()
    assert entry["hits"] == hits


async def test_the_access_log_has_a_line_for_each(
    larder: StartLarder, origin: Origin, capfd: pytest.CaptureFixture[str]
) -> None:
    numbered(origin)
    proxy = await larder()
    async with warm(proxy) as client:
        await asked(client, 4)
        seen = ""

        def written() -> bool:
            nonlocal seen
            seen += capfd.readouterr().out
            return seen.count('"path":"/db/a"') == FEW + 4

        await until(written)


# -- for how long


async def test_age_and_ttl_go_on_and_the_end_is_to_the_second(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    numbered(origin)
    proxy = await larder(clock=clock)
    async with warm(proxy) as client:
        for step, age in ((0.25, 0), (0.5, 0), (0.25, 1), (0.25, 1), (57.25, 58), (0.5, 59)):
            clock.advance(step)
            shown = await asked(client)
            assert (shown["Age"], shown.body) == (str(age), b"answer 1")
            left = 60 - age if clock.now % 1 == 0 else 59 - age
            assert f"ttl={left};" in shown["Cache-Status"]
        answered = told(proxy)
        clock.advance(0.75)
        assert (await asked(client))["Age"] == "59"
        clock.advance(0.25)
        assert (await asked(client)).body == b"answer 2"
        assert told(proxy) == answered + 1


async def test_a_date_of_the_proxys_own_is_that_of_the_moment(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    numbered(origin)
    proxy = await larder("- {name: all, ttl: 1h, headers: {remove: [date]}}", clock=clock)
    async with warm(proxy) as client:
        first = await asked(client)
        clock.advance(1)
        second = await asked(client)
    assert told(proxy) == 2
    assert first["Date"] != second["Date"]


async def test_a_write_ends_it_at_once(larder: StartLarder, origin: Origin) -> None:
    numbered(origin)
    proxy = await larder()
    async with warm(proxy) as client:
        await proxy.post("/db/a", b"new")
        assert (await asked(client)).body == b"answer 3"
    assert told(proxy) == 0


@pytest.mark.parametrize("soft", [False, True])
async def test_a_purge_ends_it_at_once(larder: StartLarder, origin: Origin, soft: bool) -> None:
    numbered(origin)
    proxy = await larder()
    async with warm(proxy) as client:
        assert (await asked(client)).body == b"answer 1"
        await proxy.purge(all=True, soft=soft)
        assert (await asked(client)).body == b"answer 2"
        assert (await asked(client, FEW)).body == b"answer 2"


async def test_other_rules_end_it_at_once(larder: StartLarder, origin: Origin) -> None:
    numbered(origin)
    proxy = await larder("- {name: all, ttl: 1h}")
    async with warm(proxy) as client:
        proxy.rules.write_text(rules_text("- {name: all, ttl: off}"))
        assert (await proxy.manage("POST", "/api/reload")).status == 200
        lane = proxy.app.readings().lanes["hot"]
        assert (lane.requests, lane.size_bytes) == (0, 0)
        assert (await asked(client))["X-Cache"] == "BYPASS"


async def test_what_memory_lets_go_of_is_not_kept_here(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer(LARGE, fields=[FRESH])
    top = "store: {shared: none, memory: {max_size: 512KiB, max_object: 256KiB}}"
    proxy = await larder(top=top)
    async with warm(proxy) as client:
        for target in ("/db/b", "/db/c"):
            await proxy.get(target)
        assert proxy.app.readings().lanes["hot"].requests == 0
        assert (await asked(client))["X-Cache"] == "MISS"


async def test_what_it_answers_counts_as_used(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer(LARGE, fields=[FRESH])
    top = "store: {shared: none, memory: {max_size: 512KiB, max_object: 256KiB}}"
    proxy = await larder(top=top)
    async with warm(proxy) as client:
        await proxy.get("/db/b")
        assert (await asked(client))["X-Cache"] == "HIT"
        await proxy.get("/db/c")  # it takes the place of b
        assert (await asked(client))["X-Cache"] == "HIT"
    assert told(proxy) == 2


async def test_nothing_is_answered_once_invalidations_are_out_of_reach(
    larder: StartLarder, origin: Origin, tmp_path: Path
) -> None:
    numbered(origin)
    server = RedisServer(tmp_path / "redis")
    await server.start()
    try:
        proxy = await larder(top=f"store: {{shared: '{server.url}', max_lag: 300ms}}")
        async with warm(proxy) as client:
            assert (await asked(client))["X-Cache"] == "HIT"
            server.kill()
            await until(lambda: not proxy.app.cache.status().trusted)
            answered = told(proxy)
            assert (await asked(client))["X-Cache"] != "HIT"
            assert told(proxy) == answered
    finally:
        server.close()


# -- which requests


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        pytest.param("HEAD", {}, id="head"),
        pytest.param("GET", {"If-None-Match": '"1"'}, id="condition"),
        pytest.param("GET", {"If-None-Match": '"2"'}, id="condition-that-fails"),
        pytest.param("GET", {"Range": "bytes=0-1"}, id="range"),
        pytest.param("GET", {"Cache-Control": "max-age=30"}, id="max-age"),
        pytest.param("GET", {"Cache-Control": "no-cache"}, id="no-cache"),
        pytest.param("GET", {"Expect": "100-continue"}, id="expect"),
        pytest.param("GET", {"Connection": "close"}, id="close"),
        pytest.param("GET", {"Connection": "upgrade", "Upgrade": "x"}, id="upgrade"),
        pytest.param("POST", {"Transfer-Encoding": "chunked"}, id="chunked"),
    ],
)
async def test_what_is_weighed_or_framed_is_left_to_the_driver(
    larder: StartLarder, origin: Origin, method: str, fields: dict[str, str]
) -> None:
    numbered(origin, ("ETag", '"1"'))
    proxy = await larder(f"- {{name: all, match: {method} /a, ttl: 1h}}")
    body = b"2\r\n{}\r\n0\r\n\r\n" if "Transfer-Encoding" in fields else b""
    for _ in range(2 * FEW):
        async with Connection.open(proxy.app.proxy_url) as client:
            await client.send(request_bytes(method, "/db/a", fields) + body)
            assert (await client.answer(method)).complete
    assert (told(proxy), proxy.app.readings().lanes["hot"].requests) == (0, 0)


@pytest.mark.parametrize(
    "route",
    [
        pytest.param("ttl: {default: 1h, sliding: true}", id="sliding"),
        pytest.param("ttl: 1h, refresh: {ahead: 20%, hits: 3}", id="refresh"),
    ],
)
async def test_routes_on_which_a_hit_does_something_are_left_to_the_driver(
    larder: StartLarder, origin: Origin, route: str
) -> None:
    numbered(origin)
    proxy = await larder(f"- {{name: all, {route}}}")
    async with Connection.open(proxy.app.proxy_url) as client:
        assert (await asked(client, 2 * FEW))["X-Cache"] == "HIT"
    assert told(proxy) == 0


async def test_sessions_with_a_life_are_left_to_the_driver(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    top = "sessions: {from: header.x-session-id, ttl: 10m}"
    proxy = await larder("- {name: mine, scope: session, ttl: 1h}", top=top)
    async with Connection.open(proxy.app.proxy_url) as client:
        last = await asked(client, 2 * FEW, fields={"X-Session-ID": "one"})
        assert last["X-Cache"] == "HIT"
    assert told(proxy) == 0


async def test_a_token_that_ends_ends_it(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 7519 §4.1.4: what its claims decide is not decided any more after `exp`."""
    numbered(origin)
    when = "when: {jwt.role: admin}"
    proxy = await larder(
        f"- {{name: admins, {when}, ttl: 1h, scope: shared}}\n- {{name: others, ttl: off}}",
        clock=clock,
    )
    token = "e30.eyJyb2xlIjoiYWRtaW4iLCJleHAiOjE4MDAwMDAxMDB9.x"  # exp: NOW + 100
    fields = {"Authorization": f"Bearer {token}"}
    async with warm(proxy, fields=fields) as client:
        clock.advance(99)
        assert (await asked(client, fields=fields))["X-Cache"] == "HIT"
        assert told(proxy) == 1
        clock.advance(1)
        assert (await asked(client, fields=fields))["X-Cache"] == "BYPASS"


async def test_another_credential_never_gets_it(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda got: answer(got.fields.get("authorization") or "", fields=[FRESH])
    proxy = await larder("- {name: all, ttl: 1h, scope: credential}")
    async with Connection.open(proxy.app.proxy_url) as client:
        for who in ("Bearer one", "Bearer two", "Bearer one", "Bearer on", "Bearer two"):
            last = await asked(client, FEW + 1, fields={"Authorization": who})
            assert last.body == who.encode()
    assert told(proxy) >= 4


async def test_variants_are_told_apart_and_pages_of_other_origins_too(
    larder: StartLarder, origin: Origin
) -> None:
    def reply(got: Received) -> Scripted:
        language = got.fields.get("accept-language") or ""
        return answer(language, fields=[FRESH, ("Vary", "Accept-Language")])

    origin.handler = reply
    proxy = await larder(top="cors: {origins: ['https://a.example', 'https://b.example']}")
    async with Connection.open(proxy.app.proxy_url) as client:
        await asked(client, 1, fields={"Accept-Language": "en"})
        await asked(client, 1, fields={"Accept-Language": "de"})
        for page in ("https://a.example", "https://b.example", "https://c.example"):
            for language in ("de", "en"):
                fields = {"Accept-Language": language, "Origin": page}
                last = await asked(client, FEW + 1, fields=fields)
                assert (last.body.decode(), last["X-Cache"]) == (language, "HIT")
                allowed = None if page.endswith("c.example") else page
                assert last.fields.get("access-control-allow-origin") == allowed
    assert told(proxy) >= 6


async def test_a_post_whose_body_is_its_key_is_answered(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda got: answer(got.body, fields=[FRESH])
    proxy = await larder("- {name: all, match: POST /a, ttl: 1h}")
    async with Connection.open(proxy.app.proxy_url) as client:
        for body in ({"n": 1}, {"n": 2}, {"n": 1}):
            for _ in range(FEW + 1):
                await client.ask("POST", "/db/a", {}, body)
                assert (await client.answer()).json() == body
    assert len(origin.requests) == 2
    assert told(proxy) == 1 + 1 + FEW + 1
    assert (await proxy.told(3 * (FEW + 1))).request_bytes == len('{"n":1}')


async def test_requests_that_differ_each_time_take_no_memory(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    proxy = await larder("- {name: all, ttl: 1h}")
    async with Connection.open(proxy.app.proxy_url) as client:
        for each in range(20):
            await asked(client, 1, f"/db/a?n={each}")
    assert proxy.app.readings().lanes["hot"].requests == 0


async def test_requests_that_differ_in_what_does_not_matter_are_one(
    larder: StartLarder, origin: Origin
) -> None:
    numbered(origin)
    proxy = await larder("- {name: all, ttl: 1h}")
    async with Connection.open(proxy.app.proxy_url) as client:
        answers = [await asked(client, fields={"X-Request-Id": str(each)}) for each in range(20)]
    assert x_cache(*answers[1:]) == ["HIT"] * 19
    await proxy.told(20)
    lane = proxy.app.readings().lanes["hot"]
    assert (lane.requests, lane.answered) == (1, 17)


# -- how requests come


@pytest.mark.parametrize("cut", [1, 7, 30])
async def test_a_request_in_pieces_is_the_drivers(
    larder: StartLarder, origin: Origin, cut: int
) -> None:
    numbered(origin)
    proxy = await larder()
    data = request_bytes("GET", "/db/a")
    async with warm(proxy) as client:
        for _ in range(2):
            await client.send(data[:cut])
            await proxy.manage("GET", "/health/live")  # the piece has been read by then
            await client.send(data[cut:])
            assert (await client.answer()).body == b"answer 1"
        assert told(proxy) == 0
        assert (await asked(client)).body == b"answer 1"
        assert told(proxy) == 1


async def test_pipelined_requests_are_answered_in_their_order(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda got: answer(got.target, fields=[FRESH])
    proxy = await larder()
    a, b = request_bytes("GET", "/db/a"), request_bytes("GET", "/db/b")
    async with warm(proxy) as client:
        await client.send(a + b + a + a)
        bodies = [(await client.answer()).body for _ in range(4)]
        assert bodies == [b"/a", b"/b", b"/a", b"/a"]
        await client.send(a + b[:20])
        assert (await client.answer()).body == b"/a"
        await client.send(b[20:])
        assert (await client.answer()).body == b"/b"
        assert told(proxy) == 0
        assert (await asked(client)).body == b"/a"
        assert told(proxy) == 1


async def test_one_behind_a_slow_request_waits_for_it(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda got: answer(got.target, fields=[FRESH])
    proxy = await larder()
    async with warm(proxy) as client:
        go = asyncio.Event()
        origin.reply(answer("slow", fields=[FRESH], hold_head=go))
        await client.ask("GET", "/db/slow")
        await origin.received(2)
        await client.ask("GET", "/db/a")
        go.set()
        assert [(await client.answer()).body for _ in range(2)] == [b"slow", b"/a"]


@pytest.fixture
def certificate(tmp_path: Path) -> str:
    """`server.tls` of the rules, with a certificate of this test's own."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=x"],
        check=True, capture_output=True,
    )  # fmt: skip
    return f"server: {{tls: {{cert: {cert}, key: {key}}}}}"


async def test_over_tls_it_is_the_same(
    origin: Origin, tmp_path: Path, clock: ManualClock, certificate: str
) -> None:
    origin.handler = lambda _: answer(LARGE, fields=[FRESH])
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(top=certificate))
    client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname, client_side.verify_mode = False, ssl.CERT_NONE
    async with serving(rules, {"ORIGIN": origin.url}, clock) as proxy:
        url = proxy.app.proxy_url
        async with Connection.open(url, client_side) as client:
            before = await asked(client, FEW)
            after = await asked(client, 3)
    assert before.raw == after.raw
    assert told(proxy) >= 1


# -- clients that do not read, and the end


@asynccontextmanager
async def deaf(proxy: Larder, data: bytes) -> AsyncIterator[socket.socket]:
    """A client that sends this and reads nothing yet."""
    loop, parts = asyncio.get_running_loop(), urlsplit(proxy.app.proxy_url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, (parts.hostname, parts.port))
        await loop.sock_sendall(client, data)
        yield client


def _waiting(proxy: Larder) -> int:
    return proxy.app.readings().lanes["hot"].waiting


async def _held_up(proxy: Larder, client: socket.socket) -> int:
    """Ask for the large answer until one is held up; how often that was."""
    loop, data, times = asyncio.get_running_loop(), request_bytes("GET", "/db/a"), 1

    def answered() -> bool:
        return len(proxy.records) + _waiting(proxy) >= FEW + times

    await until(answered)
    while not _waiting(proxy):
        await loop.sock_sendall(client, data)
        times += 1
        await until(answered)
    return times


async def test_one_that_does_not_read_is_waited_for(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer(LARGE, fields=[FRESH])
    proxy = await larder()
    async with warm(proxy), deaf(proxy, request_bytes("GET", "/db/a")) as client:
        times = await _held_up(proxy, client)
        assert proxy.app.readings().in_flight == 1
        loop, left = asyncio.get_running_loop(), times * len(LARGE)
        while left > 0:
            left -= len(await loop.sock_recv(client, 1 << 20))
        record = await proxy.told(FEW + times)
        assert (record.aborted, record.outcome) == (False, Outcome.HIT)
        assert (proxy.app.readings().in_flight, told(proxy)) == (0, times)


async def test_one_that_leaves_instead_is_told_of(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer(LARGE, fields=[FRESH])
    proxy = await larder()
    async with warm(proxy):
        async with deaf(proxy, request_bytes("GET", "/db/a")) as client:
            times = await _held_up(proxy, client)
        record = await proxy.told(FEW + times)
    assert record.aborted
    assert await proxy.metric("larder_aborted_total") == 1
    assert proxy.app.readings().in_flight == 0


async def test_one_that_never_reads_is_given_up(
    larder: StartLarder, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "STALL_S", 0.05)
    origin.handler = lambda _: answer(LARGE, fields=[FRESH])
    proxy = await larder()
    async with warm(proxy), deaf(proxy, request_bytes("GET", "/db/a")) as client:
        times = await _held_up(proxy, client)
        assert (await proxy.told(FEW + times)).aborted


async def test_a_drain_waits_for_what_is_held_up_and_answers_no_more(
    origin: Origin, tmp_path: Path
) -> None:
    origin.handler = lambda _: answer(LARGE, fields=[FRESH])
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text())
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        async with serving(rules, {"ORIGIN": origin.url}, drain_s=10) as proxy:
            app = proxy.app
            idle = await Connection.connect(app.proxy_url)
            await asked(idle, FEW)
            deaf_one = deaf(proxy, request_bytes("GET", "/db/a"))
            client = await deaf_one.__aenter__()
            times = await _held_up(proxy, client)

            async def witness() -> None:
                await until(lambda: app.state() is State.DRAINING)
                assert await idle.to_end() == b""
                received = 0
                while piece := await loop.sock_recv(client, 1 << 20):
                    received += len(piece)
                assert received > times * len(LARGE)
                await deaf_one.__aexit__(None, None, None)

            group.create_task(witness())
        await idle.close()


async def test_a_connection_that_is_used_is_not_closed_as_idle(
    larder: StartLarder, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE_S", 0.3)
    numbered(origin)
    proxy = await larder()
    loop = asyncio.get_running_loop()
    async with warm(proxy) as client:
        end = loop.time() + 0.8
        while loop.time() < end:
            assert (await asked(client)).body == b"answer 1"
        assert told(proxy) > 0
        assert await client.to_end() == b""  # and is closed at last


async def test_switched_off_there_is_none(origin: Origin, tmp_path: Path) -> None:
    numbered(origin)
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text())
    async with serving(rules, {"ORIGIN": origin.url}, lane_bytes=0) as proxy:
        async with Connection.open(proxy.app.proxy_url) as client:
            assert x_cache(await asked(client, 2 * FEW)) == ["HIT"]
        assert (told(proxy), proxy.app.readings().lanes["hot"].requests) == (0, 0)


async def test_it_keeps_within_its_bytes(origin: Origin, tmp_path: Path) -> None:
    origin.handler = lambda _: answer(b"x" * 1000, fields=[FRESH])
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text())
    async with (
        serving(rules, {"ORIGIN": origin.url}, lane_bytes=64 << 10) as proxy,
        Connection.open(proxy.app.proxy_url) as client,
    ):
        for number in range(40):
            await asked(client, FEW, f"/db/{number}")
            await asked(client, 1, "/db/0")
        lane = proxy.app.readings().lanes["hot"]
        assert 0 < lane.size_bytes <= 64 << 10
        assert 1 < lane.requests < 40
        answered = told(proxy)
        await asked(client, 1, "/db/0")  # it was in use all along
        assert told(proxy) == answered + 1
