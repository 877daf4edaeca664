"""The admin API through a real socket: every endpoint, its errors, its audit lines."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from proxy.edges.admin import make_admin
from proxy.edges.control import State
from proxy.edges.logs import AUDIT
from proxy.messages import StoredResponse
from proxy.observing import Counts
from tests.support.control import NOW, SmallProgram, keep, stored
from tests.support.records import hit, miss
from tests.support.rules import config_of

TOKEN = "0123456789abcdef"
KEY = b"7" * 32

CONFIG = config_of(
    """
    upstreams:
      db: {url: https://db.example, routes: [{name: scenes, match: "GET /scenes/{id}", ttl: 5m}]}
    """
)

Client = TestClient[Any, Any]
Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def program() -> SmallProgram:
    return SmallProgram(CONFIG)


@pytest.fixture
async def connect(program: SmallProgram) -> AsyncIterator[Connect]:
    clients: list[Client] = []

    async def make(token: str = "") -> Client:
        app = make_admin(program, "127.0.0.1", token, clock=lambda: NOW)
        client = TestClient(TestServer(app))
        clients.append(client)
        await client.start_server()
        return client

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
async def client(connect: Connect) -> Client:
    return await connect()


async def _json(response: ClientResponse, status: int = 200) -> dict[str, Any]:
    assert response.status == status, await response.text()
    body: dict[str, Any] = await response.json()
    return body


async def _problem(response: ClientResponse, status: int) -> dict[str, Any]:
    assert response.status == status
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(await response.text())
    assert body["status"] == status
    assert body["detail"]
    return body


async def test_the_index_names_the_api(client: Client) -> None:
    response = await client.get("/")
    assert response.status == 200
    assert "/api/purge" in await response.text()


async def test_openapi(client: Client) -> None:
    assert (await _json(await client.get("/openapi.json")))["openapi"] == "3.1.0"


async def test_metrics_are_those_of_the_program(client: Client, program: SmallProgram) -> None:
    program.metrics.observe(hit())
    response = await client.get("/metrics")
    text = await response.text()
    assert response.content_type == "text/plain"
    assert 'larder_requests_total{outcome="hit",route="scenes",status_class="2xx"} 1.0' in text
    assert "larder_requests_in_flight 3.0" in text


async def test_live_says_nothing_but_that_it_lives(client: Client, program: SmallProgram) -> None:
    program.life = State.DRAINING
    assert await _json(await client.get("/health/live")) == {"state": "draining"}


async def test_ready_only_while_serving(client: Client, program: SmallProgram) -> None:
    body = await _json(await client.get("/health/ready"))
    assert (body["state"], body["rules"]) == ("serving", CONFIG.digest)
    for life in (State.STARTING, State.DRAINING):
        program.life = life
        assert (await _problem(await client.get("/health/ready"), 503))["state"] == life.value


async def test_stats(client: Client, program: SmallProgram) -> None:
    Counts(program.stats.count)(miss())
    Counts(program.stats.count)(hit())
    body = await _json(await client.get("/api/stats"))
    assert body["total"]["hit_rate"] == 0.5
    assert body["uptime_s"] == 60.0
    assert body["store"]["memory"]["entries"] == 0


async def test_routes(client: Client) -> None:
    body = await _json(await client.get("/api/routes"))
    assert [route["name"] for route in body["upstreams"][0]["routes"]] == ["scenes", "db"]


async def test_entries_are_listed_and_filtered(client: Client, program: SmallProgram) -> None:
    keep(program.cache, KEY, stored())
    keep(program.cache, b"8" * 32, stored(tags=("*", "other"), route="db"))
    for query, count in (
        ({}, 2),
        ({"tag": "scene:7"}, 1),
        ({"route": "db"}, 1),
        ({"prefix": "GET db"}, 2),
        ({"tag": "scene:7", "route": "db"}, 0),
        ({"limit": "1"}, 1),
    ):
        body = await _json(await client.get("/api/entries", params=query))
        assert len(body["entries"]) == count, query


async def test_one_entry_is_shown_and_dropped(client: Client, program: SmallProgram) -> None:
    keep(program.cache, KEY, stored())
    path = f"/api/entries/{KEY.hex()}"
    body = await _json(await client.get(path))
    assert (body["status"], body["age_s"], body["ttl_s"]) == (200, 10.0, 50.0)
    assert await _json(await client.delete(path)) == {"key": KEY.hex()}
    assert (await _problem(await client.get(path), 404))["reason"] == "absent"
    await _problem(await client.delete(path), 404)


async def test_a_purge_counts_kills_and_is_told(
    client: Client, program: SmallProgram, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=AUDIT)
    keep(program.cache, KEY, stored())
    dry = await _json(await client.post("/api/purge", json={"tags": ["scene:7"], "dry_run": True}))
    assert (dry["count"], dry["dry_run"]) == (1, True)
    assert program.cache.peek(KEY, NOW) is not None
    done = await _json(await client.post("/api/purge", json={"tags": ["scene:7"]}))
    assert (done["count"], done["dry_run"]) == (1, False)
    assert program.cache.peek(KEY, NOW) is None
    assert "purge: tags scene:7, asked by 127.0.0.1" in caplog.text


async def test_a_soft_purge_keeps_it_as_stale(client: Client, program: SmallProgram) -> None:
    keep(program.cache, KEY, stored())
    await _json(await client.post("/api/purge", json={"route": "scenes", "soft": True}))
    body = await _json(await client.get(f"/api/entries/{KEY.hex()}"))
    assert body["soft_purged"] is True


async def test_a_session_is_audited_by_its_digest(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=AUDIT)
    await _json(await client.post("/api/purge", json={"session": "hunter2"}))
    assert CONFIG.session_tag("hunter2") in caplog.text
    assert "hunter2" not in caplog.text


async def test_explain_tells_what_is_stored_and_the_plan(
    client: Client, program: SmallProgram
) -> None:
    ask = {"url": "/db/scenes/7"}
    body = await _json(await client.post("/api/explain", json=ask))
    assert (body["route"], body["stored"]) == ("scenes", None)
    assert (body["plan"]["do"], body["plan"]["reason"]) == ("fetch", "absent")
    route = CONFIG.router.routes(CONFIG.upstreams[0])[0]
    entry: StoredResponse = stored(route_digest=route.digest)
    keep(program.cache, bytes.fromhex(body["key"]["digest"]), entry)
    body = await _json(await client.post("/api/explain", json=ask))
    assert body["stored"]["ttl_s"] == 50.0
    assert body["plan"] == {"do": "serve", "outcome": "hit", "refresh": False}


async def test_reload(client: Client, program: SmallProgram) -> None:
    assert await _json(await client.post("/api/reload")) == {"rules": CONFIG.digest}
    program.problems = ("rules.yaml:1:1: wrong; mend it",)
    body = await _problem(await client.post("/api/reload"), 422)
    assert body["problems"] == ["rules.yaml:1:1: wrong; mend it"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "member"),
    [
        ("POST", "/api/purge", b"{}", 400, None),
        ("POST", "/api/purge", b"", 400, None),
        ("POST", "/api/purge", b"[]", 400, None),
        ("POST", "/api/purge", b'{"tags": "a"}', 400, "tags"),
        ("POST", "/api/purge", b'{"tag": "a"}', 400, "tag"),
        ("POST", "/api/purge", b'{"route": "nope"}', 404, "route"),
        ("POST", "/api/explain", b"{}", 400, "url"),
        ("POST", "/api/explain", b'{"url": "x"}', 400, "url"),
        ("POST", "/api/reload", b'{"now": true}', 400, "now"),
        ("GET", "/api/entries?limit=0", b"", 400, "limit"),
        ("GET", "/api/entries?tga=a", b"", 400, "tga"),
        ("GET", "/api/entries?cursor=zz", b"", 400, None),
        ("GET", "/api/entries/zz", b"", 400, None),
        ("GET", "/nope", b"", 404, None),
        ("DELETE", "/api/purge", b"", 405, None),
    ],
)
async def test_errors_are_problems(
    client: Client, method: str, path: str, body: bytes, status: int, member: str | None
) -> None:
    headers = {"Content-Type": "application/json"} if body else {}
    response = await client.request(method, path, data=body or None, headers=headers)
    assert (await _problem(response, status)).get("member") == member


async def test_a_body_too_large_is_refused(client: Client) -> None:
    body = BytesIO(b'{"prefix": "' + b"x" * (1 << 20) + b'"}')
    headers = {"Content-Type": "application/json"}
    await _problem(await client.post("/api/purge", data=body, headers=headers), 413)


async def test_head_is_answered_as_get(client: Client) -> None:
    response = await client.head("/health/live")
    assert (response.status, await response.read()) == (200, b"")


async def test_405_says_what_is_allowed(client: Client) -> None:
    response = await client.put("/api/entries/00")
    assert response.headers["Allow"] == "DELETE, GET, HEAD"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_pages_of_others_change_nothing(
    client: Client, program: SmallProgram, headers: dict[str, str], status: int
) -> None:
    keep(program.cache, KEY, stored())
    merged = {"Content-Type": "application/json", **headers}
    response = await client.post("/api/purge", data=b'{"all": true}', headers=merged)
    await _problem(response, status)
    assert program.cache.peek(KEY, NOW) is not None


async def test_with_a_token_only_health_is_open(connect: Connect) -> None:
    client = await connect(TOKEN)
    for path in ("/", "/metrics", "/api/stats", "/openapi.json"):
        await _problem(await client.get(path), 401)
    for path in ("/health/live", "/health/ready"):
        await _json(await client.get(path))
    with_token = await client.get("/api/stats", headers={"Authorization": f"Bearer {TOKEN}"})
    await _json(with_token)


async def test_a_defect_is_logged_and_told_without_its_trace(
    client: Client, program: SmallProgram, caplog: pytest.LogCaptureFixture
) -> None:
    program.stats = None  # type: ignore[assignment]
    body = await _problem(await client.get("/api/stats"), 500)
    assert "Traceback" not in body["detail"]
    assert "Traceback" in caplog.text
