"""The answer to one HTTP/1.1 request, on a server connection.

It knows framing (RFC 9112 §6), `Expect`, back-pressure and the connection it writes to;
nothing of rules, caching or upstreams. Invariants: a reply is started at most once; a body
that breaks off never looks complete to the client; no write waits longer than `STALL_S`.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from proxy.caching.status import EMPTY
from proxy.errors import ClientGone
from proxy.fields import NO_FIELDS, Fields
from proxy.problem import phrase

if TYPE_CHECKING:
    from aiohttp.base_protocol import BaseProtocol

    from proxy.client import Rest

STALL_S = 60.0
"""How long a client may take to make room for more bytes before it is given up."""

SLICE = 256 * 1024
"""A large body is handed to the socket in pieces of this many bytes, each by reference."""

JOINED = 16 * 1024
"""Bytes of body up to which a copy behind its head costs less than a second buffer."""

SWITCHING = 101


class WireReply:
    """The answer to one request."""

    def __init__(
        self, protocol: BaseProtocol, method: str, version: tuple[int, int], *, expects: bool
    ) -> None:
        self._protocol = protocol
        self._head_only = method == "HEAD"
        self._version = version
        self._expects = expects
        self._head = self.head = b""
        self._chunked = False
        self._bodyless = False
        self._switches = False
        self._left: int | None = None
        self.keep_alive = True
        self.started = False
        self.ended = False
        self.sent = 0

    def invite_body(self) -> None:
        """Say 100 Continue, once, to a client that waits for it (RFC 9110 §10.1.1)."""
        if self._expects and not self.started:
            self._expects = False
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    @property
    def uninvited(self) -> bool:
        """Whether the client still waits for a 100: what it does next is unknown."""
        return self._expects

    async def interim(self, status: int, fields: Fields) -> None:
        """Relay an interim response (RFC 9110 §15.2); HTTP/1.0 clients know none."""
        if self._version >= (1, 1) and not self.started:
            self._send(_encoded(_lines(status, "", fields)))

    def respond(self, status: int, reason: str, fields: Fields, body: bytes) -> Rest | None:
        """Send a whole answer: at once, unless the client has yet to make room for it."""
        if len(body) > SLICE or self._protocol.writing_paused:
            return partial(self._respond, status, reason, fields, body)
        return self._answer(status, reason, fields, body)

    async def _respond(self, status: int, reason: str, fields: Fields, body: bytes) -> None:
        await self.start(status, reason, fields, len(body))
        await self.write(body)
        await self.end()

    async def start(self, status: int, reason: str, fields: Fields, length: int | None) -> None:
        """Begin the answer. `fields` frame nothing; `length` None: not known beforehand."""
        self._begin(status, reason, fields, length)

    def _answer(self, status: int, reason: str, fields: Fields, body: bytes) -> Rest | None:
        self._begin(status, reason, fields, len(body))
        if self._bodyless or not body:
            self._send(self._take_head())
        else:
            self.sent, self._left = len(body), 0
            self._send_with_head(body)
        self.ended = True
        return self.drained if self._protocol.writing_paused else None

    def _begin(self, status: int, reason: str, fields: Fields, length: int | None) -> None:
        lines = _lines(status, reason, fields)
        self.started = True
        self._bodyless = self._head_only or status in EMPTY
        self._left = length
        framing = ""
        self._switches = status == SWITCHING
        if self._switches:
            self.keep_alive, self._left = False, None
        elif length is not None and status not in EMPTY:
            framing = f"Content-Length: {length}\r\n"
        elif not self._bodyless and self._version >= (1, 1):
            self._chunked = True
            framing = "Transfer-Encoding: chunked\r\n"
        elif not self._bodyless:
            self.keep_alive = False
        self._head = self.head = _encoded(f"{lines}{framing}{self._connection()}")

    def _connection(self) -> str:
        if self._switches:
            return "Connection: upgrade\r\n"
        if not self.keep_alive:
            return "Connection: close\r\n"
        return "Connection: keep-alive\r\n" if self._version < (1, 1) else ""

    async def write(self, chunk: bytes | memoryview) -> None:
        """Send a piece of the body; waits for room. Raises ClientGone."""
        if self._bodyless or not chunk:
            return
        if self._left is not None:
            chunk = chunk[: self._left]
            self._left -= len(chunk)
        self.sent += len(chunk)
        if self._chunked:
            parts = self._take_head() + b"%x\r\n" % len(chunk), chunk, b"\r\n"
            self._send(*(parts if len(chunk) > JOINED else (b"".join(parts),)))
        elif len(chunk) <= SLICE:
            self._send_with_head(chunk)
        else:
            await self._write_slices(chunk)
        if self._protocol.writing_paused:
            await self.drained()

    async def flush(self) -> None:
        """Send the head now: the first byte of the body may be long in coming."""
        if self._head:
            self._send(self._take_head())
            await self.drained()

    async def _write_slices(self, chunk: bytes | memoryview) -> None:
        self._send(self._take_head())
        view = memoryview(chunk)
        for begin in range(0, len(view), SLICE):
            self._send(view[begin : begin + SLICE])
            await self.drained()

    async def end(self, trailers: Fields = NO_FIELDS) -> None:
        """The answer is complete. A body shorter than announced is broken off instead."""
        if self._left and not self._bodyless:
            self.abort()
            return
        tail = b""
        if self._chunked:
            tail = b"0\r\n" + trailers.to_bytes() + b"\r\n"
        if self._head or tail:
            self._send(self._take_head() + tail)
        self.ended = True
        if self._protocol.writing_paused:
            await self.drained()

    def abort(self) -> None:
        """Break the answer off so that the client sees it is not complete."""
        self.keep_alive = False
        transport = self._protocol.transport
        if transport is not None:
            transport.abort()

    def _send_with_head(self, chunk: bytes | memoryview) -> None:
        head = self._take_head()
        if not head:
            self._send(chunk)
        elif len(chunk) <= JOINED:
            self._send(head + chunk)
        else:
            self._send(head, chunk)

    def _take_head(self) -> bytes:
        head, self._head = self._head, b""
        return head

    def _send(self, *parts: bytes | memoryview) -> None:
        transport = self._protocol.transport
        if transport is None or transport.is_closing():
            raise ClientGone
        if len(parts) == 1:
            transport.write(parts[0])
        else:
            transport.writelines(parts)

    async def drained(self) -> None:
        """Return once the client has made room for more. Raises ClientGone."""
        if not self._protocol.writing_paused:
            return
        try:
            async with asyncio.timeout(STALL_S):
                await self._protocol._drain_helper()  # noqa: SLF001 - no public way to await it
        except (ConnectionError, TimeoutError) as error:
            self.abort()
            raise ClientGone from error


def counted_head(status: int, reason: str, fields: Fields, length: int) -> bytes:
    """The head of an answer of so many bytes on a connection that is kept alive."""
    return _encoded(f"{_lines(status, reason, fields)}Content-Length: {length}\r\n")


def _encoded(lines: str) -> bytes:
    """The head made of these lines, as it goes on the wire."""
    return f"{lines}\r\n".encode("latin-1")


def _lines(status: int, reason: str, fields: Fields) -> str:
    """A status line and field lines; ValueError if they would be more lines than they are."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items])
    lines = f"HTTP/1.1 {status} {reason or phrase(status)}\r\n{lines}"
    # Whoever made such fields has a defect: the parsers let none through.
    if not lines.count("\n") == lines.count("\r") == len(fields) + 1:
        raise ValueError("a field has a line break")
    return lines
