"""Connections with lanes: what a lane has taken is answered, handed over or given up, once.

Over sockets: tests/behaviour/test_lane.py, test_relay_lane.py and test_far_lane.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from proxy.begun import Begun
from proxy.edges.server import ProxyServer
from proxy.visit import Visit
from tests.support.http import Connection
from tests.support.larder import until
from tests.support.ports import LOOPBACK
from tests.unit.edges.listener import echo

if TYPE_CHECKING:
    from proxy.client import Sent
    from proxy.edges.wire import WireReply
    from proxy.edges.wire_body import WireBody
    from proxy.messages import Request

KNOWN = b"GET /known HTTP/1.1\r\nHost: a\r\n\r\n"
OTHER = b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlane"


class Waited:
    """A request that the test answers."""

    sent: Sent | None = None

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.given: bytes | Exception | None = None
        self.said: list[str] = []
        self.more: list[bool] = []
        self.heard: Callable[[], None] | None = None

    def listen(self, heard: Callable[[], None]) -> None:
        self.heard = heard

    def answer(self) -> bytes | None:
        if isinstance(self.given, Exception):
            raise self.given
        return self.given

    def waits_on(self) -> bool:
        return self.more.pop() if self.more else False

    def over(self, *, aborted: bool) -> None:
        self.said.append("aborted" if aborted else "over")

    def hand_over(self) -> None:
        self.said.append("handed over")

    def give_up(self) -> None:
        self.said.append("given up")

    def tell(self, given: bytes | Exception | None) -> None:
        """What was waited for is there."""
        self.given = given
        assert self.heard is not None
        self.heard()


@dataclass
class Learner:
    """A lane that knows KNOWN, and what it took; `offered` are requests the driver answered."""

    taken: list[Waited] = field(default_factory=list)
    offered: list[bytes] = field(default_factory=list)

    def take(self, peer: str, request: bytes) -> Waited | None:
        assert peer == LOOPBACK
        if request != KNOWN:
            return None
        self.taken.append(Waited(request))
        return self.taken[-1]

    def offer(self, peer: str, data: bytes, request: Request, sent: bytes) -> None:
        assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
        assert (peer, request.target) == (LOOPBACK, data.split(b" ")[1].decode())
        self.offered.append(data)


@dataclass
class Program:
    server: ProxyServer
    learner: Learner
    client: Connection

    async def waited(self, count: int = 1) -> Waited:
        """The latest that was taken, once there are so many."""
        await until(lambda: len(self.learner.taken) >= count)
        return self.learner.taken[-1]


@asynccontextmanager
async def _serving() -> AsyncIterator[Program]:
    def begin(request: Request, body: WireBody, reply: WireReply) -> Begun:
        visit = Visit(request=request, began_at=0.0, began=0.0)
        return Begun(visit, lambda: echo(request, body, reply), lambda: None)

    learner = Learner()
    server = ProxyServer(begin, scheme="http", others=(learner,))
    listener = await asyncio.get_running_loop().create_server(server, LOOPBACK, 0)
    url = f"http://{LOOPBACK}:{listener.sockets[0].getsockname()[1]}"
    async with Connection.open(url) as client:
        yield Program(server, learner, client)
    listener.close()
    await server.shutdown(2)


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    async with _serving() as made:
        yield made


async def test_what_a_lane_took_is_answered_by_it(program: Program) -> None:
    for count in (1, 2):
        await program.client.send(KNOWN)
        waited = await program.waited(count)
        assert program.server.in_flight == 1
        waited.tell(ANSWER)
        assert (await program.client.answer()).body == b"lane"
        assert (waited.said, program.server.in_flight) == (["over"], 0)
    await program.client.send(OTHER)
    assert (await program.client.answer()).body == b"GET /other "
    assert program.learner.offered == [OTHER]


async def test_what_it_cannot_answer_is_the_drivers(program: Program) -> None:
    await program.client.send(KNOWN)
    waited = await program.waited()
    waited.tell(None)
    assert (await program.client.answer()).body == b"GET /known "
    assert waited.said == ["handed over"]
    waited.tell(ANSWER)  # too late: nobody listens
    await program.client.send(KNOWN)
    (await program.waited(2)).tell(ANSWER)
    assert (await program.client.answer()).body == b"lane"


@pytest.mark.parametrize("more", [OTHER, OTHER[:5], b"nonsense\r\n\r\n", KNOWN + OTHER])
async def test_more_from_the_client_makes_it_the_drivers(program: Program, more: bytes) -> None:
    await program.client.send(KNOWN)
    waited = await program.waited()
    await program.client.send(more)
    assert (await program.client.answer()).body == b"GET /known "
    assert waited.said == ["handed over"]
    if more == OTHER[:5]:
        await program.client.send(OTHER[5:])
    expected = 400 if more.startswith(b"nonsense") else 200
    assert (await program.client.answer()).status == expected
    assert len(program.learner.taken) == 1


async def test_the_end_of_its_side_does_too(program: Program) -> None:
    await program.client.send(KNOWN)
    waited = await program.waited()
    program.client.writer.write_eof()
    assert (await program.client.to_end()).endswith(b"GET /known ")
    assert waited.said == ["handed over"]


async def test_so_does_a_drain(program: Program) -> None:
    await program.client.send(KNOWN)
    waited = await program.waited()
    program.server.pre_shutdown()
    got = await program.client.answer()
    assert (got.body, got["Connection"]) == (b"GET /known ", "close")
    assert await program.client.to_end() == b""
    assert waited.said == ["handed over"]


async def test_a_client_that_leaves_gives_it_up(program: Program) -> None:
    await program.client.send(KNOWN)
    waited = await program.waited()
    program.client.writer.transport.abort()
    await until(lambda: bool(waited.said))
    # Without an end of its own side before it, or after one, as the kernel tells it.
    assert waited.said in (["given up"], ["handed over"])
    await until(lambda: program.server.in_flight == 0)


async def test_a_connection_that_is_closed_gives_it_up_at_once(program: Program) -> None:
    await program.client.send(KNOWN)
    waited = await program.waited()
    (connection,) = program.server.connections
    connection.force_close()
    assert (waited.said, program.server.in_flight) == (["given up"], 0)
    waited.tell(ANSWER)
    assert await program.client.to_end() == b""
    assert waited.said == ["given up"]


async def test_a_defect_closes_the_connection(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    await program.client.send(KNOWN)
    waited = await program.waited()
    waited.tell(ValueError("odd"))
    assert await program.client.to_end() == b""
    assert waited.said == ["given up"]
    assert "a defect in a lane" in caplog.text


async def test_a_client_that_makes_no_room_is_waited_for(program: Program) -> None:
    await program.client.send(KNOWN)
    waited = await program.waited()
    body, transport = b"x" * (8 << 20), program.client.writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    waited.tell(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert waited.said == []
    await until(lambda: program.server.in_flight == 1)
    transport.resume_reading()
    assert len((await program.client.answer()).body) == len(body)
    await until(lambda: waited.said == ["over"])
    await program.client.send(KNOWN)
    (await program.waited(2)).tell(ANSWER)
    assert (await program.client.answer()).body == b"lane"


async def test_or_given_up_when_it_leaves(program: Program) -> None:
    await program.client.send(KNOWN)
    waited = await program.waited()
    waited.tell(b"x" * (8 << 20))
    program.client.writer.transport.abort()
    await until(lambda: waited.said == ["aborted"])
    await until(lambda: program.server.in_flight == 0)
