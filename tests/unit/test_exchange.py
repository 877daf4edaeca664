"""The driver: what becomes of a request, told by what the client and the observers get."""

from __future__ import annotations

import asyncio

import pytest

from proxy.messages import StoredResponse
from proxy.outcomes import (
    Bypass,
    ExchangeRecord,
    Forward,
    NotServed,
    NotStored,
    Outcome,
    Refusal,
    Tier,
)
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.http import Client, Connection
from tests.support.origin import Origin
from tests.unit.small_proxy import small_proxy

RULES = """
server: {max_body: 1KiB}
upstreams:
  db:
    url: ORIGIN
    mount: /db
    routes:
      - {name: mine, match: GET /mine, ttl: 1m, scope: session}
      - {name: off, match: GET /off, ttl: off}
      - {name: swr, match: GET /swr, ttl: 1m, scope: shared, stale: {while_revalidate: 1h}}
      - {name: prompt, match: POST /prompt, ttl: 1m, scope: shared}
      - {name: timed, match: "GET /timed/{id}", ttl: 1m, scope: shared, stale: {if_error: 1h}}
      - name: sliding
        match: GET /sliding
        ttl: {default: 1m, sliding: true, max: 5m}
        scope: shared
sessions: {from: [header.x-session-id]}
"""
HTTP = {"Cache-Control": "max-age=60"}


def told(record: ExchangeRecord) -> tuple[object, ...]:
    """What a record says of where its answer came from."""
    return record.outcome, record.forward, record.reason


async def test_a_miss_is_stored_and_the_next_one_is_a_hit(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"one", fields=HTTP))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        first = await client.get("/db/plain?q=1")
        clock.advance(10)
        second = await client.get("/db/plain?q=1")
        miss, hit = await proxy.record(1), await proxy.record(2)
    assert (first.body, second.body, second["Age"]) == (b"one", b"one", "10")
    assert told(miss) == (Outcome.MISS, Forward.URI_MISS, NotServed.ABSENT)
    assert (miss.upstream, miss.path, miss.stored, miss.upstream_status) == (
        ("db", "/db/plain", True, 200)
    )
    assert told(hit) == (Outcome.HIT, None, None)
    assert (hit.tier, hit.age_s, hit.ttl_s, hit.key) == (Tier.MEMORY, 10.0, 50.0, miss.key)
    assert [request.target for request in origin.requests] == ["/plain?q=1"]


BYPASSES = {
    "method": ("DELETE", "/db/plain", {}, Forward.METHOD, Bypass.METHOD),
    "ttl-off": ("GET", "/db/off", {}, Forward.BYPASS, Bypass.TTL_OFF),
    "no-session": ("GET", "/db/mine", {}, Forward.BYPASS, Bypass.NO_SESSION),
    "no-store": (
        "GET",
        "/db/plain",
        {"Cache-Control": "no-store"},
        Forward.BYPASS,
        Bypass.NO_STORE,
    ),
    "if-match": ("GET", "/db/plain", {"If-Match": '"a"'}, Forward.BYPASS, Bypass.CONDITION),
    "range": ("GET", "/db/plain", {"Range": "bytes=0-1,5-6"}, Forward.BYPASS, Bypass.RANGE),
    "override": (
        "GET",
        "/db/plain",
        {"X-HTTP-Method-Override": "DELETE"},
        Forward.BYPASS,
        Bypass.OVERRIDE_FIELD,
    ),
}


@pytest.mark.parametrize(
    ("method", "target", "fields", "forward", "reason"), BYPASSES.values(), ids=BYPASSES
)
async def test_what_is_not_looked_up_is_relayed_each_time_with_its_reason(
    origin: Origin,
    clock: ManualClock,
    method: str,
    target: str,
    fields: dict[str, str],
    forward: Forward,
    reason: Bypass,
) -> None:
    origin.reply(answer(b"one", fields=HTTP), answer(b"two", fields=HTTP))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        bodies = [(await client.request(method, target, fields)).body for _ in range(2)]
        record = await proxy.record(2)
    assert bodies == [b"one", b"two"]
    assert told(record) == (Outcome.BYPASS, forward, reason)
    assert (record.stored, record.not_stored) == (False, None)


REFUSALS = {
    "no-upstream": ("/nowhere", {}, 404, Refusal.NO_UPSTREAM),
    "only-if-cached": (
        "/db/plain",
        {"Cache-Control": "only-if-cached"},
        504,
        Refusal.ONLY_IF_CACHED,
    ),
}


@pytest.mark.parametrize(("target", "fields", "status", "reason"), REFUSALS.values(), ids=REFUSALS)
async def test_what_is_refused_is_told_in_a_problem_document(
    origin: Origin,
    clock: ManualClock,
    target: str,
    fields: dict[str, str],
    status: int,
    reason: Refusal,
) -> None:
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        refused = await client.get(target, fields)
        record = await proxy.record(1)
    assert (refused.status, refused.json()["reason"]) == (status, reason)
    assert refused["Content-Type"] == "application/problem+json"
    assert told(record) == (Outcome.REFUSED, None, reason)
    assert origin.requests == []


async def test_an_upstream_that_cannot_be_reached_is_an_error_with_its_reason(
    origin: Origin, clock: ManualClock
) -> None:
    await origin.stop()
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        failed = await client.get("/db/plain")
        record = await proxy.record(1)
    assert (failed.status, failed.json()["reason"]) == (502, Refusal.UPSTREAM_CONNECT)
    assert told(record) == (Outcome.ERROR, Forward.URI_MISS, Refusal.UPSTREAM_CONNECT)


# -- request bodies


async def test_a_body_too_large_for_a_key_still_goes_up_whole(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"done"))
    body = b'{"prompt": "' + b"x" * 5000 + b'"}'
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        done = await client.post("/db/prompt", body)
        record = await proxy.record(1)
    assert (done.body, origin.last.body) == (b"done", body)
    assert told(record) == (Outcome.BYPASS, Forward.BYPASS, Bypass.BODY_TOO_LARGE)


async def test_a_chunked_body_too_large_for_a_key_still_goes_up_whole(
    origin: Origin, clock: ManualClock
) -> None:
    """Part of it has been read by the time its size is known."""
    origin.reply(answer(b"done"))
    chunks = b"".join(b"200\r\n" + b"x" * 0x200 + b"\r\n" for _ in range(8)) + b"0\r\n\r\n"
    async with small_proxy(RULES, origin, clock) as proxy, Connection.open(proxy.url) as client:
        await client.ask("POST", "/db/prompt", {"Transfer-Encoding": "chunked"}, chunks)
        done = await client.answer()
    assert (done.body, origin.last.body) == (b"done", b"x" * 0x1000)


# -- stale


async def test_a_stale_answer_is_served_while_one_call_fetches_a_newer_one(
    origin: Origin, clock: ManualClock
) -> None:
    go = asyncio.Event()
    origin.reply(answer(b"old"), answer(b"new", hold_head=go))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/swr")
        clock.advance(100)
        stale = [await client.get("/db/swr") for _ in range(2)]
        await origin.received(2)
        go.set()
        await proxy.landed()
        fresh = await client.get("/db/swr")
        record = await proxy.record(2)
    assert [each.body for each in stale] == [b"old", b"old"]
    assert (stale[0]["X-Cache"], fresh.body, len(origin.requests)) == ("STALE", b"new", 2)
    assert (record.outcome, record.ttl_s) == (Outcome.STALE, -40.0)


async def test_a_refresh_nobody_waits_for_ends_though_its_answer_is_too_large_to_record(
    origin: Origin, clock: ManualClock
) -> None:
    """Otherwise its key would never be refreshed again, and its connection never be free."""
    origin.reply(answer(b"old"), answer(b"x" * 2_000_000, 404), answer(b"new"))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/swr")
        clock.advance(100)
        await client.get("/db/swr")
        await proxy.landed()
        clock.advance(3)
        await client.get("/db/swr")
        await proxy.landed()
        assert (await client.get("/db/swr")).body == b"new"


# -- variants, changed rules, sliding


async def test_variants_are_told_apart_by_what_vary_names(
    origin: Origin, clock: ManualClock
) -> None:
    varying = {**HTTP, "Vary": "Accept-Language"}
    origin.handler = lambda got: answer(got.fields.get("accept-language"), fields=varying)
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        wanted = ["en", "de", "en", "de"]
        got = [(await client.get("/db/plain", {"Accept-Language": each})).body for each in wanted]
        second = await proxy.record(2)
    assert got == [b"en", b"de", b"en", b"de"]
    assert len(origin.requests) == 2
    assert told(second) == (Outcome.MISS, Forward.VARY_MISS, NotServed.VARIANT)


async def test_what_other_rules_stored_is_not_served(origin: Origin, clock: ManualClock) -> None:
    origin.reply(answer(b"one"), answer(b"two"))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/swr")
        changed = RULES.replace("ttl: 1m", "ttl: 2m")
        async with small_proxy(changed, origin, clock) as other:
            proxy.exchange.adopt(other.exchange.world)
            again = await client.get("/db/swr")
            record = await proxy.record(2)
    assert (again.body, record.reason) == (b"two", NotServed.ROUTE_CHANGED)


async def test_a_sliding_lifetime_is_counted_from_the_last_use_up_to_its_maximum(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"one"), answer(b"two"))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        got = []
        for _ in range(7):
            got.append((await client.get("/db/sliding")).body)
            clock.advance(50)
    assert got == [b"one"] * 6 + [b"two"]
    assert proxy.records[1].ttl_s == 10.0


async def test_a_visit_that_is_aborted_is_told_as_such(origin: Origin, clock: ManualClock) -> None:
    never = asyncio.Event()
    origin.reply(answer(b"12345678", hold_body=never, hold_at=4, fields=HTTP))
    async with small_proxy(RULES, origin, clock) as proxy:
        async with Connection.open(proxy.url) as client:
            await client.ask("GET", "/db/plain")
            await client.start()
            assert await client.piece() == b"1234"
            client.abort()
            record = await proxy.record(1)
        never.set()
    assert (record.aborted, record.response_bytes, record.status) == (True, 4, 200)


async def test_an_answer_that_breaks_off_upstream_breaks_off_below_and_is_not_stored(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"12345678", cut_at=4, fields=HTTP), answer(b"whole", fields=HTTP))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        broken = await client.get("/db/plain")
        record = await proxy.record(1)
        whole = await client.get("/db/plain")
    assert (broken.complete, whole.body) == (False, b"whole")
    assert (record.aborted, record.reason) == (True, Refusal.UPSTREAM_BROKEN)
    assert (record.stored, record.not_stored) == (False, NotStored.TRUNCATED)


async def test_what_is_stored_carries_its_route_and_its_target_without_credentials(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"one"))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/timed/7?api_key=secret&b=1")
        await proxy.record(1)
        [listed] = [info async for info in proxy.cache.scan(now=clock())]
        found = await proxy.cache.find(listed.key, clock())
    assert not isinstance(found, NotServed)
    assert isinstance(found.entry, StoredResponse)
    assert (found.entry.route, found.entry.url) == ("timed", "/timed/7?b=1")
    assert "@url:db /timed/7?b=1" in found.entry.tags
