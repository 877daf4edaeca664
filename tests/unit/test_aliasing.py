"""What is put under the other keys of an answer, and what such a key leads to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.aliasing import lead, led_to, prolong
from proxy.messages import Alias, CacheKey, Stored
from proxy.outcomes import NotServed, Tier
from proxy.rules.compiled import Config, Match
from proxy.store.base import Fact, FactKind, Found
from proxy.store.cache import Cache
from tests.support.build import request, stored
from tests.support.control import NOW, keep, memory_cache
from tests.support.rules import config_of
from tests.unit.rules.support import matched

TARGET, OTHER = CacheKey(b"t" * 32, "sess:1"), CacheKey(b"o" * 32, "sess:lead:7")
ENTRY = stored(
    b'{"lead": 7}',
    response_time=NOW,
    request_time=NOW,
    route_digest="rules",
    tags=("*", "sess:1"),
    url="/sessions/1",
    aliases=(OTHER.digest,),
)


def rules() -> Config:
    return config_of("""
        upstreams:
          api:
            url: http://up.test
            routes:
              - name: by-id
                match: GET /sessions/{id}
                key: "sess:{path.id}"
                ttl: 2m
                aliases: ["sess:lead:{response.body.lead}"]
              - name: by-lead
                match: GET /leads/{lead}
                key: "sess:lead:{path.lead}"
                ttl: 2m
                tags: ["lead:{path.lead}", "level:{response.body.level}"]
        """)


def under(cache: Cache, key: CacheKey) -> Stored | None:
    found = cache.peek(key.digest, NOW)
    return None if found is None else found.entry


def test_an_alias_has_all_that_judges_its_answer() -> None:
    cache = memory_cache()
    entry = replace(ENTRY, born=cache.position)
    lead(cache, [OTHER], TARGET, entry, NOW)
    assert under(cache, OTHER) == Alias(
        target=TARGET.digest,
        route_digest="rules",
        expires_at=entry.expires_at,
        tags=entry.tags,
        born=entry.born,
        url="/sessions/1",
        route="route",
        head="sess:lead:7",
    )


@pytest.mark.parametrize(
    ("age", "replaced"),
    [pytest.param(-1.0, True, id="older"), pytest.param(1.0, False, id="newer")],
)
def test_a_newer_answer_of_its_own_stays(age: float, replaced: bool) -> None:
    cache = memory_cache()
    keep(cache, OTHER.digest, replace(ENTRY, response_time=NOW + age))
    lead(cache, [OTHER], TARGET, replace(ENTRY, born=cache.position), NOW)
    assert isinstance(under(cache, OTHER), Alias) is replaced


def test_an_alias_of_several_variants_lives_as_long_as_the_last() -> None:
    cache = memory_cache()
    entry = replace(ENTRY, born=cache.position)
    for lifetime in (100.0, 50.0):
        lead(cache, [OTHER], TARGET, replace(entry, lifetime=lifetime), NOW)
    alias = under(cache, OTHER)
    assert alias is not None
    assert alias.expires_at == NOW + 100


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, 500.0, id="its-own"),
        pytest.param({"route_digest": "others"}, 60.0, id="of-other-rules"),
        pytest.param({"born": (1 << 62, 9)}, 60.0, id="of-another-fetch"),
        pytest.param({"aliases": ()}, 60.0, id="not-listed"),
        pytest.param({"lifetime": 10.0}, 60.0, id="not-longer"),
    ],
)
def test_what_is_prolonged_with_its_answer(change: dict[str, object], expected: float) -> None:
    cache = memory_cache()
    entry = replace(ENTRY, born=cache.position)
    lead(cache, [OTHER], TARGET, entry, NOW)
    prolong(cache, replace(entry, **{"lifetime": 500.0, **change}), NOW)  # type: ignore[arg-type]
    alias = under(cache, OTHER)
    assert alias is not None
    assert alias.expires_at == NOW + expected


def asked(config: Config) -> tuple[Match, CacheKey]:
    match = matched(config, request(target="/api/leads/7"))
    identity = match.route.identify(match.subject)
    key: CacheKey = identity.key  # type: ignore[union-attr]  # it has one
    return match, key


@pytest.mark.parametrize(
    ("change", "soft", "expected"),
    [
        pytest.param({}, False, None, id="fresh"),
        pytest.param({"lifetime": 0.0}, False, NotServed.EXPIRED, id="stale"),
        pytest.param({}, True, NotServed.EXPIRED, id="softly-purged"),
        pytest.param({"aliases": ()}, False, NotServed.ALIAS, id="it-lists-the-key-no-longer"),
        pytest.param({"route_digest": "x"}, False, NotServed.ROUTE_CHANGED, id="other-rules"),
        pytest.param({"body": b"{}"}, False, NotServed.ALIAS, id="without-a-tag-of-the-asked"),
    ],
)
def test_what_it_leads_to(
    change: dict[str, object], soft: bool, expected: NotServed | None
) -> None:
    config, cache = rules(), memory_cache()
    match, key = asked(config)
    digest = matched(config, request(target="/api/sessions/1")).route.digest
    entry = replace(ENTRY, body=b'{"level": 1}', route_digest=digest, born=cache.position)
    entry = replace(entry, **{"aliases": (key.digest,), **change})  # type: ignore[arg-type]
    alias = Alias(target=TARGET.digest, route_digest=digest, expires_at=NOW + 60)
    found = Found(entry, Tier.MEMORY, soft)
    assert led_to(cache, match, key, alias, found, NOW) == (expected or entry)
    stranger = replace(alias, route_digest="another")
    assert led_to(cache, match, key, stranger, found, NOW) is NotServed.ROUTE_CHANGED
    assert led_to(cache, match, key, alias, NotServed.ABSENT, NOW) is NotServed.ABSENT


@pytest.mark.parametrize(
    ("fact", "served"),
    [
        pytest.param(Fact(FactKind.TAG, "lead:7"), False, id="a-tag-of-the-asked-route"),
        pytest.param(Fact(FactKind.TAG, "@url:api /leads/7"), False, id="its-url"),
        pytest.param(Fact(FactKind.PREFIX, "sess:lead:"), False, id="its-key"),
        pytest.param(Fact(FactKind.TAG, "lead:7", soft=True), False, id="softly"),
        pytest.param(Fact(FactKind.TAG, "lead:8"), True, id="another"),
    ],
)
async def test_it_is_judged_by_the_names_it_would_have_as_the_asked_routes_own(
    fact: Fact, served: bool
) -> None:
    config, cache = rules(), memory_cache()
    match, key = asked(config)
    digest = matched(config, request(target="/api/sessions/1")).route.digest
    entry = replace(
        ENTRY,
        body=b'{"level": 1}',
        route_digest=digest,
        born=cache.position,
        aliases=(key.digest,),
    )
    alias = Alias(target=TARGET.digest, route_digest=digest, expires_at=NOW + 60)
    await cache.invalidate([fact])
    led = led_to(cache, match, key, alias, Found(entry, Tier.MEMORY), NOW)
    assert led == (entry if served else NotServed.INVALIDATED)
