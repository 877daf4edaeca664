"""What a look-up's finding is worth to a route."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.decisions.lookup import Fetch, LookupPlan, Serve
from proxy.messages import CacheKey, Part, StoredResponse, Variants
from proxy.outcomes import Forward, NotServed, Outcome, Tier
from proxy.sight import Sight, at_hand, look_for_part, see, sighted
from proxy.store.base import Found
from tests.support.build import request, stored
from tests.support.clock import NOW
from tests.support.control import keep, memory_cache
from tests.unit.decisions.routed import match, route_of

ROUTE = route_of("ttl: 1m")
PLACE = CacheKey(b"key")
MINE: StoredResponse = replace(stored(), route_digest=ROUTE.digest)
FOREIGN = replace(MINE, route_digest="another")
MARKER = Variants(names=("accept",), expires_at=NOW + 99)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(NotServed.ABSENT, Sight(PLACE, None), id="nothing"),
        pytest.param(
            NotServed.STORE_DOWN, Sight(PLACE, None, missing=NotServed.STORE_DOWN), id="no-store"
        ),
        pytest.param(
            Found(MARKER, Tier.MEMORY), Sight(PLACE, None, missing=NotServed.VARIANT), id="marker"
        ),
        pytest.param(
            Found(FOREIGN, Tier.MEMORY),
            Sight(PLACE, None, missing=NotServed.ROUTE_CHANGED),
            id="other-rules",
        ),
        pytest.param(
            Found(MINE, Tier.SHARED, soft=True),
            Sight(PLACE, MINE, Tier.SHARED, soft=True),
            id="an-answer",
        ),
    ],
)
def test_what_a_finding_is_worth(found: Found | NotServed, expected: Sight) -> None:
    assert sighted(ROUTE, PLACE, found) == expected


MISS = Fetch(Forward.URI_MISS, NotServed.ABSENT)
PART = stored(
    b"234567",
    status=206,
    fields={"ETag": '"1"'},
    part=Part(2, 8, 10),
    route_digest=ROUTE.digest,
    response_time=NOW,
)


async def looked(
    part: StoredResponse | None, lines: str = "ttl: 1m", **asked: str
) -> tuple[Sight, LookupPlan]:
    """What is seen by a request for bytes=3-5 where this part is stored and nothing else."""
    cache = memory_cache()
    if part is not None:
        keep(cache, PLACE.part.digest, part)
    found = match(lines, request(fields={"Range": "bytes=3-5", **asked}))
    return await look_for_part(cache, found, Sight(PLACE, None), MISS, NOW)


async def test_a_part_is_found_apart_from_whole_answers_and_cut() -> None:
    """RFC 9111 §3.3."""
    sight, plan = await looked(PART)
    assert isinstance(plan, Serve)
    assert (plan.stored.body, plan.stored.part) == (b"345", None)
    assert (sight.place, sight.tier) == (PLACE.part, Tier.MEMORY)
    assert sight.stored is not None
    assert sight.stored.body == PART.body


@pytest.mark.parametrize(
    ("part", "lines"),
    [
        pytest.param(None, "ttl: 1m", id="nothing"),
        pytest.param(replace(PART, route_digest="another"), "ttl: 1m", id="other-rules"),
    ],
)
async def test_without_a_part_of_use_the_range_is_fetched(
    part: StoredResponse | None, lines: str
) -> None:
    _, plan = await looked(part, lines)
    assert plan == replace(MISS, ranged=True)


@pytest.mark.parametrize(("status", "served"), [(200, True), (404, False)])
async def test_serve_if_judges_a_part_by_the_head_of_its_whole(status: int, served: bool) -> None:
    lines = f"ttl: 1m\nserve_if: {{response.status: {status}}}"
    part = replace(PART, route_digest=route_of(lines).digest)
    _, plan = await looked(part, lines)
    assert isinstance(plan, Serve) is served


async def test_flights_for_ranges_are_nobody_elses() -> None:
    """Not of the whole, nor of another range, nor of the same one under another condition."""
    asked: list[dict[str, str]] = [
        {},
        {"Range": "bytes=3-6"},
        {"If-Range": '"1"'},
        {"If-Range": '"2"'},
    ]
    places = {(await looked(None, **fields))[0].place.digest for fields in asked}
    assert len(places | {PLACE.digest, PLACE.part.digest}) == len(asked) + 2


@pytest.mark.parametrize(("since", "served"), [(NOW, True), (NOW + 1, False)])
async def test_a_session_is_served_nothing_of_an_earlier_life(since: float, served: bool) -> None:
    found = Found(replace(MINE, request_time=NOW), Tier.MEMORY)
    ended = Sight(PLACE, None, missing=NotServed.SESSION_ENDED)
    sight = sighted(ROUTE, PLACE, found, since)
    assert (sight.stored is not None, sight == ended) == (served, not served)


SWR = replace(MINE, stale_while_revalidate=60.0, keep=60.0)


@pytest.mark.parametrize(
    ("entry", "fields", "later", "hit"),
    [
        pytest.param(MINE, {}, 59.0, True, id="fresh"),
        pytest.param(MINE, {"Cache-Control": "max-age=5"}, 9.0, False, id="declined"),
        pytest.param(SWR, {}, 61.0, False, id="stale"),
        pytest.param(SWR, {"Cache-Control": "max-stale"}, 61.0, False, id="stale-is-wanted"),
        pytest.param(FOREIGN, {}, 0.0, False, id="other-rules"),
        pytest.param(MARKER, {}, 0.0, False, id="marker-alone"),
        pytest.param(None, {}, 0.0, False, id="nothing"),
    ],
)
async def test_a_fresh_hit_in_memory_is_at_hand(
    entry: StoredResponse | Variants | None, fields: dict[str, str], later: float, hit: bool
) -> None:
    """And it is what a look in both tiers comes to."""
    cache, found = memory_cache(), match("ttl: 1m", request(fields=fields))
    if entry is not None:
        keep(cache, PLACE.digest, entry)
    seen = at_hand(cache, found, PLACE, NOW + later)
    assert (seen is not None) is hit
    if seen is not None:
        assert seen[1] == Serve(seen[1].stored, Outcome.HIT)
        assert seen == await see(cache, found, PLACE, lambda: NOW + later, lambda _: None)
