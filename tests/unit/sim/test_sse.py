"""Streams in pieces: cut anywhere, held back, broken off; a client that leaves is no error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from aiohttp import ClientPayloadError, ClientSession, web

from proxy.sim.base import Simulator, serve
from proxy.sim.sse import Wire, event, stream_events

EVENTS = [event({"text": "世界"}), event("[DONE]")]
BODY = 'data: {"text": "世界"}\n\ndata: [DONE]\n\n'.encode()


class Streamer(Simulator):
    name = "streamer"

    def __init__(self, wire: Wire, *, drop: bool = False) -> None:
        super().__init__()
        self.wire, self.drop = wire, drop
        self.done = asyncio.Event()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [web.get("/", self._stream)]

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        try:
            return await stream_events(request, EVENTS, self.wire, {"X-Id": "1"}, drop=self.drop)
        finally:
            self.done.set()


def test_an_event_may_have_a_name() -> None:
    assert event({"a": "ü"}) == 'data: {"a": "ü"}\n\n'
    assert event("x", "ping") == "event: ping\ndata: x\n\n"


@pytest.mark.parametrize(
    ("wire", "body", "pieces"),
    [
        (Wire(), BODY, 2),
        (Wire(pieces=(1,)), BODY, len(BODY)),
        (Wire(pieces=(17, 3)), BODY, 4),
        (Wire(newline="\r\n"), BODY.replace(b"\n", b"\r\n"), 2),
    ],
)
async def test_pieces(client: ClientSession, wire: Wire, body: bytes, pieces: int) -> None:
    async with serve(Streamer(wire)) as url, client.get(url) as reply:
        assert reply.headers["Content-Type"].startswith("text/event-stream")
        assert reply.headers["X-Id"] == "1"
        got = [(data, end) async for data, end in reply.content.iter_chunks()]
    assert b"".join(data for data, _ in got) == body
    terminator = 1
    assert sum(end for _, end in got) == pieces + terminator


async def test_a_dropped_body_ends_without_its_terminator(client: ClientSession) -> None:
    async with serve(Streamer(Wire(), drop=True)) as url, client.get(url) as reply:
        with pytest.raises(ClientPayloadError):
            await reply.read()


async def test_the_terminator_can_be_held_back(client: ClientSession) -> None:
    wire = Wire()
    wire.terminator.clear()
    async with serve(Streamer(wire)) as url, client.get(url) as reply:
        assert await reply.content.readexactly(len(BODY)) == BODY
        assert not reply.content.at_eof()
        wire.terminator.set()
        assert await reply.content.read() == b""


async def test_a_client_that_leaves_half_way_is_no_error(
    client: ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire(pieces=(1,), pause_s=0.001)
    async with serve(sim := Streamer(wire)) as url:
        async with client.get(url) as reply:
            await reply.content.readexactly(3)
            reply.close()
        await sim.done.wait()
    assert sim.calls[0].status == 200
    assert caplog.records == []
