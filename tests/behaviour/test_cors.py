"""CORS: the proxy answers pre-flights, and dresses every answer for the page that asked."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.http import Answer
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin

APP = "https://app.example"
OTHER = "https://evil.example"
TOP = f"""
sessions: {{from: [header.x-session-id]}}
cors: {{origins: [{APP}], headers: [X-Trace], expose: [X-Total], max_age: 1h}}
"""
ROUTES = "- {name: all, ttl: 5m, scope: shared}"


def _lists(answer: Answer, name: str) -> set[str]:
    return {item.strip().lower() for item in answer[name].split(",")}


def _asking(origin: str, method: str = "PUT", headers: str = "x-session-id") -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


async def test_a_pre_flight_of_an_allowed_origin_is_answered_by_the_proxy(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(ROUTES, top=TOP)
    said = await proxy.ask("OPTIONS", "/db/scenes", _asking(APP))
    assert (said.status, said.body, "Content-Length" in said.fields) == (204, b"", False)
    assert said["Access-Control-Allow-Origin"] == APP
    assert said["Access-Control-Max-Age"] == "3600"
    assert "PUT" in said["Access-Control-Allow-Methods"]
    sent = {"x-session-id", "x-trace", "content-type", "authorization", "if-none-match"}
    assert sent <= _lists(said, "Access-Control-Allow-Headers")
    assert said["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in said.fields
    assert origin.requests == []
    assert (await proxy.told(1)).reason == "preflight"


async def test_a_pre_flight_of_another_origin_is_refused_and_asks_nobody(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(ROUTES, top=TOP)
    for foreign in (OTHER, "null", "https://app.example.evil.example", "http://app.example"):
        said = await proxy.ask("OPTIONS", "/db/scenes", _asking(foreign))
        assert (said.status, said["Vary"]) == (403, "Origin")
        assert not [name for name in said.fields.names() if name.startswith("access-control-")]
    assert origin.requests == []


async def test_an_options_that_is_no_pre_flight_goes_to_the_upstream(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer(fields={"Allow": "GET", "Access-Control-Allow-Methods": "GET"}))
    proxy = await larder(ROUTES, top=TOP)
    said = await proxy.ask("OPTIONS", "/db/scenes", {"Origin": APP})
    assert (said.status, said["Allow"], said["Access-Control-Allow-Origin"]) == (200, "GET", APP)
    assert "Access-Control-Allow-Methods" not in said.fields


async def test_hits_and_misses_are_dressed_alike_for_whoever_asks(
    larder: StartLarder, origin: Origin
) -> None:
    theirs = {
        "Access-Control-Allow-Origin": "https://first.example",
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "X-Theirs",
        "Vary": "Origin",
    }
    origin.reply(answer(b"body", fields=theirs))
    proxy = await larder(ROUTES, top=TOP)
    asked = [{"Origin": APP}, {"Origin": APP}, {"Origin": OTHER}, {}]
    first, second, foreign, same_site = [await proxy.get("/db/a", fields) for fields in asked]
    assert x_cache(first, second, foreign, same_site) == ["MISS", "HIT", "HIT", "HIT"]
    for said in (first, second):
        assert said.fields.get_all("Access-Control-Allow-Origin") == (APP,)
        shown = {"age", "x-cache", "cache-status", "x-total", "x-session-id"}
        assert shown <= _lists(said, "Access-Control-Expose-Headers")
        assert "Access-Control-Allow-Credentials" not in said.fields
    for said in (foreign, same_site):
        assert not [name for name in said.fields.names() if name.startswith("access-control-")]
    assert {said["Vary"] for said in (first, second, foreign, same_site)} == {"Origin"}
    assert "Origin" not in origin.last.fields


async def test_the_upstreams_own_vary_stays(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer(b"en", fields={"Vary": "Accept-Language"}))
    proxy = await larder(ROUTES, top=TOP)
    said = await proxy.get("/db/a", {"Origin": APP})
    assert said.fields.get_all("Vary") == ("Accept-Language", "Origin")


@pytest.mark.parametrize(
    ("target", "status"), [("/nowhere", 404), ("/db/down", 502), ("/db/../..", 400)]
)
async def test_the_proxys_own_errors_can_be_read_by_the_page(
    larder: StartLarder, origin: Origin, target: str, status: int
) -> None:
    proxy = await larder(ROUTES, top=TOP)
    await origin.stop()
    said = await proxy.get(target, {"Origin": APP})
    assert (said.status, said["Access-Control-Allow-Origin"]) == (status, APP)
    assert said["Vary"] == "Origin"


async def test_a_304_is_dressed_too(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer(b"body", fields={"ETag": '"1"'}))
    proxy = await larder(ROUTES, top=TOP)
    await proxy.get("/db/a")
    said = await proxy.get("/db/a", {"Origin": APP, "If-None-Match": '"1"'})
    assert (said.status, said["Access-Control-Allow-Origin"]) == (304, APP)


async def test_every_origin(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer(b"body"))
    proxy = await larder(ROUTES, top="cors: {origins: '*'}")
    for fields in ({"Origin": OTHER}, {}):
        said = await proxy.get("/db/a", fields)
        assert (said["Access-Control-Allow-Origin"], said.fields.get("Vary")) == ("*", None)


async def test_credentials(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer(b"body"))
    proxy = await larder(ROUTES, top=f"cors: {{origins: {APP}, credentials: true}}")
    before = await proxy.ask("OPTIONS", "/db/a", _asking(APP))
    said = await proxy.get("/db/a", {"Origin": APP})
    for each in (before, said):
        assert each["Access-Control-Allow-Credentials"] == "true"
        assert each["Access-Control-Allow-Origin"] == APP


@pytest.mark.parametrize(("asking", "seen"), [(APP, None), (OTHER, OTHER)])
async def test_a_write_forged_by_another_page_keeps_its_origin_for_the_upstream(
    larder: StartLarder, origin: Origin, asking: str, seen: str | None
) -> None:
    origin.reply(answer(status=403))
    proxy = await larder(top=TOP)
    await proxy.post("/db/a", "x", {"Origin": asking})
    assert origin.last.fields.get("Origin") == seen


async def test_without_cors_nothing_is_touched(larder: StartLarder, origin: Origin) -> None:
    theirs = {"Access-Control-Allow-Origin": OTHER}
    origin.reply(answer(status=204, fields=theirs), answer(b"body", fields=theirs))
    proxy = await larder()
    before = await proxy.ask("OPTIONS", "/db/a", _asking(OTHER))
    said = await proxy.get("/db/a", {"Origin": OTHER})
    assert before["Access-Control-Allow-Origin"] == said["Access-Control-Allow-Origin"] == OTHER
    assert [request.fields.get("Origin") for request in origin.requests] == [OTHER, OTHER]
