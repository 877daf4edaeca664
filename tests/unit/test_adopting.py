"""Whose answer to a POST is the GET's too, and when it may be stored as that."""

from __future__ import annotations

import asyncio

from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.http import Client
from tests.support.origin import Origin
from tests.unit.small_proxy import small_proxy

RULES = """
upstreams:
  db:
    url: ORIGIN
    mount: /db
"""
OWN = {"Cache-Control": "max-age=60", "Content-Location": "/a"}


async def test_of_two_that_race_neither_is_stored_that_the_other_overlapped(
    origin: Origin, clock: ManualClock
) -> None:
    """1. a POST goes up; 2. another is answered; 3. the first one's answer, the older, comes."""
    held = asyncio.Event()
    origin.reply(answer("old", fields=OWN, hold_head=held), answer("new", fields=OWN))
    async with (
        small_proxy(RULES, origin, clock) as proxy,
        Client(proxy.url) as client,
        asyncio.TaskGroup() as group,
    ):
        first = group.create_task(client.post("/db/a", b"1"))  # 1
        await origin.received(1)
        await client.post("/db/a", b"2")  # 2
        held.set()  # 3
        assert (await first).body == b"old"
        origin.reply(answer("now", fields={"Cache-Control": "max-age=60"}))
        assert (await client.get("/db/a")).body == b"now"


async def test_one_alone_is_stored(origin: Origin, clock: ManualClock) -> None:
    origin.reply(answer("made", fields=OWN))
    async with small_proxy(RULES, origin, clock) as proxy, Client(proxy.url) as client:
        await client.post("/db/a", b"1")
        got = await client.get("/db/a")
    assert (got.body, got["X-Cache"]) == (b"made", "HIT")
