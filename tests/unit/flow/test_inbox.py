"""Inboxes: order, ends, and the pausing of the socket behind them."""

from __future__ import annotations

import asyncio

import pytest

from proxy.flow import tasks
from proxy.flow.inbox import ROOM, Inbox


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def inbox(calls: list[str]) -> Inbox:
    return Inbox(lambda: calls.append("pause"), lambda: calls.append("resume"))


async def test_what_came_is_read_before_the_end_and_before_an_error(inbox: Inbox) -> None:
    inbox.put(b"a")
    inbox.put(b"b")
    inbox.end(LookupError("first"))
    inbox.end(KeyError("second"))
    assert (await inbox.read(), inbox.is_over) == (b"ab", False)
    with pytest.raises(LookupError, match="first"):
        await inbox.read()
    with pytest.raises(LookupError, match="first"):
        inbox.take()


async def test_an_end_in_order_is_over_once_all_is_read(inbox: Inbox) -> None:
    inbox.put(b"a")
    inbox.end()
    assert (inbox.is_over, inbox.take(), inbox.is_over) == (False, b"a", True)
    assert (inbox.take(), await inbox.read()) == (b"", b"")


async def test_a_reader_that_waits_is_woken_by_bytes_and_by_the_end(inbox: Inbox) -> None:
    async def collect() -> list[bytes]:
        return [piece async for piece in inbox.pieces()]

    reading = tasks.spawn(collect(), "reader")
    for piece in (b"a", b"b"):
        await asyncio.sleep(0)
        inbox.put(piece)
        await asyncio.sleep(0)
    inbox.end()
    assert await reading == [b"a", b"b"]


async def test_a_full_inbox_pauses_its_socket_once_until_it_is_read(
    inbox: Inbox, calls: list[str]
) -> None:
    inbox.put(b"x" * ROOM)
    assert calls == []
    inbox.put(b"x")
    inbox.put(b"x")
    assert calls == ["pause"]
    assert len(await inbox.read()) == ROOM + 2
    assert calls == ["pause", "resume"]
    inbox.put(b"x")
    assert (inbox.take(), calls) == (b"x", ["pause", "resume"])


async def test_a_reader_that_is_cancelled_loses_nothing(inbox: Inbox) -> None:
    reading = tasks.spawn(inbox.read(), "reader")
    await asyncio.sleep(0)
    reading.cancel()
    inbox.put(b"a")
    assert await inbox.read() == b"a"
