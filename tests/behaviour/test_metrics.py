"""What /metrics and /api/stats say agrees with what happened."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.support.answers import answer
from tests.support.larder import Larder, StartLarder
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")


async def traffic(larder: StartLarder, origin: Origin) -> Larder:
    """Two misses, three hits, one bypass, one refusal, one error of the upstream."""
    proxy = await larder(
        "- {name: fresh, match: 'GET /fresh/{x}', ttl: 5m}", upstream="retry: {attempts: 1}"
    )
    origin.handler = lambda _: answer("more")
    origin.reply(answer("12345"), answer("12345"), answer("done", 201), answer("oops", 503))
    for target in ("/db/fresh/1", "/db/fresh/2", "/db/fresh/1", "/db/fresh/1", "/db/fresh/2"):
        await proxy.get(target)
    await proxy.post("/db/write", "1234567")
    await proxy.get("/db/fail")
    await proxy.get("/nowhere")
    await proxy.told(8)
    return proxy


async def test_requests_by_route_outcome_and_status(larder: StartLarder, origin: Origin) -> None:
    proxy = await traffic(larder, origin)
    name = "larder_requests_total"
    assert await proxy.metric(name, route="fresh", outcome="miss", status_class="2xx") == 2
    assert await proxy.metric(name, route="fresh", outcome="hit", status_class="2xx") == 3
    assert await proxy.metric(name, route="db", outcome="bypass", status_class="2xx") == 1
    assert await proxy.metric(name, route="db", outcome="miss", status_class="5xx") == 1
    assert await proxy.metric(name, outcome="refused", status_class="4xx") == 1
    assert await proxy.metric(name) == 8
    assert await proxy.metric("larder_request_duration_seconds_count") == 8


async def test_stores_tiers_and_bytes(larder: StartLarder, origin: Origin) -> None:
    proxy = await traffic(larder, origin)
    assert await proxy.metric("larder_hits_total", route="fresh", tier="memory") == 3
    assert await proxy.metric("larder_stored_total", route="fresh") == 2
    assert await proxy.metric("larder_store_entries", tier="memory") == 2
    assert await proxy.metric("larder_store_bytes", tier="memory") > 10
    assert await proxy.metric("larder_upstream_responses_total") == len(origin.requests) == 4
    assert await proxy.metric("larder_upstream_duration_seconds_count", route="fresh") == 2
    assert await proxy.metric("larder_request_body_bytes_total", route="db") == 7
    assert await proxy.metric("larder_response_body_bytes_total", route="fresh") == 25
    assert await proxy.metric("larder_requests_in_flight") == 0
    assert await proxy.metric("larder_flights") == 0


async def test_statistics_agree(larder: StartLarder, origin: Origin) -> None:
    proxy = await traffic(larder, origin)
    told = (await proxy.manage("GET", "/api/stats")).json()
    fresh = told["routes"]["fresh"]
    assert (fresh["requests"], fresh["hit_rate"], fresh["upstream_calls"]) == (5, 0.6, 2)
    assert (fresh["stored"], fresh["saved_bytes"]) == (2, 15)
    assert told["total"]["requests"] == 8


async def test_the_records_behind_them(larder: StartLarder, origin: Origin) -> None:
    """One record an exchange: path without query and as received, bytes, times."""
    proxy = await traffic(larder, origin)
    await proxy.get("/db/fresh/1?token=secret")
    assert [each.path for each in proxy.records[:2]] == ["/db/fresh/1", "/db/fresh/2"]
    assert (await proxy.told(9)).path == "/db/fresh/1"
    assert all(each.duration_s > 0 for each in proxy.records)
    assert [each.upstream_status for each in proxy.records[:3]] == [200, 200, None]


async def test_no_label_holds_a_url_or_a_secret(larder: StartLarder, origin: Origin) -> None:
    proxy = await traffic(larder, origin)
    await proxy.get("/db/fresh/1?api_key=very-secret", {"Authorization": "Bearer hidden"})
    text = (await proxy.manage("GET", "/metrics")).body.decode()
    assert list(text_string_to_metric_families(text))
    for word in ("very-secret", "hidden", "/db/fresh", "/fresh/1"):
        assert word not in text


async def test_health_follows_the_programs_life(larder: StartLarder) -> None:
    proxy = await larder()
    live, ready = [await proxy.manage("GET", f"/health/{each}") for each in ("live", "ready")]
    assert (live.status, ready.status, ready.json()["state"]) == (200, 200, "serving")
