"""However an upstream varies, one key takes a bounded part of the stores (RFC 9111 §4.1, §7.1)."""

from __future__ import annotations

import pytest

from proxy.caching.vary import MAX_NAMES
from proxy.shelf import MAX_VARIANTS
from tests.support.answers import Answer, answer
from tests.support.larder import Larder, StartLarder, x_cache
from tests.support.origin import Origin, Received

FRESH = ("Cache-Control", "max-age=600")
EVERYTHING = [f"X-{n}" for n in range(MAX_NAMES)]


def varying(origin: Origin, *names: str) -> None:
    """Answer with the values of these fields, saying that they select."""

    def reply(request: Received) -> Answer:
        values = [request.fields.get(name) for name in names]
        return answer({"values": values}, fields=[FRESH, ("Vary", ", ".join(names))])

    origin.handler = reply


async def variants(proxy: Larder) -> int:
    """How many answers are stored."""
    return sum(entry["status"] > 0 for entry in await proxy.entries())


@pytest.mark.parametrize("routes", ["", "- {name: all, ttl: 5m}"], ids=["http", "rule"])
async def test_an_upstream_that_varies_by_everything_keeps_its_newest_variants(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    varying(origin, *EVERYTHING)
    proxy = await larder(routes)
    hostile = [{name: f"{n}-{name}" for name in EVERYTHING} for n in range(3 * MAX_VARIANTS)]
    for each in hostile:
        assert (await proxy.get("/db/a", each))["X-Cache"] == "MISS"
    await proxy.landed()
    assert await variants(proxy) == MAX_VARIANTS
    newest = hostile[-MAX_VARIANTS:]
    assert x_cache(*[await proxy.get("/db/a", each) for each in newest]) == ["HIT"] * MAX_VARIANTS
    assert (await proxy.get("/db/a", hostile[-MAX_VARIANTS - 1]))["X-Cache"] == "MISS"


async def test_a_variant_fetched_anew_is_the_newest(larder: StartLarder, origin: Origin) -> None:
    """One that is renewed takes no second place, and goes behind the others to be dropped."""
    varying(origin, "Accept")
    proxy = await larder()
    asked = [{"Accept": f"a/{n}"} for n in range(MAX_VARIANTS)]
    for each in asked:
        await proxy.get("/db/a", each)
    await proxy.get("/db/a", {**asked[0], "Cache-Control": "no-cache"})
    await proxy.get("/db/a", {"Accept": "one/more"})
    await proxy.landed()
    assert await variants(proxy) == MAX_VARIANTS
    assert x_cache(*[await proxy.get("/db/a", each) for each in asked[:2]]) == ["HIT", "MISS"]


async def test_variants_no_request_finds_any_more_make_room(
    larder: StartLarder, origin: Origin
) -> None:
    """Once another field selects too, those stored without it are gone."""
    varying(origin, "Accept")
    proxy = await larder()
    for n in range(10):
        await proxy.get("/db/a", {"Accept": f"a/{n}"})
    varying(origin, "Accept", "Accept-Language")
    await proxy.get("/db/a", {"Accept": "a/0", "Cache-Control": "no-cache"})
    await proxy.landed()
    assert await variants(proxy) == 1
    assert (await proxy.get("/db/a", {"Accept": "a/0"}))["X-Cache"] == "HIT"


@pytest.mark.parametrize("routes", ["", "- {name: all, ttl: 5m}"], ids=["http", "rule"])
async def test_one_answer_that_names_too_many_fields_is_not_stored(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    varying(origin, *EVERYTHING, "X-One-More")
    proxy = await larder(routes)
    told = [await proxy.get("/db/a") for _ in range(2)]
    assert x_cache(*told) == ["MISS", "MISS"]
    assert (await proxy.told(2)).not_stored == "vary-many"
    assert await proxy.metric("larder_not_stored_total", reason="vary-many") == 2
    assert await proxy.entries() == []


async def test_fields_named_by_many_answers_together_are_bounded_too(
    larder: StartLarder, origin: Origin
) -> None:
    """All that were ever named count, so one answer after the other cannot add without end."""
    proxy = await larder()
    for name in EVERYTHING:
        varying(origin, name)
        await proxy.get("/db/a", {name: "1"})
    varying(origin, "X-One-More")
    await proxy.get("/db/a", {"X-One-More": "1"})
    record = await proxy.told(MAX_NAMES + 1)
    assert (record.stored, record.not_stored) == (False, "vary-many")
    assert (await proxy.get("/db/b", {"X-One-More": "1"}))["X-Cache"] == "MISS"
    assert (await proxy.get("/db/b", {"X-One-More": "1"}))["X-Cache"] == "HIT"


async def test_fields_a_rule_ignores_do_not_count(larder: StartLarder, origin: Origin) -> None:
    varying(origin, *EVERYTHING, "X-One-More")
    proxy = await larder("- {name: all, ttl: 5m, key: {ignore: [header.x-*]}}")
    assert x_cache(*[await proxy.get("/db/a", {"X-1": n}) for n in "ab"]) == ["MISS", "HIT"]


async def test_what_makes_room_leaves_the_shared_store_too(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    varying(origin, "Accept")
    proxy = await larder(shared=shared)
    for n in range(MAX_VARIANTS + 6):
        await proxy.get("/db/a", {"Accept": f"a/{n}"})
    await proxy.landed()  # a flight ends when what it crowded out is deleted
    assert await variants(proxy) == MAX_VARIANTS
