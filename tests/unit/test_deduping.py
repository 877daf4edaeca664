"""The gate before the upstream, where requests of one process meet and some of them leave.

Each test is one interleaving, numbered, through a real driver and a real origin.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from proxy.decisions.claim import CLAIMS, Done, Kept, Sent, State, read, written
from proxy.fields import Fields
from proxy.outcomes import Refusal
from proxy.store.base import StoreTimeoutError
from proxy.store.cache import Cache
from proxy.store.memory_notes import MemoryNotes
from proxy.store.notes import NotesFullError
from tests.support.answers import answer
from tests.support.clock import NOW, ManualClock
from tests.support.http import Client, Connection, request_bytes
from tests.support.larder import until
from tests.support.origin import Origin
from tests.unit.small_proxy import SmallProxy, small_proxy

RULES = "upstreams: {up: {url: ORIGIN, routes: [{name: sms, match: POST /sms, dedupe: 1h}]}}"
TOTAL_S = 600.0
ASKED = request_bytes("POST", "/up/sms", (), b"hi")
OTHERS = Sent(owner="another instance", until=NOW + 3600, deadline=NOW + TOTAL_S)


@pytest.fixture
async def proxy(origin: Origin, clock: ManualClock) -> AsyncIterator[SmallProxy]:
    async with small_proxy(RULES, origin, clock) as running:
        yield running


async def claim(proxy: SmallProxy) -> tuple[str, State | None]:
    """The only claim there is: its key, and what it says."""
    ((key, note),) = [found async for found in proxy.cache.notes.list(CLAIMS)]
    return key, read(note)


async def claimed_elsewhere(proxy: SmallProxy, origin: Origin) -> str:
    """Another instance is sending it; the key of its claim, as our own refused one showed it."""
    held = asyncio.Event()
    origin.reply(answer(status=400, hold_head=held))
    async with Client(proxy.url) as client:
        asking = asyncio.gather(client.post("/up/sms", b"hi"))
        await origin.received(1)
        key, _ = await claim(proxy)
        held.set()
        await asking
    await proxy.cache.notes.put(CLAIMS, key, written(OTHERS), 60)
    return key


async def test_who_sees_the_end_finds_the_claim_settled(proxy: SmallProxy, origin: Origin) -> None:
    """1. the last byte is let go; 2. another instance asks: it must find the answer."""
    origin.reply(answer(b"sent", 201))
    async with Client(proxy.url) as client:
        await client.post("/up/sms", b"hi")
        _, state = await claim(proxy)
    assert isinstance(state, Done)
    assert state.answer is not None
    assert state.answer.body == b"sent"


async def test_it_is_claimed_before_it_is_sent(proxy: SmallProxy, origin: Origin) -> None:
    """1. the request is at the upstream; 2. this process dies: the claim must be there."""
    held = asyncio.Event()
    origin.reply(answer(b"sent", 201, hold_head=held))
    async with Client(proxy.url) as client:
        asking = asyncio.gather(client.post("/up/sms", b"hi"))
        await origin.received(1)
        _, state = await claim(proxy)
        assert isinstance(state, Sent)
        assert state.deadline > NOW + TOTAL_S
        held.set()
        await asking


async def test_the_first_leaves_and_the_second_gets_the_answer(
    proxy: SmallProxy, origin: Origin
) -> None:
    """1. one sends; 2. two waits for it; 3. one's client leaves; 4. the answer comes."""
    held = asyncio.Event()
    origin.reply(answer(b"sent", 201, hold_head=held))
    async with Client(proxy.url) as client:
        leaving = await Connection.connect(proxy.url)
        await leaving.send(ASKED)
        await origin.received(1)
        second = asyncio.gather(client.post("/up/sms", b"hi"))
        await proxy.under_way(2)
        leaving.abort()
        await proxy.record(1)
        held.set()
        (got,) = await second
    assert (got.status, got.body, got["X-Cache"]) == (201, b"sent", "HIT")


async def test_one_that_only_waited_leaves_and_another_takes_its_place(
    proxy: SmallProxy, origin: Origin
) -> None:
    """1. another instance sends; 2. one asks after it; 3. two waits for one; 4. one leaves.

    5. two asks for itself; 6. the other instance has the answer.
    """
    key = await claimed_elsewhere(proxy, origin)
    before = len(proxy.records)
    async with Client(proxy.url) as client:
        leaving = await Connection.connect(proxy.url)
        await leaving.send(ASKED)
        await proxy.under_way(2)
        second = asyncio.gather(client.post("/up/sms", b"hi"))
        await proxy.under_way(3)
        leaving.abort()
        await proxy.record(before + 1)
        kept = Kept(status=201, reason="", fields=Fields(), body=b"theirs", at=NOW)
        done = Done(owner=OTHERS.owner, until=OTHERS.until, answer=kept)
        assert await proxy.cache.notes.replace(CLAIMS, key, written(OTHERS), written(done), 60)
        (got,) = await second
    assert (got.status, got.body) == (201, b"theirs")
    assert len(origin.requests) == 1  # the one that showed us the key


async def test_a_call_that_is_given_up_leaves_nobody_waiting_for_ever(
    proxy: SmallProxy, origin: Origin, clock: ManualClock
) -> None:
    """1. one sends; 2. two waits; 3. the call is cancelled, as at the end of the process.

    4. two finds a claim that nobody will settle; 5. the time is up that the claim had.
    """
    origin.reply(answer(b"never", hold_head=asyncio.Event()))
    async with Client(proxy.url) as client, Client(proxy.url) as other:
        first = asyncio.gather(client.post("/up/sms", b"hi"), return_exceptions=True)
        await origin.received(1)
        second = asyncio.gather(other.post("/up/sms", b"hi"))
        await proxy.under_way(2)
        await proxy.flights.drain(0)
        await first
        _, state = await claim(proxy)
        assert isinstance(state, Sent)
        clock.advance(TOTAL_S + 10)
        (got,) = await second
    assert (got.status, got.json()["reason"]) == (409, "in-doubt")
    assert len(origin.requests) == 1


async def test_where_there_is_no_room_for_the_answer_it_is_known_that_it_was_given(
    proxy: SmallProxy, origin: Origin
) -> None:
    """1. others fill the notes while it is sent; 2. its answer does not fit; 3. it is repeated."""
    held = asyncio.Event()
    origin.reply(answer(b"a" * 2000, 201, hold_head=held))
    async with Client(proxy.url) as client:
        asking = asyncio.gather(client.post("/up/sms", b"hi"))
        await origin.received(1)
        for size in (60_000, 500):
            with contextlib.suppress(NotesFullError):
                for number in itertools.count():
                    await proxy.cache.notes.put(CLAIMS, f"{size} {number}", b"x" * size, 600)
        held.set()
        await asking
        again = await client.post("/up/sms", b"hi")
    assert (again.status, again.json()["reason"]) == (409, Refusal.ANSWER_NOT_KEPT.value)
    assert len(origin.requests) == 1


class Unheard(MemoryNotes):
    """Notes that take a claim and time out."""

    async def claim(self, space: str, key: str, value: bytes, ttl_s: float) -> bytes | None:
        await super().claim(space, key, value, ttl_s)
        raise StoreTimeoutError("done, not said")


@pytest.mark.parametrize("notes", [Unheard(), MemoryNotes(max_notes=1)], ids=["down", "full"])
async def test_what_cannot_be_noted_anywhere_is_refused_and_leaves_nothing(
    origin: Origin, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, notes: MemoryNotes
) -> None:
    """1. the store takes a claim unheard, or no more; 2. here is room for one name of two."""
    monkeypatch.setattr("proxy.deduping.MemoryNotes", partial(MemoryNotes, max_notes=1))

    def cache_with(*args: Any, **more: Any) -> Cache:
        cache = Cache(*args, **more)
        cache.notes = notes
        return cache

    async def nothing_left() -> bool:
        return [found async for found in notes.list(CLAIMS)] == []

    async with small_proxy(RULES, origin, clock, make_cache=cache_with) as proxy:
        async with Client(proxy.url) as client:
            for _ in range(2):
                got = await client.post("/up/sms", b"hi", {"Idempotency-Key": "1"})
                assert (got.status, got.json()["reason"]) == (503, Refusal.DEDUPE_FULL.value)
                assert int(got["Retry-After"]) > 0
        await until(nothing_left)
    assert origin.requests == []
