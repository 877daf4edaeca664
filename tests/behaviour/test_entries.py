"""What is told of stored answers: hits, provider, cost, creation, parameters, what is left."""

from __future__ import annotations

from typing import Any

from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder, until
from tests.support.origin import Origin

ROUTES = """
- name: speech
  match: POST /speech
  key: {name: "CACHE#tts"}
  ttl: 7d
  tags: ["voice:{body.voice}"]
  cost: {miss: 20, hit: 1, unit: credits}
  params: [body.model, body.input, header.x-api-key]
- {name: doc, match: GET /doc, scope: session, ttl: 1m, stale: {if_error: 1h}}
"""
TOP = "sessions: {from: [header.x-session-id]}"
SPOKEN = {"model": "tts-1", "voice": "alloy", "input": "hello " * 100}


async def _listed(proxy: Larder, query: str = "") -> list[Any]:
    listed: list[Any] = (await proxy.manage("GET", f"/api/entries{query}")).json()["entries"]
    return listed


async def _shown(proxy: Larder, key: str) -> Any:
    return (await proxy.manage("GET", f"/api/entries/{key}")).json()


async def test_an_entry_tells_where_it_is_from_and_what_it_is_worth(
    larder: StartLarder, origin: Origin
) -> None:
    clock = ManualClock()
    proxy = await larder(ROUTES, top=TOP, clock=clock)
    origin.reply(answer(b"sound"))
    for _ in range(3):
        await proxy.post("/db/speech", SPOKEN, {"X-Api-Key": "sesame-open"})
    clock.advance(3600)
    listed = (await _listed(proxy))[0]
    shown = await _shown(proxy, listed["key"])
    for entry in (listed, shown):
        assert entry["hits"] == 2
        assert entry["provider"] == "db"
        assert entry["cost"] == 20
        assert entry["created_at"] == clock.now - 3600
        assert entry["params"]["body.model"] == "tts-1"
        assert len(entry["params"]["body.input"]) == 200
        assert entry["ttl_s"] == 6 * 86400 + 82800
        assert entry["state"] == "fresh"
        assert entry["head"].startswith("CACHE#tts")
        assert "sesame" not in str(entry)
    assert shown["scope"] == "credential"


async def test_filters_are_combined(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(ROUTES, top=TOP)
    origin.handler = lambda _: answer(b"x")
    await proxy.post("/db/speech", SPOKEN)
    await proxy.post("/db/speech", {**SPOKEN, "voice": "echo"})
    await proxy.get("/db/doc", {"X-Session-ID": "mine"})
    assert len(await _listed(proxy)) == 3
    assert len(await _listed(proxy, "?route=speech")) == 2
    assert len(await _listed(proxy, "?route=speech&tag=voice:echo")) == 1
    assert len(await _listed(proxy, "?prefix=CACHE%23tts")) == 2
    assert [each["route"] for each in await _listed(proxy, "?session=mine")] == ["doc"]
    assert await _listed(proxy, "?session=other") == []


async def test_states_fresh_stale_and_soft_purged(larder: StartLarder, origin: Origin) -> None:
    clock = ManualClock()
    proxy = await larder(ROUTES, top=TOP, clock=clock)
    origin.handler = lambda _: answer(b"x")
    await proxy.get("/db/doc", {"X-Session-ID": "mine"})
    await proxy.post("/db/speech", SPOKEN)
    keys = {each["route"]: each["key"] for each in await _listed(proxy)}
    clock.advance(120)
    assert (await _shown(proxy, keys["doc"]))["state"] == "stale"
    assert (await _shown(proxy, keys["speech"]))["state"] == "fresh"
    await proxy.purge(route="speech", soft=True)
    assert (await _shown(proxy, keys["speech"]))["state"] == "soft-purged"


async def test_one_is_found_by_how_its_key_begins_and_deleted(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(ROUTES, top=TOP)
    origin.handler = lambda _: answer(b"x")
    await proxy.post("/db/speech", SPOKEN)
    begin = (await _listed(proxy))[0]["key"][:16]
    assert (await _shown(proxy, begin))["route"] == "speech"
    assert (await proxy.manage("DELETE", f"/api/entries/{begin}")).status == 200
    assert await _listed(proxy) == []
    assert (await proxy.manage("GET", f"/api/entries/{begin}")).status == 404
    assert (await proxy.manage("GET", "/api/entries/abc")).status == 400


async def test_hits_of_all_instances_are_summed_and_outlive_them(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    first = await larder(ROUTES, top=TOP, shared=shared)
    second = await larder(ROUTES, top=TOP, shared=shared)
    origin.reply(answer(b"sound"))
    await first.post("/db/speech", SPOKEN)
    await first.written(1)
    await first.post("/db/speech", SPOKEN)
    await second.post("/db/speech", SPOKEN)
    await second.post("/db/speech", SPOKEN)

    await _listed(second)  # who is asked tells what it has counted

    async def three() -> bool:
        return [each["hits"] for each in await _listed(first)] == [3]

    await until(three)
    third = await larder(ROUTES, top=TOP, shared=shared)
    assert [each["hits"] for each in await _listed(third)] == [3]
    assert [each["cost"] for each in await _listed(third)] == [20]
