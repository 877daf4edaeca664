"""HTTP/1.1 framing for the scripted origin and the raw client: bytes to parts and back.

Deliberately naive and lenient: it reads what a test sends on purpose, keeps every
byte as it came, and judges nothing. Knows nothing of Larder but `Fields`.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field

from proxy.fields import NO_FIELDS, Fields

LIMIT = 64 * 1024 * 1024
"""Of the stream readers, so that tests may send heads of any size."""


@dataclass(frozen=True, slots=True)
class Head:
    """A start line in its three parts, the fields, and the bytes they came as."""

    start: tuple[str, str, str]
    fields: Fields
    raw: bytes


@dataclass(slots=True)
class Body:
    """A body while it is read: `raw` as it came, `data` its content, so far."""

    raw: bytearray = field(default_factory=bytearray)
    data: bytearray = field(default_factory=bytearray)
    trailers: Fields = NO_FIELDS


def parse_fields(block: bytes) -> Fields:
    """Field lines, each ended by CRLF; whitespace around a value is dropped."""
    pairs = (line.partition(b":")[::2] for line in block.split(b"\r\n") if line)
    return Fields.from_raw((name, value.strip(b" \t")) for name, value in pairs)


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next message's head; None if the peer closed before a byte of it."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    line, _, block = raw.partition(b"\r\n")
    first, second, third = (*line.decode("latin-1").split(" ", 2), "", "")[:3]
    return Head((first, second, third), parse_fields(block), raw)


async def read_body(
    reader: asyncio.StreamReader, fields: Fields, into: Body, *, until_close: bool = False
) -> None:
    """Read the body that `fields` frame (RFC 9112 §6.3); without framing there is none.

    EOFError if the peer closes within it; `into` then has what came before.
    """
    length = fields.get("content-length")
    if is_chunked(fields):
        await _read_chunks(reader, into)
    elif length is not None:
        await _read_exactly(reader, int(length), into.raw, into.data)
    elif until_close:
        while piece := await reader.read(LIMIT):
            into.raw += piece
            into.data += piece


async def _read_chunks(reader: asyncio.StreamReader, into: Body) -> None:
    while size := int((await _read_line(reader, into)).partition(b";")[0], 16):
        await _read_exactly(reader, size, into.raw, into.data)
        await _read_line(reader, into)
    trailers = bytearray()
    while (line := await _read_line(reader, into)) != b"\r\n":
        trailers += line
    into.trailers = parse_fields(bytes(trailers))


async def _read_line(reader: asyncio.StreamReader, into: Body) -> bytes:
    line = await reader.readuntil(b"\r\n")
    into.raw += line
    return line


async def _read_exactly(reader: asyncio.StreamReader, count: int, *into: bytearray) -> None:
    while count:
        piece = await reader.read(count)
        if not piece:
            raise EOFError(f"the peer closed with {count} bytes still to come")
        count -= len(piece)
        for target in into:
            target.extend(piece)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def last_chunk(trailers: Fields = NO_FIELDS) -> bytes:
    """The end of a chunked body."""
    return b"0\r\n" + trailers.to_bytes() + b"\r\n"


def is_chunked(fields: Fields) -> bool:
    """Whether the body is in chunks."""
    return (fields.get("transfer-encoding") or "").lower().endswith("chunked")


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: what is not yet sent is lost, and the peer gets an error."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
