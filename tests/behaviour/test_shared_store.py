"""What one instance stores outlives it and serves the others; what one purges is purged for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.answers import answer
from tests.support.larder import StartLarder, rules_text, serving, until, x_cache
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")
ROUTES = '- {name: scenes, match: "GET /scenes/{id}", ttl: 1h, tags: ["scene:{path.id}"]}'


@pytest.mark.parametrize("routes", ["", "- {name: all, ttl: 5m}"], ids=["http", "rule"])
async def test_a_hit_survives_a_restart(
    origin: Origin, tmp_path: Path, shared: str, routes: str
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(routes, shared=shared))
    origin.reply(answer("body", fields=[FRESH, ("X-Kept", "1"), ("Vary", "Accept")]))
    async with serving(rules, {"ORIGIN": origin.url}) as proxy:
        first = await proxy.get("/db/a")
    async with serving(rules, {"ORIGIN": origin.url}) as proxy:
        second, third = await proxy.get("/db/a"), await proxy.get("/db/a")
    assert x_cache(first, second, third) == ["MISS", "HIT", "HIT"]
    assert [each["Cache-Status"].split("detail=")[1] for each in (second, third)] == [
        "shared",
        "memory",
    ]
    assert (second.body, second["X-Kept"]) == (b"body", "1")
    assert len(origin.requests) == 1


async def test_an_invalidation_survives_a_restart(
    origin: Origin, tmp_path: Path, shared: str
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(ROUTES, shared=shared))
    origin.handler = lambda _: answer("body")
    async with serving(rules, {"ORIGIN": origin.url}) as proxy:
        await proxy.get("/db/scenes/1")
        await proxy.get("/db/scenes/2")
        await proxy.written(2)
        await proxy.purge(tags=["scene:1"])
    async with serving(rules, {"ORIGIN": origin.url}) as proxy:
        told = [await proxy.get("/db/scenes/1"), await proxy.get("/db/scenes/2")]
    assert x_cache(*told) == ["MISS", "HIT"]


async def test_what_one_stores_the_other_serves(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    origin.reply(answer("body", fields=[FRESH]))
    one, two = await larder(shared=shared), await larder(shared=shared)
    await one.get("/db/a")
    await one.written(1)
    told = await two.get("/db/a")
    assert (told["X-Cache"], told.body) == ("HIT", b"body")
    assert told["Cache-Status"].endswith("detail=shared")
    assert len(origin.requests) == 1


@pytest.mark.parametrize(
    "members",
    [
        {"tags": ["scene:1"]},
        {"route": "scenes"},
        {"url": "/db/scenes/1"},
        {"prefix": "GET db/scenes/1"},
        {"all": True},
    ],
    ids=["tag", "route", "url", "prefix", "all"],
)
async def test_a_purge_that_waits_is_seen_by_the_other_when_it_returns(
    larder: StartLarder, origin: Origin, shared: str, members: dict[str, object]
) -> None:
    """Issue 2, «It must show» 3."""
    origin.handler = lambda _: answer("body")
    one, two = await larder(ROUTES, shared=shared), await larder(ROUTES, shared=shared)
    await one.get("/db/scenes/1")
    await one.written(1)
    assert x_cache(*[await two.get("/db/scenes/1") for _ in range(2)]) == ["HIT", "HIT"]
    told = await one.purge(**members, wait=True)
    assert told["waited"] is True
    assert told["position"] is not None
    assert (await two.get("/db/scenes/1"))["X-Cache"] == "MISS"


async def test_a_write_through_one_reaches_the_others_memory(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    """Without waiting: within moments (`store.max_lag` at most)."""
    origin.handler = lambda _: answer("body", fields=[FRESH])
    one, two = await larder(shared=shared), await larder(shared=shared)
    await one.get("/db/a")
    await one.written(1)
    assert x_cache(*[await two.get("/db/a") for _ in range(2)]) == ["HIT", "HIT"]
    await one.post("/db/a", "write")

    async def followed() -> bool:
        told = await two.get("/db/a", {"Cache-Control": "only-if-cached"})
        return told.status == 504

    await until(followed)
    assert (await one.get("/db/a", {"Cache-Control": "only-if-cached"})).status == 504


async def test_memory_alone_forgets(origin: Origin, tmp_path: Path) -> None:
    """`shared: none` means it."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text())
    origin.handler = lambda _: answer("body", fields=[FRESH])
    states = []
    for _ in range(2):
        async with serving(rules, {"ORIGIN": origin.url}) as proxy:
            states.append((await proxy.get("/db/a"))["X-Cache"])
    assert states == ["MISS", "MISS"]


async def test_credentials_keep_apart_across_instances(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    origin.handler = lambda request: answer(request.fields.get("authorization") or "")
    one, two = await larder(ROUTES, shared=shared), await larder(ROUTES, shared=shared)
    mine, theirs = {"Authorization": "one"}, {"Authorization": "two"}
    await one.get("/db/scenes/1", mine)
    await one.written(1)
    told = [await two.get("/db/scenes/1", theirs), await two.get("/db/scenes/1", mine)]
    assert [each.body for each in told] == [b"two", b"one"]
    assert x_cache(*told) == ["MISS", "HIT"]
