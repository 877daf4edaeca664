"""What is sent from the shared store is counted while it is on its way, and has to find room.

The budget is twice the largest body there may be here: 48 MiB.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from proxy import room
from proxy.flow import tasks
from proxy.outcomes import Refusal
from tests.support.answers import answer
from tests.support.http import request_bytes
from tests.support.larder import Larder, StartLarder, until
from tests.support.origin import Origin

TOP = """
server: {max_body: 64KiB}
store: {shared: 'sqlite:FILE', memory: {max_size: 1MiB, max_object: 64KiB}, max_object: 24MiB}
"""
LARGE = b"x" * (24 << 20)
"""More than a kernel takes for a client that does not read."""
FRESH = {"Cache-Control": "max-age=60"}


@asynccontextmanager
async def deaf(proxy: Larder, target: str) -> AsyncIterator[None]:
    """A client that asks and reads nothing of its answer; at the end it leaves."""
    loop, parts = asyncio.get_running_loop(), urlsplit(proxy.app.proxy_url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, (parts.hostname, parts.port))
        await loop.sock_sendall(client, request_bytes("GET", target))
        yield


async def buffered(proxy: Larder, count: int) -> None:
    """Return once so many bytes are on their way."""
    await until(lambda: proxy.app.readings().buffered_bytes == count)


@pytest.fixture
async def proxy(larder: StartLarder, origin: Origin, tmp_path: Path) -> Larder:
    """One that has a large answer in its shared store only, and a small one in memory."""
    origin.reply(answer(LARGE, fields=FRESH), answer(b"small", fields=FRESH))
    proxy = await larder(top=TOP.replace("FILE", str(tmp_path / "cache.db")))
    for target in ("/db/large", "/db/small"):
        await proxy.get(target)
    await proxy.written(2)
    return proxy


@pytest.mark.slow
async def test_a_hit_there_is_no_room_for_is_refused_for_a_while(
    proxy: Larder, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "WAIT_S", 0.01)
    async with deaf(proxy, "/db/large"), deaf(proxy, "/db/large"):
        await buffered(proxy, 2 * len(LARGE))
        refused, small = await proxy.get("/db/large"), await proxy.get("/db/small")
    assert (refused.status, refused["Retry-After"]) == (503, "5")
    assert refused.json()["reason"] == Refusal.NO_ROOM
    assert refused["Cache-Status"] == "larder; detail=no-room"
    assert (small["X-Cache"], small.body) == ("HIT", b"small")
    await buffered(proxy, 0)
    assert (await proxy.get("/db/large"))["X-Cache"] == "HIT"
    await buffered(proxy, 0)
    assert len(origin.requests) == 2


@pytest.mark.slow
async def test_a_hit_waits_for_others_to_be_sent(proxy: Larder, origin: Origin) -> None:
    async with deaf(proxy, "/db/large"):
        async with deaf(proxy, "/db/large"):
            await buffered(proxy, 2 * len(LARGE))
            asked = tasks.spawn(proxy.get("/db/large"), "ask")
            await until(lambda: proxy.app.readings().in_flight == 3)
        told = await asked
    assert (told["X-Cache"], told.body == LARGE) == ("HIT", True)
    await buffered(proxy, 0)
    assert len(origin.requests) == 2
