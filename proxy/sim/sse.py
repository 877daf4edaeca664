"""Writes bodies in pieces: server-sent events cut up as no parser likes it.

`Wire` says how. A piece ends wherever its size says, in the middle of a line or
of a UTF-8 character. Knows nothing of any API.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle

from aiohttp import web

from proxy.sim.base import Json


@dataclass(slots=True)
class Wire:
    """How a streamed body goes out.

    `pieces` are the sizes of the writes, repeated; without any, an event is one
    write. `pause_s` lies between two writes. `terminator` holds the chunked
    terminator back while it is cleared.
    """

    pieces: tuple[int, ...] = ()
    newline: str = "\n"
    pause_s: float = 0.0
    terminator: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Let the terminator follow at once until a test holds it back."""
        self.terminator.set()


def event(data: Json | str, name: str = "") -> str:
    """One server-sent event, its lines ended by a plain newline."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {text}\n\n"


async def stream_events(
    request: web.Request, events: Iterable[str], wire: Wire, fields: dict[str, str], *, drop: bool
) -> web.StreamResponse:
    """Answer with events; `drop` closes the connection after them, before the body's end."""
    encoded = [text.replace("\n", wire.newline).encode() for text in events]
    head = {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-cache",
        **fields,
    }
    return await stream(request, encoded, wire, head, drop=drop)


async def stream(
    request: web.Request, parts: Iterable[bytes], wire: Wire, fields: dict[str, str], *, drop: bool
) -> web.StreamResponse:
    """Answer with a chunked body. A client that leaves half-way is no error."""
    response = web.StreamResponse(headers=fields)
    response.enable_chunked_encoding()
    await response.prepare(request)
    with suppress(ConnectionError):
        for piece in _cut(parts, wire.pieces):
            await response.write(piece)
            await asyncio.sleep(wire.pause_s)
        if drop:
            _close(request)
            return response
        await wire.terminator.wait()
        await response.write_eof()
    return response


def _cut(parts: Iterable[bytes], sizes: tuple[int, ...]) -> Iterator[bytes]:
    if not sizes:
        yield from parts
        return
    whole = memoryview(b"".join(parts))
    for size in cycle(sizes):
        if not whole:
            return
        yield bytes(whole[:size])
        whole = whole[size:]


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
