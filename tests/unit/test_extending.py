"""What an Extend does to what is stored, whatever else happened to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.extending import SLACK_S, extend, slide_used
from proxy.messages import CacheKey, StoredResponse, Variants
from proxy.rules.compiled import Config, Match
from proxy.store.base import Fact, FactKind
from proxy.store.cache import Cache
from tests.support.build import as_bytes, request, response, stored
from tests.support.control import NOW, keep, memory_cache
from tests.support.rules import config_of
from tests.unit.rules.support import matched

FILE = """
upstreams:
  api:
    url: http://up.test
    routes:
      - name: stream
        match: POST /streams/{device}
        key: "stream:{path.device}"
        ttl: {default: 100s, sliding: true}
      - name: extend
        match: POST /extend/{device}
        enabled: ENABLED
        ttl: off
        extend: {key: "stream:{path.device}", tags: ["media:{body.media}"], until: response.body.at}
"""


def rules(*, enabled: bool = True) -> Config:
    return config_of(FILE.replace("ENABLED", str(enabled).lower()))


def streams(config: Config, cache: Cache) -> tuple[CacheKey, StoredResponse]:
    """The place of a stream, and an answer that may stand there: fresh for 100 seconds more."""
    match = matched(config, request("POST", "/api/streams/d"))
    identity = match.route.identify(match.subject)
    entry = stored(
        response_time=NOW,
        request_time=NOW,
        lifetime=100.0,
        tags=("*", "media:m"),
        route_digest=match.route.digest,
        born=cache.position,
    )
    key: CacheKey = identity.key  # type: ignore[union-attr]  # it has one
    return key, entry


async def extended(config: Config, cache: Cache, at: float, status: int = 200) -> None:
    """An Extend was answered with this end, in seconds from now."""
    match: Match = matched(config, request("POST", "/api/extend/d", body={"media": "m"}))
    subject = match.subject.with_response(response(status), as_bytes({"at": at}))
    await extend(cache, match.route, subject, NOW)


def left(cache: Cache, key: CacheKey) -> float | None:
    """Seconds of freshness left of what is there."""
    found = cache.peek(key.digest, NOW)
    if found is None:
        return None
    assert isinstance(found.entry, StoredResponse)
    return found.entry.ttl(NOW)


@pytest.mark.parametrize(
    ("change", "at", "status", "expected"),
    [
        pytest.param({}, 500, 200, 500.0, id="later"),
        pytest.param({}, 100 - SLACK_S, 200, 100.0, id="hardly-sooner"),
        pytest.param({}, 50, 200, None, id="sooner: dropped"),
        pytest.param({}, 500, 404, 100.0, id="refused"),
        pytest.param({"tags": ("*",)}, 500, 200, 100.0, id="another-one"),
        pytest.param({"tags": ("*",)}, 50, 200, 100.0, id="another-one-is-not-dropped"),
        pytest.param({"route_digest": "old"}, 500, 200, 100.0, id="of-older-rules"),
        pytest.param({"lifetime": -1.0, "keep": 50.0}, 500, 200, -1.0, id="stale-already"),
        pytest.param({"initial_age": 40.0}, 500, 200, 500.0, id="it-had-an-age"),
    ],
)
async def test_what_becomes_of_the_end(
    change: dict[str, object], at: float, status: int, expected: float | None
) -> None:
    config, cache = rules(), memory_cache()
    key, entry = streams(config, cache)
    keep(cache, key.digest, replace(entry, **change))  # type: ignore[arg-type]
    await extended(config, cache, at, status)
    assert left(cache, key) == expected


async def test_it_keeps_all_but_its_end() -> None:
    config, cache = rules(), memory_cache()
    key, entry = streams(config, cache)
    keep(cache, key.digest, entry)
    await extended(config, cache, 500)
    found = cache.peek(key.digest, NOW)
    assert found is not None
    assert found.entry == replace(entry, lifetime=500.0)


async def test_a_softly_purged_one_is_not_made_fresh() -> None:
    config, cache = rules(), memory_cache()
    key, entry = streams(config, cache)
    keep(cache, key.digest, entry)
    await cache.invalidate([Fact(FactKind.TAG, "media:m", soft=True)])
    await extended(config, cache, 500)
    assert left(cache, key) == 100.0


async def test_a_route_that_is_switched_off_extends_nothing() -> None:
    config, cache = rules(enabled=False), memory_cache()
    key, entry = streams(config, cache)
    keep(cache, key.digest, entry)
    await extended(config, cache, 500)
    assert left(cache, key) == 100.0


async def test_the_variant_that_the_request_selects() -> None:
    config, cache = rules(), memory_cache()
    key, entry = streams(config, cache)
    place = key.variant((("accept", None),))
    keep(cache, key.digest, Variants(names=("accept",), expires_at=NOW + 100, tags=entry.tags))
    keep(cache, place.digest, entry)
    await extended(config, cache, 500)
    assert left(cache, place) == 500.0


def test_what_is_used_slides_by_the_rule_that_stored_it() -> None:
    config, cache = rules(), memory_cache()
    key, entry = streams(config, cache)
    keep(cache, key.digest, entry)
    aged = replace(entry, response_time=NOW - 60, born=cache.position)
    for name, expected in (("extend", 100.0), ("streams", 100.0)):
        route = matched(config, request("POST", f"/api/{name}/d")).route
        slide_used(cache, route, key, aged, NOW)
        assert left(cache, key) == expected
    found = cache.peek(key.digest, NOW)
    assert found is not None
    assert found.entry == replace(aged, lifetime=160.0)
