"""Request bodies as they come in: whole or streamed, up to limits, and counted."""

from __future__ import annotations

import pytest

from proxy.edges.wire import WireReply
from proxy.edges.wire_body import WireBody
from proxy.flow.budget import Budget, Lease
from proxy.messages import Request
from tests.support.http import Connection, request_bytes
from tests.unit.edges.listener import answered, say, serving

READ: dict[str, tuple[bytes, int, bytes | None]] = {
    "none": (request_bytes("GET", "/"), 0, b""),
    "length": (request_bytes("POST", "/", body=b"hello"), 5, b"hello"),
    "announced-too-large": (request_bytes("POST", "/", body=b"hello"), 4, None),
    "chunked": (
        request_bytes("POST", "/", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
        5,
        b"hello",
    ),
    "chunked-too-large": (
        request_bytes("POST", "/", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
        4,
        None,
    ),
}


@pytest.mark.parametrize(("head", "limit", "expected"), READ.values(), ids=READ)
async def test_a_body_is_read_up_to_a_limit_and_nothing_read_is_lost(
    head: bytes, limit: int, expected: bytes | None
) -> None:
    seen: list[tuple[bytes | None, bytes, int]] = []

    async def handle(_: Request, body: WireBody, reply: WireReply) -> None:
        whole = await body.read(limit)
        streamed = b"".join([chunk async for chunk in body.chunks()])
        seen.append((whole, streamed, body.received))
        await say(reply, b"")

    await answered(handle, head)
    sent = b"" if head.startswith(b"GET") else b"hello"
    assert seen == [(expected, sent, len(sent))]


async def test_a_body_for_which_there_is_no_room_is_not_read_whole_and_not_lost() -> None:
    """What is read of it counts until it has been passed on."""
    seen: list[object] = []
    budget = Budget(4)

    async def handle(_: Request, body: WireBody, reply: WireReply) -> None:
        seen.extend((await body.read(100), budget.held))
        seen.append(b"".join([chunk async for chunk in body.chunks()]))
        await say(reply, b"")

    async with serving(handle) as served, Connection.open(served.url) as client:
        served.server.budget = budget
        await client.ask("POST", "/", body=b"hello")
        await client.answer("POST")
    assert (seen, budget.held) == ([None, 5, b"hello"], 0)


async def test_a_body_read_whole_counts_until_its_last_owner_has_ended() -> None:
    """The client's request may be over before the fetch that sends its body is."""
    held: list[int] = []
    leases: list[Lease] = []

    async def handle(_: Request, body: WireBody, reply: WireReply) -> None:
        await body.read(100)
        leases.append(body.lease.share())
        await say(reply, b"")

    async with serving(handle) as served, Connection.open(served.url) as client:
        for _ in range(2):  # the second is served once the first is over
            await client.ask("POST", "/", body=b"hello")
            await client.answer("POST")
        held.append(served.server.budget.held)
        for lease in leases:
            lease.end()
    held.append(served.server.budget.held)
    assert held == [10, 0]
