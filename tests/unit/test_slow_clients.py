"""Clients that do not read: what they cost those who wait for the same answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from proxy.flow import tasks
from proxy.outcomes import NotStored, Outcome, Refusal
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.http import Client, request_bytes
from tests.support.origin import Origin
from tests.unit.small_proxy import SmallProxy, small_proxy

RULES = """
upstreams:
  db:
    url: ORIGIN
    mount: /db
"""
FRESH = {"Cache-Control": "max-age=60"}
PARTS = [b"x" * (1 << 20)] * 24
"""More than a kernel takes for a client that does not read."""
WHOLE = 24 << 20


@asynccontextmanager
async def deaf(proxy: SmallProxy, target: str) -> AsyncIterator[socket.socket]:
    """A client that asks and reads nothing of its answer."""
    loop, parts = asyncio.get_running_loop(), urlsplit(proxy.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, (parts.hostname, parts.port))
        await loop.sock_sendall(client, request_bytes("GET", target))
        yield client


@pytest.mark.slow
async def test_a_client_that_does_not_read_is_cut_off_and_the_others_get_their_answer(
    origin: Origin, clock: ManualClock
) -> None:
    head = asyncio.Event()
    origin.reply(answer(chunks=PARTS, fields=FRESH, hold_head=head))
    async with (
        small_proxy(RULES, origin, clock, patience=0.3) as proxy,
        Client(proxy.url) as client,
        deaf(proxy, "/db/a"),
    ):
        await origin.received(1)
        asking = tasks.spawn(client.get("/db/a"), "ask")
        await proxy.under_way(2)
        head.set()
        answered = await asking
        await proxy.record(2)
        leader, follower = sorted(proxy.records, key=lambda record: record.collapsed)
    assert (answered.complete, len(answered.body), len(origin.requests)) == (True, WHOLE, 1)
    assert (leader.reason, leader.aborted, leader.outcome) == (
        Refusal.TOO_SLOW,
        True,
        Outcome.MISS,
    )
    assert (follower.outcome, follower.aborted) == (Outcome.COLLAPSED, False)
    assert {leader.not_stored, follower.not_stored} == {NotStored.TOO_LARGE}
    assert not leader.stored


@pytest.mark.slow
async def test_a_client_alone_with_its_answer_is_not_cut_off(
    origin: Origin, clock: ManualClock
) -> None:
    """It may be as slow as the connection allows: nobody waits behind it."""
    origin.reply(answer(chunks=PARTS, fields=FRESH), answer(b"other", fields=FRESH))
    async with (
        small_proxy(RULES, origin, clock, patience=0.0) as proxy,
        Client(proxy.url) as client,
        deaf(proxy, "/db/a") as slow,
    ):
        await origin.received(1)
        await client.get("/db/b")
        await proxy.record(1)
        got = 0
        while got < WHOLE:
            got += len(await asyncio.get_running_loop().sock_recv(slow, 1 << 20))
        record = await proxy.record(2)
    assert (record.aborted, record.reason is Refusal.TOO_SLOW) == (False, False)
