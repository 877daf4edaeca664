"""Answers on their way to one client: stored, live, shared, refused."""

from __future__ import annotations

import asyncio

import pytest

from proxy.flow import tasks
from proxy.outcomes import Outcome, Refusal
from tests.support.answers import Answer, Close, Hold, answer
from tests.support.clock import ManualClock
from tests.support.http import Client, Connection
from tests.support.origin import Origin
from tests.unit.small_proxy import small_proxy

RULES = """
upstreams:
  db:
    url: ORIGIN
    mount: /db
    timeout: {first_byte: 20ms}
    retry: {attempts: 1}
    breaker: {failures: 1, open: 1h}
"""
FRESH = {"Cache-Control": "max-age=60", "ETag": '"1"', "Content-Type": "text/plain"}

STORED = {
    "get": ("GET", {}, 200, b"0123", "4"),
    "head": ("HEAD", {}, 200, b"", "4"),
    "not-modified": ("GET", {"If-None-Match": '"1"'}, 304, b"", None),
    "range": ("GET", {"Range": "bytes=1-2"}, 206, b"12", "2"),
    "range-beyond": ("GET", {"Range": "bytes=9-"}, 416, b"", "0"),
}


@pytest.mark.parametrize(
    ("method", "fields", "status", "body", "length"), STORED.values(), ids=STORED
)
async def test_a_stored_answer_is_shown_as_the_client_asks(
    origin: Origin,
    clock: ManualClock,
    method: str,
    fields: dict[str, str],
    status: int,
    body: bytes,
    length: str | None,
) -> None:
    origin.reply(answer(b"0123", fields=FRESH))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/a")
        shown = await client.request(method, "/db/a", fields)
        record = await proxy.record(2)
    assert (shown.status, shown.body, shown.fields.get("content-length")) == (status, body, length)
    assert (shown["X-Cache"], record.status, record.outcome) == ("HIT", status, Outcome.HIT)


async def test_a_client_whose_copy_is_current_gets_304_and_the_answer_is_stored_all_the_same(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"0123", fields=FRESH))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        shown = await client.get("/db/a", {"If-None-Match": '"1"'})
        await proxy.landed()
        hit = await client.get("/db/a")
    assert (shown.status, shown.body, hit.body) == (304, b"", b"0123")
    assert "if-none-match" not in origin.requests[0].fields


async def test_the_head_is_sent_before_the_body_is_here(origin: Origin, clock: ManualClock) -> None:
    """A server-sent-event feed may say nothing for long."""
    rest = asyncio.Event()
    origin.reply(answer(chunks=["late"], hold_body=rest, fields=FRESH))
    async with small_proxy(RULES, origin, clock) as proxy, Connection.open(proxy.url) as client:
        await client.ask("GET", "/db/a")
        head = await client.start()
        rest.set()
        body = await client.piece()
    assert (head.status, head["Transfer-Encoding"], b"late" in body) == (200, "chunked", True)


async def test_a_cookie_goes_to_the_one_who_asked_and_not_to_those_who_joined(
    origin: Origin, clock: ManualClock
) -> None:
    text = RULES + "    routes: [{name: a, match: GET /a, ttl: 1m, scope: shared}]\n"
    go = asyncio.Event()
    origin.reply(answer(b"a", fields={"Set-Cookie": "s=1", "X": "1"}, chunks=["a"], hold_body=go))
    async with small_proxy(text, origin, clock) as proxy, Client(proxy.url) as client:
        leader = tasks.spawn(client.get("/db/a"), "leader")
        await origin.received(1)
        follower = tasks.spawn(client.get("/db/a"), "follower")
        await proxy.under_way(2)
        go.set()
        asked, joined = await leader, await follower
    assert (asked["Set-Cookie"], joined.fields.get("set-cookie")) == ("s=1", None)
    assert (joined["X"], joined["X-Cache"]) == ("1", "COLLAPSED")


async def test_interim_answers_are_passed_on(origin: Origin, clock: ManualClock) -> None:
    """RFC 9110 §15.2; a hint is of use only before the answer."""
    origin.reply(answer(b"a", interim=[(103, {"Link": "</x>"})]))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        answered = await client.get("/db/a")
    assert [(each.status, each["Link"]) for each in answered.interim] == [(103, "</x>")]


NEVER = asyncio.Event()
FAILURES: dict[str, tuple[Answer, int, Refusal]] = {
    "timeout": ((Hold(NEVER),), 504, Refusal.UPSTREAM_TIMEOUT),
    "closed": ((Close(),), 502, Refusal.UPSTREAM_BROKEN),
}


@pytest.mark.parametrize(("reply", "status", "reason"), FAILURES.values(), ids=FAILURES)
async def test_a_failure_is_told_by_whose_fault_it_is_and_opens_the_breaker(
    origin: Origin, clock: ManualClock, reply: Answer, status: int, reason: Refusal
) -> None:
    origin.reply(reply)
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        failed, left_alone = await client.get("/db/a"), await client.get("/db/a")
        record = await proxy.record(1)
    assert (failed.status, failed.json()["reason"]) == (status, reason)
    assert (failed["Cache-Control"], failed["X-Cache"]) == ("no-store", "BYPASS")
    assert (record.outcome, record.reason, record.status) == (Outcome.ERROR, reason, status)
    assert (left_alone.status, left_alone.json()["reason"]) == (503, Refusal.BREAKER_OPEN)
