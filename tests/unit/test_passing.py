"""Passing on: a whole answer needs no flight; whatever else is begun becomes one."""

from __future__ import annotations

import asyncio

import pytest

from proxy.outcomes import Outcome, Refusal
from tests.support.answers import Answer, answer
from tests.support.clock import ManualClock
from tests.support.http import Client, Connection
from tests.support.origin import Origin
from tests.unit.small_proxy import SmallProxy, small_proxy

RULES = """
upstreams:
  db:
    url: ORIGIN
    mount: /db
    retry: {attempts: 2, on: [503]}
    routes:
      - {name: off, match: GET /off, ttl: off}
      - {name: loud, match: GET /loud, ttl: off, invalidate: [{tags: [x]}]}
"""


async def warm(client: Client) -> None:
    """Leave an idle connection to the upstream: what is begun at once needs one."""
    assert (await client.get("/db/off")).status == 200


def flown(proxy: SmallProxy) -> list[str]:
    """What becomes a flight from now on."""
    begun: list[str] = []
    begin = proxy.flights.begin

    def noting(*args: object, **named: object) -> object:
        begun.append("flight")
        return begin(*args, **named)  # type: ignore[arg-type]

    proxy.flights.begin = noting  # type: ignore[method-assign, assignment]
    return begun


WHOLE = {
    "counted": answer(b"abc"),
    "empty": answer(b""),
    "204": answer(b"", status=204),
    "chunked": answer(chunks=["a", "b"]),
    "trailers": answer(chunks=["a"], trailers={"X-Sum": "1"}),
    "404": answer(b"no", status=404),
}


@pytest.mark.parametrize("came", WHOLE.values(), ids=WHOLE)
async def test_an_answer_is_the_same_by_the_first_connection_and_by_an_idle_one(
    origin: Origin, clock: ManualClock, came: Answer
) -> None:
    origin.reply(came, came)
    fields = {"TE": "trailers", "Connection": "TE"}
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        first, second = [await client.request("GET", "/db/off", fields) for _ in range(2)]
        records = [await proxy.record(number) for number in (1, 2)]
    assert (first.status, first.body, first.fields) == (second.status, second.body, second.fields)
    assert first.trailers == second.trailers
    assert {record.outcome for record in records} == {Outcome.BYPASS}
    assert {record.upstream_status for record in records} == {first.status}
    assert records[0].response_bytes == records[1].response_bytes


async def test_a_whole_answer_needs_no_flight_unless_something_follows(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(*[answer(b"abc")] * 3)
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await warm(client)
        begun = flown(proxy)
        await client.get("/db/off")
        without = len(begun)
        await client.get("/db/loud")
    assert (without, len(begun)) == (0, 1)


async def test_a_client_that_leaves_does_not_end_the_call(
    origin: Origin, clock: ManualClock
) -> None:
    go = asyncio.Event()
    origin.reply(answer(b"abc"), answer(b"late", hold_head=go), answer(b"then"))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await warm(client)
        async with Connection.open(proxy.url) as leaving:
            await leaving.ask("GET", "/db/off")
            await origin.received(2)
            leaving.abort()
        record = await proxy.record(2)
        under_way = len(proxy.flights)
        go.set()
        await proxy.landed()
        await client.get("/db/off")
    assert (record.aborted, under_way) == (True, 1)
    assert origin.connections == 1  # it was seen to its end, so its connection serves on


async def test_what_comes_in_pieces_or_is_announced_becomes_a_flight(
    origin: Origin, clock: ManualClock
) -> None:
    rest = asyncio.Event()
    origin.reply(answer(b"abc"), answer(chunks=["one"], hold_body=rest, interim=[(103, {})]))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await warm(client)
        async with Connection.open(proxy.url) as reading:
            await reading.ask("GET", "/db/off")
            head = await reading.start()
            under_way = len(proxy.flights)
            rest.set()
            body = await reading.piece()
    assert ([each.status for each in head.interim], head.status) == ([103], 200)
    assert (under_way, b"one" in body) == (1, True)


ONCE_MORE = {
    "retried": ([503, 200], 200, 2),
    "not-again": ([503, 503], 503, 2),
    "500": ([500], 500, 1),
}


@pytest.mark.parametrize(("came", "status", "calls"), ONCE_MORE.values(), ids=ONCE_MORE)
async def test_what_is_tried_again_is_tried_again(
    origin: Origin, clock: ManualClock, came: list[int], status: int, calls: int
) -> None:
    origin.reply(answer(b"abc"), *(answer(b"x", status=each) for each in came))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await warm(client)
        got = await client.get("/db/off")
        flying = len(proxy.flights)
    assert (got.status, len(origin.requests) - 1, flying) == (status, calls, 0)


async def test_an_upstream_that_says_nothing_is_a_timeout_and_opens_the_breaker(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"abc"), answer(hold_head=asyncio.Event()))
    limits = "timeout: {first_byte: 50ms}, breaker: {failures: 1, open: 1h}"
    rules = RULES.replace("retry: {attempts: 2, on: [503]}", limits.replace(", b", "\n    b"))
    async with small_proxy(rules, origin, clock) as proxy, Client(proxy.url) as client:
        await warm(client)
        late, refused = await client.get("/db/off"), await client.get("/db/off")
        records = [await proxy.record(number) for number in (2, 3)]
    assert (late.status, refused.status) == (504, 503)
    assert [r.reason for r in records] == [Refusal.UPSTREAM_TIMEOUT, Refusal.BREAKER_OPEN]


async def test_a_whole_answer_that_is_none_is_a_502(origin: Origin, clock: ManualClock) -> None:
    odd = answer(b"", status=304, fields=[("Transfer-Encoding", "gzip")])
    origin.reply(answer(b"abc"), odd)
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await warm(client)
        told = await client.get("/db/off")
        assert told.status == 502
        assert (await proxy.record(2)).reason is Refusal.UPSTREAM_BROKEN
