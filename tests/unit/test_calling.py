"""Calls for clients: who may share one under way, and who must not."""

from __future__ import annotations

import asyncio

import pytest

from proxy.flow import tasks
from proxy.outcomes import NotServed
from proxy.store.base import Fact, FactKind, Found
from proxy.store.cache import Cache
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.http import Client, Connection
from tests.support.origin import Origin
from tests.unit.small_proxy import small_proxy

RULES = """
upstreams:
  db:
    url: ORIGIN
    mount: /db
    routes:
      - name: judged
        match: GET /judged
        ttl: 1m
        scope: shared
        stale: {if_error: 1h}
        serve_if: {header.x-may: "yes"}
      - {name: upload, match: POST /upload, ttl: 1m, scope: shared, key: "upload"}
      - {name: named, match: GET /named, ttl: 1m, scope: shared, tags: ["n:{response.body.id}"]}
"""
HTTP = {"Cache-Control": "max-age=60"}


async def test_requests_at_once_share_one_upstream_call(origin: Origin, clock: ManualClock) -> None:
    go = asyncio.Event()
    origin.reply(answer(b"one", fields=HTTP, hold_head=go))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        asked = [tasks.spawn(client.get("/db/plain"), "a client") for _ in range(3)]
        await proxy.under_way(3)
        go.set()
        got = [(await each).body for each in asked]
        await proxy.record(3)
    assert (got, len(origin.requests)) == ([b"one"] * 3, 1)
    outcomes = sorted((r.outcome.value, r.collapsed) for r in proxy.records)
    assert outcomes == [("collapsed", True), ("collapsed", True), ("miss", False)]


class SlowToFind(Cache):
    """A cache that tells the second look-up's result only when it is let go on."""

    looked = 0
    go_on: asyncio.Event

    async def find(self, key: bytes, now: float) -> Found | NotServed:
        self.looked += 1
        mine = self.looked
        found = await super().find(key, now)
        if mine == 2:
            await self.go_on.wait()
        return found


async def test_a_flight_that_ends_during_a_look_up_is_not_flown_again(
    origin: Origin, clock: ManualClock
) -> None:
    """A late miss looks in memory once more.

    1. two requests look up; 2. the first one's flight lands, stores and ends;
    3. the second, told before that there is nothing, finds nobody to join.
    """
    SlowToFind.go_on = asyncio.Event()
    go = asyncio.Event()
    origin.reply(answer(b"one", fields=HTTP, hold_head=go))
    async with (
        small_proxy(RULES, origin, clock, make_cache=SlowToFind) as proxy,
        Client(proxy.url) as client,
    ):
        first = tasks.spawn(client.get("/db/plain"), "a client")
        await origin.received(1)
        second = tasks.spawn(client.get("/db/plain"), "a client")
        await proxy.under_way(2)
        go.set()
        await first
        await proxy.landed()
        SlowToFind.go_on.set()
        assert (await second).body == b"one"
    assert len(origin.requests) == 1


async def test_a_private_answer_is_not_shared_and_nobody_queues_behind_the_next(
    origin: Origin, clock: ManualClock
) -> None:
    """Hit-for-miss: while a mark stands, requests for it do not wait for each other."""
    go = asyncio.Event()
    private = {"Cache-Control": "private"}
    origin.reply(answer(b"1", fields=private, hold_head=go))
    origin.handler = lambda _: answer(b"own", fields=private)
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        leader = tasks.spawn(client.get("/db/plain"), "a client")
        follower = tasks.spawn(client.get("/db/plain"), "a client")
        await proxy.under_way(2)
        go.set()
        bodies = {(await leader).body, (await follower).body}
        held = asyncio.Event()
        origin.reply(answer(b"held", fields=private, hold_head=held))
        waiting = tasks.spawn(client.get("/db/plain"), "a client")
        await origin.received(3)
        free = await client.get("/db/plain")
        held.set()
        await waiting
    assert (bodies, free.body) == ({b"1", b"own"}, b"own")


OVERTAKEN = {
    "everything": ("/db/plain", "*"),
    "url": ("/db/plain", "@url:db /plain"),
    "with-a-tag-that-is-in-the-body": ("/db/named", "*"),
}


@pytest.mark.parametrize(("target", "tag"), OVERTAKEN.values(), ids=OVERTAKEN)
async def test_who_comes_after_a_purge_does_not_get_what_was_asked_for_before_it(
    origin: Origin, clock: ManualClock, target: str, tag: str
) -> None:
    go = asyncio.Event()
    origin.reply(answer(b'{"id": 1}', fields=HTTP, hold_head=go))
    origin.handler = lambda _: answer(b'{"id": 2}', fields=HTTP)
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        before = tasks.spawn(client.get(target), "a client")
        await origin.received(1)
        await proxy.cache.invalidate([Fact(FactKind.TAG, tag)])
        after = tasks.spawn(client.get(target), "a client")
        await proxy.under_way(2)
        go.set()
        got = (await before).body, (await after).body
    assert got == (b'{"id": 1}', b'{"id": 2}')


async def test_who_comes_after_a_purge_does_not_get_what_was_validated_before_it(
    origin: Origin, clock: ManualClock
) -> None:
    """It must ask for itself, in this interleaving.

    1. F asks whether the old answer is good; 2. a purge; 3. this request finds nothing
    stored and joins F; 4. F's 304 says yes.
    """
    go, tagged = asyncio.Event(), {**HTTP, "ETag": '"1"'}
    origin.reply(answer(b"old", fields=tagged), answer(status=304, fields=tagged, hold_head=go))
    origin.handler = lambda _: answer(b"new", fields=tagged)
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/plain")
        clock.advance(100)
        before = tasks.spawn(client.get("/db/plain"), "a client")
        await origin.received(2)
        await proxy.cache.invalidate([Fact(FactKind.TAG, "*")])
        after = tasks.spawn(client.get("/db/plain"), "a client")
        await proxy.under_way(3)
        go.set()
        got = (await before).body, (await after).body
    assert got == (b"old", b"new")


async def test_serve_if_is_asked_for_each_of_those_who_share_a_flight(
    origin: Origin, clock: ManualClock
) -> None:
    """The leader may have the stale answer in place of a 500; the follower may not."""
    go = asyncio.Event()
    origin.reply(answer(b"stored"), answer(b"broken", 500, hold_head=go))
    origin.handler = lambda _: answer(b"own")
    may = {"X-May": "yes"}
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.get("/db/judged", may)
        clock.advance(100)
        leader = tasks.spawn(client.get("/db/judged", may), "a client")
        await origin.received(2)
        follower = tasks.spawn(client.get("/db/judged"), "a client")
        await proxy.under_way(3)
        go.set()
        got = (await leader).body, (await follower).body
    assert got == (b"stored", b"own")


async def test_a_leader_that_leaves_does_not_end_the_flight(
    origin: Origin, clock: ManualClock
) -> None:
    go = asyncio.Event()
    origin.reply(answer(b"one", fields=HTTP, hold_head=go))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        async with Connection.open(proxy.url) as leader:
            await leader.ask("GET", "/db/plain")
            await origin.received(1)
            leader.abort()
            left = await proxy.record(1)
        go.set()
        await proxy.landed()
        hit = await client.get("/db/plain")
    assert (left.aborted, hit.body, hit["X-Cache"]) == (True, b"one", "HIT")


async def test_a_client_that_leaves_in_its_upload_does_not_take_its_followers_with_it(
    origin: Origin, clock: ManualClock
) -> None:
    origin.handler = lambda got: answer(b"for " + got.body)
    async with (
        small_proxy(RULES, origin, clock) as proxy,
        Connection.open(proxy.url) as leader,
        Connection.open(proxy.url) as follower,
    ):
        await leader.ask("POST", "/db/upload", {"Content-Length": "10"}, b"half")
        await origin.received(1)
        await follower.ask("POST", "/db/upload", {}, b"mine")
        await proxy.under_way(2)
        leader.abort()
        served = await follower.answer()
    assert (served.status, served.body) == (200, b"for mine")
