"""Bodies on their way have a budget; past it nothing is kept of them, and everything still passes.

The budget is twice the largest body there may be here: 128 KiB.
"""

from __future__ import annotations

import asyncio

import pytest

from proxy.outcomes import Bypass, NotStored
from tests.support.answers import answer
from tests.support.http import Connection
from tests.support.larder import Larder, StartLarder, until
from tests.support.origin import Origin, Received

TIGHT = """
server: {max_body: 64KiB}
store: {shared: none, memory: {max_size: 64KiB, max_object: 60KiB}, max_object: 64KiB}
"""
RULE = "- {name: all, match: 'GET,POST /{any:path}', ttl: 5m}"
SOME, BODY, MORE = (b"x" * size for size in (40_000, 50_000, 60_000))
FORM = {"Content-Type": "text/plain", "Content-Length": str(len(BODY))}


async def buffered(proxy: Larder, count: int) -> None:
    """Return once so many bytes are on their way."""
    await until(lambda: proxy.app.readings().buffered_bytes == count)


async def test_an_answer_there_is_no_room_for_passes_and_is_not_stored(
    larder: StartLarder, origin: Origin
) -> None:
    """Two that are held half way have taken up what there is; the third is not waited for."""
    rest = asyncio.Event()

    def reply(request: Received) -> object:
        if request.target == "/c":
            return answer(MORE)
        return answer(SOME + b"!", hold_body=rest, hold_at=len(SOME))

    origin.handler = reply  # type: ignore[assignment]
    proxy = await larder(RULE, top=TIGHT)
    async with asyncio.TaskGroup() as group:
        held = [group.create_task(proxy.get(f"/db/{name}")) for name in "ab"]
        await buffered(proxy, 2 * len(SOME))
        assert await proxy.metric("larder_buffered_bytes") == 2 * len(SOME)
        crowded = await proxy.get("/db/c")
        rest.set()
    await buffered(proxy, 0)
    assert (crowded.complete, crowded.body) == (True, MORE)
    assert [task.result().body for task in held] == [SOME + b"!"] * 2
    told = {record.path: record for record in proxy.records}
    assert [told[f"/db/{name}"].stored for name in "abc"] == [True, True, False]
    assert told["/db/c"].not_stored is NotStored.NO_ROOM
    assert await proxy.metric("larder_not_stored_total", reason="no-room") == 1


async def test_a_request_body_there_is_no_room_for_passes_unread(
    larder: StartLarder, origin: Origin
) -> None:
    """Clients that stop just before the end of their bodies do not stop the others."""
    origin.handler = lambda _: answer("x")
    proxy = await larder(RULE, top=TIGHT)
    url = proxy.app.proxy_url
    async with Connection.open(url) as one, Connection.open(url) as two:
        for stalled in (one, two):
            await stalled.ask("POST", "/db/a", FORM, BODY[:-1])
        await buffered(proxy, 2 * len(BODY) - 2)
        told = await proxy.post("/db/a", BODY, {"Content-Type": "text/plain"})
    await buffered(proxy, 0)
    assert f"detail={Bypass.BODY_TOO_LARGE}" in told["Cache-Status"]
    assert [each.body for each in origin.requests if each.whole] == [BODY]


@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "leaves"])
async def test_a_request_body_counts_as_long_as_its_fetch_goes_on(
    larder: StartLarder, origin: Origin, *, leaves: bool
) -> None:
    """The fetch outlives the client that began it, and the body with it."""
    head = asyncio.Event()
    origin.reply(answer("x", hold_head=head))
    proxy = await larder(RULE, top=TIGHT)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("POST", "/db/a", FORM, BODY)
        await origin.whole(1)
        if leaves:
            client.abort()
            await proxy.told(1)
        assert proxy.app.readings().buffered_bytes == len(BODY)
        head.set()
        await buffered(proxy, 0)
