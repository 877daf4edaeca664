"""New rules are taken whole or not at all, and only what they change is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.http import Connection
from tests.support.larder import Larder, StartLarder, rules_text, x_cache
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")


async def reloaded(proxy: Larder, routes: str) -> int:
    """Write these routes and ask for a reload; the admin API's status."""
    proxy.rules.write_text(rules_text(routes))
    return (await proxy.manage("POST", "/api/reload")).status


async def test_good_rules_take_effect(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer("x")
    proxy = await larder()
    assert x_cache(await proxy.get("/db/a"), await proxy.get("/db/a")) == ["MISS", "MISS"]
    before = proxy.app.config().digest
    assert await reloaded(proxy, "- {name: all, ttl: 5m}") == 200
    assert x_cache(await proxy.get("/db/a"), await proxy.get("/db/a")) == ["MISS", "HIT"]
    assert proxy.app.config().digest != before
    assert await proxy.metric("larder_rules_reloads_total", result="ok") >= 1


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("- {name: all, ttl: soon}", id="wrong-value"),
        pytest.param("- {nmae: all}", id="unknown-key"),
        pytest.param("- {name: all\n", id="not-yaml"),
        pytest.param("- {name: a}\n- {name: a}", id="name-twice"),
    ],
)
async def test_bad_rules_keep_the_old_ones(larder: StartLarder, origin: Origin, bad: str) -> None:
    origin.handler = lambda _: answer("x")
    proxy = await larder("- {name: all, ttl: 5m}")
    await proxy.get("/db/a")
    before = proxy.app.config().digest
    proxy.rules.write_text(rules_text(bad))
    said = await proxy.manage("POST", "/api/reload")
    assert said.status == 422
    assert all(each.startswith(str(proxy.rules)) for each in said.json()["problems"])
    assert (await proxy.get("/db/a"))["X-Cache"] == "HIT"
    assert proxy.app.config().digest == before
    assert await proxy.metric("larder_rules_last_reload_success") == 0
    assert await proxy.metric("larder_rules_reloads_total", result="refused") == 1


async def test_a_missing_file_keeps_the_old_ones(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer("x")
    proxy = await larder("- {name: all, ttl: 5m}")
    proxy.rules.unlink()
    assert (await proxy.manage("POST", "/api/reload")).status == 422
    assert (await proxy.get("/db/a")).status == 200


TWO = "- {{name: one, match: GET /one, ttl: {one}}}\n- {{name: two, match: GET /two, ttl: 5m}}"


async def test_only_the_routes_that_changed_start_anew(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer("x")
    proxy = await larder(TWO.format(one="5m"))
    for target in ("/db/one", "/db/two"):
        await proxy.get(target)
    await reloaded(proxy, TWO.format(one="6m"))
    one, two = await proxy.get("/db/one"), await proxy.get("/db/two")
    assert x_cache(one, two) == ["MISS", "HIT"]
    assert one["Cache-Status"].endswith("detail=route-changed")


async def test_a_request_under_way_ends_by_the_rules_it_began_with(
    larder: StartLarder, origin: Origin
) -> None:
    """And what it stores under the old rule is not served under the new one."""
    rest = asyncio.Event()
    origin.reply(answer("old", hold_body=rest, hold_at=1), answer("new"))
    proxy = await larder("- {name: all, ttl: 5m}")
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a")
        await client.start()
        await reloaded(proxy, "- {name: all, ttl: 5m, store_if: {response.status: 200}}")
        rest.set()
        assert await client.reader.readexactly(3) == b"old"
    await proxy.landed()
    assert (await proxy.get("/db/a")).body == b"new"


async def test_an_upstream_may_move(larder: StartLarder, origin: Origin) -> None:
    origin.handler = lambda _: answer("x")
    proxy = await larder()
    async with Origin(lambda _: answer("elsewhere")) as other:
        proxy.rules.write_text(rules_text().replace("${ORIGIN}", other.url))
        assert await proxy.app.reload() == ()
        assert (await proxy.get("/db/a")).body == b"elsewhere"
    assert origin.requests == []
