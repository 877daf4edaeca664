"""What a scripted origin says: an answer is a tuple of steps, so any answer can be told.

`answer()` makes the usual ones and most of the broken ones; for the rest, write the
steps. Knows the wire, not who asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from proxy.fields import Fields
from tests.support import wire
from tests.support.build import FieldLines, as_bytes, as_fields

_WITHOUT_LENGTH = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes; in pieces of `split` bytes, each let out before the next, if given."""

    data: bytes
    split: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Go no further until the event is set."""

    event: asyncio.Event


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection: with FIN, or at once with RST."""

    reset: bool = False


Step = Send | Hold | Close
Answer = tuple[Step, ...]


def answer(
    body: object = b"",
    status: int = 200,
    *,
    fields: FieldLines = (),
    reason: str = "Scripted",
    interim: Iterable[tuple[int, FieldLines]] = (),
    chunks: Sequence[object] | None = None,
    trailers: FieldLines = (),
    length: int | None = None,
    until_close: bool = False,
    hold_head: asyncio.Event | None = None,
    hold_body: asyncio.Event | None = None,
    hold_at: int = 0,
    cut_at: int | None = None,
    split: int | None = None,
    close: bool = False,
    reset: bool = False,
) -> Answer:
    """The steps of one answer.

    Framed by Content-Length (`length` lies about it), by `chunks` (then `body` is
    not used) or, `until_close`, by the connection's end. `hold_head` holds before
    the first byte, `hold_body` after `hold_at` bytes of the framed body. `cut_at`
    closes after so many of them; `reset` makes a closing rude.
    """
    framed, framing = _framed(as_bytes(body), chunks, as_fields(trailers))
    lines = as_fields(fields)
    if length is not None:
        framing = (("Content-Length", str(length)),)
    if not until_close and status not in _WITHOUT_LENGTH:
        lines = Fields((*lines, *framing))
    heads = b"".join(head(code, fields=extra) for code, extra in interim)
    heads += head(status, reason, fields=lines)
    body_sent = framed[:cut_at]
    at = hold_at if hold_body else len(body_sent)
    ends = close or until_close or reset or cut_at is not None
    return (
        *_hold(hold_head),
        Send(heads + body_sent[:at], split),
        *_hold(hold_body),
        Send(body_sent[at:], split),
        *((Close(reset=reset),) if ends else ()),
    )


def _hold(event: asyncio.Event | None) -> Answer:
    return () if event is None else (Hold(event),)


def _framed(
    body: bytes, chunks: Sequence[object] | None, trailers: Fields
) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    if chunks is None:
        return body, (("Content-Length", str(len(body))),)
    pieces = (wire.chunk(as_bytes(piece)) for piece in chunks)
    return b"".join((*pieces, wire.last_chunk(trailers))), (("Transfer-Encoding", "chunked"),)


def head(status: int, reason: str = "Scripted", *, fields: FieldLines = ()) -> bytes:
    """A status line and its fields, as they go on the wire."""
    return f"HTTP/1.1 {status} {reason}\r\n".encode() + as_fields(fields).to_bytes() + b"\r\n"


async def take(steps: Answer, writer: asyncio.StreamWriter) -> bool:
    """Take the steps; whether the connection is still open after them."""
    for step in steps:
        match step:
            case Send(data, split):
                await _send(data, split, writer)
            case Hold(event):
                await event.wait()
            case Close(reset):
                if reset:
                    wire.reset(writer)
                return False
            case _:
                assert_never(step)
    return True


async def _send(data: bytes, split: int | None, writer: asyncio.StreamWriter) -> None:
    size = split or max(1, len(data))
    for start in range(0, len(data), size):
        writer.write(data[start : start + size])
        await writer.drain()
        await asyncio.sleep(0)  # Lets the reader see this piece before the next is sent.
