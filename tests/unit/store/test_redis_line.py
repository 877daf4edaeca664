"""Lines over a socket whose other end is the test: it answers what and when it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from proxy.errors import StoreError
from proxy.store.base import StoreTimeoutError
from proxy.store.redis_line import Command, Line, Lines, RefusedError
from proxy.store.told import awaited, nobody
from tests.support.ports import LOOPBACK

GET: list[Command] = [(b"GET", b"a")]
GET_A = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"


class Server:
    """The other end of every line."""

    def __init__(self) -> None:
        self.ends: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.Queue()
        )
        self.port = 0
        self.lines: list[Line] = []

    async def line(self, within_s: float = 5.0) -> Line:
        _, writer = await asyncio.open_connection(LOOPBACK, self.port)
        self.lines.append(Line(writer, within_s))
        return self.lines[-1]


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    made = Server()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.ends.put_nowait((reader, writer))

    server = await asyncio.start_server(meet, LOOPBACK, 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        for line in made.lines:
            line.end(lambda: StoreError("over"))
        server.close()
        while not made.ends.empty():
            _, writer = made.ends.get_nowait()
            writer.close()


def asking(line: Line, *commands: Command) -> asyncio.Future[list[Any]]:
    return awaited(partial(line.ask, commands))


async def test_what_is_asked_in_one_turn_goes_out_at_once_and_comes_back_in_order() -> None:
    async with serving() as server:
        line = await server.line()
        one, two = asking(line, (b"GET", b"a")), asking(line, (b"GET", b"a"), (b"GET", b"a"))
        assert line.is_gathering
        reader, writer = await server.ends.get()
        assert await reader.readexactly(3 * len(GET_A)) == 3 * GET_A
        assert (line.is_gathering, len(line)) == (False, 2)
        for piece in (b"$1\r\n1\r", b"\n$-1\r\n", b"$1\r\n3\r\n"):
            writer.write(piece)
            await writer.drain()
        assert (await one, await two) == ([b"1"], [None, b"3"])
        assert len(line) == 0
        writer.close()


async def test_nothing_asked_is_answered_at_once() -> None:
    async with serving() as server:
        assert await asking(await server.line()) == []


async def test_a_refusal_is_raised_once_the_rest_was_read() -> None:
    async with serving() as server:
        line = await server.line()
        refused, next_ = asking(line, *[(b"GET", b"a")] * 2), asking(line, (b"GET", b"a"))
        _, writer = await server.ends.get()
        writer.write(b"-WRONGTYPE it is\r\n+OK\r\n$1\r\n2\r\n")
        with pytest.raises(RefusedError, match="WRONGTYPE") as caught:
            await refused
        assert caught.value.reason.startswith("WRONGTYPE")
        assert await next_ == [b"2"]
        writer.close()


async def test_an_answer_nobody_waits_for_is_not_given_to_the_next() -> None:
    """1. `a` is asked and given up.  2. `b` is asked.  3. Both are answered."""
    async with serving() as server:
        line = await server.line()
        asking(line, (b"GET", b"a")).cancel()
        next_ = asking(line, (b"GET", b"b"))
        _, writer = await server.ends.get()
        writer.write(b"$1\r\na\r\n$1\r\nb\r\n")
        assert await next_ == [b"b"]
        writer.close()


async def test_what_the_server_says_of_its_own_accord_answers_nothing() -> None:
    async with serving() as server:
        line = await server.line()
        asked = asking(line, (b"GET", b"a"))
        _, writer = await server.ends.get()
        writer.write(b">1\r\n+MOVING\r\n$1\r\n1\r\n")
        assert await asked == [b"1"]
        writer.close()


async def test_a_silent_line_ends_at_the_deadline_and_fails_all_who_wait() -> None:
    async with serving() as server:
        line = await server.line(0.05)
        asked = [asking(line, (b"GET", b"a")) for _ in range(3)]
        for each in asked:
            with pytest.raises(StoreTimeoutError, match="50 ms"):
                await each
        assert not line.is_open


async def test_a_long_answer_costs_its_deadline_and_not_the_line() -> None:
    """1. `a` is asked.  2. Its answer begins.  3. The deadline.  4. It ends; `b` is asked."""
    async with serving() as server:
        line = await server.line(0.05)
        late = asking(line, (b"GET", b"a"))
        _, writer = await server.ends.get()
        writer.write(b"$5\r\nlo")
        with pytest.raises(StoreTimeoutError):
            await late
        assert line.is_open
        asked = asking(line, (b"GET", b"b"))
        writer.write(b"ng!\r\n$1\r\nb\r\n")
        assert await asked == [b"b"]
        writer.close()


ENDS = [
    pytest.param(b"", "cannot be reached", id="closed by the other side"),
    pytest.param(b"*x\r\n", "not asked", id="what is no answer"),
]


@pytest.mark.parametrize(("said", "told"), ENDS)
async def test_what_ends_a_line(said: bytes, told: str) -> None:
    async with serving() as server:
        line = await server.line()
        asked = asking(line, (b"GET", b"a"))
        _, writer = await server.ends.get()
        writer.write(said)
        writer.close()
        with pytest.raises(StoreError, match=told):
            await asked
        assert not line.is_open


async def test_an_answer_too_many_ends_the_line() -> None:
    """Whoever asked next would be given it."""
    async with serving() as server:
        line = await server.line()
        asked = asking(line, (b"GET", b"a"))
        _, writer = await server.ends.get()
        writer.write(b"$1\r\n1\r\n$1\r\n2\r\n")
        assert await asked == [b"1"]
        assert not line.is_open
        writer.close()


async def test_the_least_busy_line_is_asked_a_turn_at_a_time() -> None:
    """So what waits behind a long answer is what was asked with it, and nothing later."""
    async with serving() as server:
        lines = Lines(server.line, most=2)
        assert not lines.ask(GET, nobody)
        assert not lines.are_open
        await lines.fill()
        turns, counts = [], [0]
        for _ in range(3):
            turns += [lines.ask(GET, nobody), lines.ask(GET, nobody)]
            counts = list(map(len, server.lines))
            await asyncio.sleep(0)
        assert all(turns)
        assert counts == [4, 2]


async def test_a_line_that_ended_is_made_anew() -> None:
    async with serving() as server:
        lines = Lines(server.line, most=2)
        await lines.fill(1)
        await lines.fill(1)
        assert len(server.lines) == 1
        await lines.fill()
        server.lines[0].end(lambda: StoreError("over"))
        await lines.fill()
        assert [line.is_open for line in server.lines] == [False, True, True]
        lines.end()
        assert not any(line.is_open for line in server.lines)
        assert not lines.ask(GET, nobody)
        assert not lines.are_open
