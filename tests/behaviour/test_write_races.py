"""No answer read before an acknowledged write reaches whoever comes after it."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.http import Connection
from tests.support.larder import StartLarder, until
from tests.support.origin import Origin


@pytest.mark.parametrize("write", ["unsafe method", "rule"])
async def test_a_write_acknowledged_in_the_middle_is_seen_by_whoever_comes_later(
    larder: StartLarder, origin: Origin, write: str
) -> None:
    """The race of the stale set.

    1. a reader's fetch begins and the upstream has read the old value;
    2. a write is answered, so its writer may rely on it;
    3. another reader comes, while the first one's answer is still on its way;
    4. the old answer arrives: for the first reader, who asked before the write, but not
       for the second; and it must not be what is stored.
    """
    old = asyncio.Event()
    fields = {"Cache-Control": "max-age=60"}
    by_rule = (
        "- {name: read, match: GET /a, ttl: 5m, tags: [thing]}\n"
        "- {name: write, match: POST /w, invalidate: {tags: [thing]}}"
    )
    proxy = await larder(by_rule if write == "rule" else "")
    origin.reply(answer("old", fields=fields, hold_head=old), answer("written"))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(proxy.get("/db/a"))  # 1
        await origin.received(1)
        target = "/db/w" if write == "rule" else "/db/a"
        assert (await proxy.post(target, "new")).body == b"written"  # 2
        origin.reply(answer("new", fields=fields))
        second = group.create_task(proxy.get("/db/a"))  # 3
        await until(lambda: proxy.app.readings().in_flight == 2)
        old.set()  # 4
    assert (first.result().body, second.result().body) == (b"old", b"new")
    third = await proxy.get("/db/a")
    assert (third.body, third["X-Cache"]) == (b"new", "HIT")


async def test_a_reader_that_joins_a_stream_after_a_write_does_not_get_the_old_one(
    larder: StartLarder, origin: Origin
) -> None:
    """As above, when the old answer's head is here already and its body still comes."""
    rest = asyncio.Event()
    fields = {"Cache-Control": "max-age=60"}
    origin.reply(
        answer("old body", fields=fields, hold_body=rest, hold_at=3),
        answer("written"),
        answer("new", fields=fields),
    )
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as reader:
        await reader.ask("GET", "/db/a")
        await reader.start()
        assert (await proxy.post("/db/a", "new")).body == b"written"
        assert (await proxy.get("/db/a")).body == b"new"
        rest.set()
        assert await reader.piece()
    await proxy.landed()
    assert (await proxy.get("/db/a")).body == b"new"
