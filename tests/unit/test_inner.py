"""The proxy's own requests: as any client's, but that nobody waits for them."""

from __future__ import annotations

import pytest

from proxy.fields import Fields
from proxy.inner import Discarded, Inner, NoBody
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.origin import Origin
from tests.unit.small_proxy import small_proxy

RULES = """
upstreams:
  db:
    url: ORIGIN
    mount: /db
    retry: {attempts: 1}
    routes: [{name: a, match: "GET /a/{id}", ttl: 1m}]
  ai: {url: ORIGIN, host: ai.test}
"""


async def test_it_fills_the_cache_and_is_told_as_nobodys(
    origin: Origin, clock: ManualClock
) -> None:
    origin.reply(answer(b"body", fields={"X-A": "1"}))
    async with small_proxy(RULES, origin, clock) as proxy:
        inner = Inner(proxy.exchange)
        first, second = await inner.get("/db/a/1"), await inner.get("/db/a/1")
        records = [await proxy.record(1), await proxy.record(2)]
    assert (first.status, first.sent, first.whole, first.fields.get("x-a")) == (200, 4, True, "1")
    assert second.fields.get("x-cache") == "HIT"
    assert [each.background for each in records] == [True, True]


async def test_fields_and_authority_are_the_callers(origin: Origin, clock: ManualClock) -> None:
    origin.reply(answer(b"body"))
    async with small_proxy(RULES, origin, clock) as proxy:
        fields = Fields((("X-Api-Key", "mine"),))
        got = await Inner(proxy.exchange).get("/x", fields, authority="ai.test")
    assert (got.status, origin.last.target) == (200, "/x")
    assert origin.last.fields.get("x-api-key") == "mine"


@pytest.mark.parametrize(
    ("scripted", "status", "whole"),
    [
        (answer(b"no", 500), 500, True),
        (answer(b"body", cut_at=0, length=9), 200, False),
    ],
)
async def test_what_goes_wrong_upstream_is_its_answer(
    origin: Origin, clock: ManualClock, scripted: tuple[object, ...], status: int, whole: bool
) -> None:
    origin.reply(scripted)  # type: ignore[arg-type]
    async with small_proxy(RULES, origin, clock) as proxy:
        got = await Inner(proxy.exchange).get("/db/a/1")
    assert (got.status, got.whole) == (status, whole)


async def test_where_nothing_is_mounted_it_is_told_so(origin: Origin, clock: ManualClock) -> None:
    async with small_proxy(RULES, origin, clock) as proxy:
        assert (await Inner(proxy.exchange).get("/nowhere")).status == 404


async def test_there_is_no_body_and_no_reader() -> None:
    body, reply = NoBody(), Discarded()
    assert await body.read(9) == b""
    assert [chunk async for chunk in body.chunks()] == []
    assert [chunk async for chunk in body.tunnel()] == []
    await reply.interim(103, Fields())
    await reply.flush()
    await reply.end()
    assert reply.whole
    reply.abort()
    assert not reply.whole
