"""One upstream call: what is recorded of it, what it invalidates, and that it always ends."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from proxy.outcomes import NotStored, Outcome, Refusal
from tests.support.answers import Answer, Close, answer
from tests.support.clock import ManualClock
from tests.support.http import Client
from tests.support.origin import Origin
from tests.unit.small_proxy import MAX_OBJECT, small_proxy

RULES = """
upstreams:
  db:
    url: ORIGIN
    mount: /db
    routes:
      - name: changes
        match: POST /changes
        invalidate: [{on: success, tags: ["item:{response.body.id}"]}]
      - {name: items, match: "GET /items/{id}", ttl: 1m, scope: shared, tags: ["item:{path.id}"]}
      - {name: ruled, match: GET /ruled, ttl: 1m, scope: shared, stale: {if_error: 1h}}
      - {name: jittery, match: GET /jittery, ttl: {default: 1m, jitter: 50%}, scope: shared}
      - {name: asked, match: GET /asked, ttl: 1m, scope: shared, store_if: {response.status: 200}}
"""
FRESH = {"Cache-Control": "max-age=60"}
TAGGED = {**FRESH, "ETag": '"1"'}


# -- what is recorded

REFUSED: dict[str, tuple[Answer, NotStored]] = {
    "no-store": (answer(b"a", fields={"Cache-Control": "no-store"}), NotStored.NO_STORE),
    "announced-too-large": (answer(b"x" * (MAX_OBJECT + 1), fields=FRESH), NotStored.TOO_LARGE),
    "turns-out-too-large": (
        answer(chunks=[b"x" * 1000] * 300, fields=FRESH),
        NotStored.TOO_LARGE,
    ),
    "cut-off": (answer(b"12345678", cut_at=4, fields=FRESH), NotStored.TRUNCATED),
    "chunks-cut-off": (answer(chunks=[b"1234"], cut_at=9, fields=FRESH), NotStored.TRUNCATED),
}


@pytest.mark.parametrize(("reply", "reason"), REFUSED.values(), ids=REFUSED)
async def test_what_is_not_stored_is_told_with_its_reason_and_fetched_again(
    origin: Origin, clock: ManualClock, reply: Answer, reason: NotStored
) -> None:
    origin.reply(reply, answer(b"next", fields=FRESH))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/plain")
        record = await proxy.record(1)
        await proxy.landed()
        again = await client.get("/db/plain")
    assert (record.stored, record.not_stored, again.body) == (False, reason, b"next")


async def test_the_entry_is_there_before_the_last_byte_is_let_go(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(chunks=[b"a", b"b"], fields=FRESH))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        for expected in ("MISS", "HIT", "HIT"):
            assert (await client.get("/db/plain"))["X-Cache"] == expected


async def test_the_dice_shorten_a_lifetime_with_jitter(origin: Origin, clock: ManualClock) -> None:
    origin.reply(answer(b"a"))
    async with (
        small_proxy(RULES, origin, clock, dice=lambda: 0.5) as proxy,
        Client(proxy.url) as client,
    ):
        await client.get("/db/jittery")
        await client.get("/db/jittery")
        hit = await proxy.record(2)
    assert hit.ttl_s == 45.0


async def test_a_defect_while_storing_breaks_the_answer_off_and_leaves_nobody_waiting(
    origin: Origin, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A body whose end never comes would hold its client, and every follower, for ever."""

    def broken_dice() -> float:
        raise RuntimeError("a made-up defect")

    origin.reply(answer(chunks=[b"a"]))
    with caplog.at_level(logging.CRITICAL, "larder.tasks"):
        async with (
            small_proxy(RULES, origin, clock, dice=broken_dice) as proxy,
            Client(proxy.url) as client,
            asyncio.timeout(3),
        ):
            broken = await client.get("/db/ruled")
            await proxy.landed()
            record = await proxy.record(1)
    assert (broken.complete, record.aborted) == (False, True)


# -- validation


async def test_a_304_freshens_what_is_stored(origin: Origin, clock: ManualClock) -> None:
    origin.reply(
        answer(b"body", fields=TAGGED), answer(status=304, fields={**TAGGED, "X-New": "1"})
    )
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/plain")
        clock.advance(100)
        freshened, hit = await client.get("/db/plain"), await client.get("/db/plain")
        record = await proxy.record(2)
    assert [(each.status, each.body, each["X-New"]) for each in (freshened, hit)] == [
        (200, b"body", "1"),
        (200, b"body", "1"),
    ]
    assert (record.outcome, record.upstream_status, record.stored) == (
        (Outcome.REVALIDATED, 304, True)
    )
    assert origin.last.fields.get("if-none-match") == '"1"'
    assert hit["X-Cache"] == "HIT"


async def test_a_304_that_forbids_storing_is_used_once_and_the_entry_forgotten(
    origin: Origin, clock: ManualClock
) -> None:
    forbids = {"Cache-Control": "no-store", "ETag": '"1"'}
    origin.reply(
        answer(b"body", fields=TAGGED),
        answer(status=304, fields=forbids),
        answer(b"anew", fields=TAGGED),
    )
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/plain")
        clock.advance(100)
        used, anew = await client.get("/db/plain"), await client.get("/db/plain")
        record = await proxy.record(2)
    assert (used.body, anew.body, record.not_stored) == (b"body", b"anew", NotStored.NO_STORE)
    assert "if-none-match" not in origin.last.fields


async def test_a_304_about_another_answer_does_not_freshen_this_one(
    origin: Origin, clock: ManualClock
) -> None:
    """RFC 9111 §4.3.4: its strong validator is not the stored one's, so it is asked again."""
    other = {**FRESH, "ETag": '"2"'}
    origin.reply(
        answer(b"old", fields=TAGGED),
        answer(status=304, fields=other),
        answer(b"new", fields=other),
    )
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/plain")
        clock.advance(100)
        assert (await client.get("/db/plain")).body == b"new"
    assert "if-none-match" not in origin.last.fields


# -- standing in

TROUBLE = {
    "503": answer(b"down", 503),
    "no-answer": (Close(reset=True),),
}


@pytest.mark.parametrize("reply", TROUBLE.values(), ids=TROUBLE)
async def test_a_stale_answer_stands_in_when_the_upstream_is_in_trouble(
    origin: Origin, clock: ManualClock, reply: Answer
) -> None:
    origin.reply(answer(b"kept"))
    origin.handler = lambda _: reply
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/ruled")
        clock.advance(100)
        stale = await client.get("/db/ruled")
        clock.advance(3700)
        gone = await client.get("/db/ruled")
        record = await proxy.record(2)
    assert (stale.status, stale.body, stale["Age"]) == (200, b"kept", "100")
    assert record.outcome is Outcome.STALE_ERROR
    assert gone.status in {502, 503}


# -- what it invalidates


async def test_a_write_invalidates_its_own_url_before_it_is_answered(
    origin: Origin, clock: ManualClock
) -> None:
    """RFC 9111 §4.4."""
    origin.reply(
        answer(b"1", fields=FRESH),
        answer(b"failed", 400),
        answer(b"written", 204),
        answer(b"2", fields=FRESH),
    )
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        asked = ["GET", "PUT", "GET", "PUT", "GET"]
        got = [(await client.request(method, "/db/a?b=1")).body for method in asked]
    assert got == [b"1", b"failed", b"1", b"", b"2"]


async def test_a_rule_invalidates_by_what_the_answer_says(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"7a"), answer(b"8a"), answer({"id": 7}, 201), answer(b"7b"))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/items/7")
        await client.get("/db/items/8")
        written = await client.post("/db/changes", b"{}")
        got = [(await client.get(f"/db/items/{id_}")).body for id_ in (7, 8)]
    assert (written.status, written.json(), got) == (201, {"id": 7}, [b"7b", b"8a"])


async def test_an_answer_too_large_to_be_read_for_its_tags_arrives_whole_all_the_same(
    origin: Origin, clock: ManualClock
) -> None:
    body = json.dumps({"id": 7, "rest": "x" * 3 * MAX_OBJECT}).encode()
    origin.reply(answer(body, 201))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        written = await client.post("/db/changes", b"{}")
    assert (written.complete, written.body == body) == (True, True)


async def test_an_upstream_that_breaks_off_while_its_body_is_needed_first_is_a_502(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b'{"id": 7}', 201, cut_at=3))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        failed = await client.post("/db/changes", b"{}")
    assert (failed.status, failed.json()["reason"]) == (502, Refusal.UPSTREAM_BROKEN)
