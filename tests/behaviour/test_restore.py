"""`restore: true`: what is stored of a route is in memory before its first request comes."""

from __future__ import annotations

from pathlib import Path

from proxy.outcomes import Tier
from tests.support.answers import answer
from tests.support.larder import rules_text, serving, x_cache
from tests.support.origin import Origin
from tests.support.ports import LOOPBACK, free_port

ROUTES = """
- {name: kept, match: "GET /kept/{id}", ttl: 1h, restore: true, tags: ["kept:{path.id}"]}
- {name: other, match: "GET /other/{id}", ttl: 1h}
"""


async def test_only_what_is_alive_of_these_routes_is_in_memory_at_start(
    origin: Origin, tmp_path: Path, shared: str
) -> None:
    origin.handler = lambda _: answer("body")
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(ROUTES, shared=shared))
    env = {"ORIGIN": origin.url}
    async with serving(rules, env) as proxy:
        for target in ("/db/kept/1", "/db/kept/2", "/db/other/1"):
            await proxy.get(target)
        await proxy.written(3)
        await proxy.purge(tags=["kept:2"])
    async with serving(rules, env) as proxy:
        told = [await proxy.get(f"/db/{rest}") for rest in ("kept/1", "kept/2", "other/1")]
        await proxy.told(3)
    assert x_cache(*told) == ["HIT", "MISS", "HIT"]
    assert [record.tier for record in proxy.records] == [Tier.MEMORY, None, Tier.SHARED]


async def test_a_variant_is_restored_with_the_place_that_leads_to_it(
    origin: Origin, tmp_path: Path, shared: str
) -> None:
    origin.handler = lambda _: answer("body", fields=[("Vary", "Accept")])
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(ROUTES, shared=shared))
    async with serving(rules, {"ORIGIN": origin.url}) as proxy:
        await proxy.get("/db/kept/1", {"Accept": "text/plain"})
        await proxy.written(2)
    async with serving(rules, {"ORIGIN": origin.url}) as proxy:
        await proxy.get("/db/kept/1", {"Accept": "text/plain"})
        assert (await proxy.told(1)).tier is Tier.MEMORY


async def test_a_store_that_is_away_does_not_hold_up_the_start(
    origin: Origin, tmp_path: Path
) -> None:
    origin.handler = lambda _: answer("body")
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(ROUTES, shared=f"redis://{LOOPBACK}:{free_port()}/0"))
    async with serving(rules, {"ORIGIN": origin.url}) as proxy:
        assert x_cache(await proxy.get("/db/kept/1")) == ["MISS"]
