"""One HTTP/1.1 message in each direction, on a server connection.

It knows framing (RFC 9112 §6), `Expect`, back-pressure and the connection it writes to;
nothing of rules, caching or upstreams. Invariants: a reply is started at most once; a body
that breaks off never looks complete to the client; no write waits longer than `STALL_S`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.errors import ClientError, ClientGone
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.budget import Budget, Lease
from proxy.flow.inbox import Inbox
from proxy.problem import phrase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp.base_protocol import BaseProtocol

STALL_S = 60.0
"""How long a client may take to make room for more bytes before it is given up."""

BODY_IDLE_S = 60.0
"""How long a client may take to send more of its request body before it is refused with 408."""

SLICE = 256 * 1024
"""A large body is handed to the socket in pieces of this many bytes, each by reference."""

WITHOUT_BODY = frozenset({204, 304})
SWITCHING = 101


class Payload(Inbox):
    """A request body as it comes in, with the trailers behind it once it has ended."""

    trailers = NO_FIELDS


class WireBody:
    """The body of one request: read whole, or streamed, or both in that order."""

    def __init__(
        self,
        payload: Payload,
        length: int | None,
        reply: WireReply,
        tunnel: Callable[[], AsyncIterator[bytes]],
        budget: Budget,
    ) -> None:
        self.length = length
        self.lease = Lease(budget)
        self.tunnel = tunnel
        self.received = 0
        self._payload = payload
        self._reply = reply
        self._kept: list[bytes] = []

    @property
    def complete(self) -> bool:
        """Whether the client has sent all of it."""
        return self._payload.ended

    @property
    def trailers(self) -> Fields:
        """The trailer fields as they came, once it is complete (RFC 9110 §6.5)."""
        return self._payload.trailers

    async def read(self, limit: int) -> bytes | None:
        """The whole body; None when it is larger than `limit` or the budget has no room for it.

        What was read is not lost.
        """
        if self.length == 0:
            return b""
        if self.length is not None and self.length > limit:
            return None
        size = 0
        async for chunk in self._receive():
            self._kept.append(chunk)
            size += len(chunk)
            if not self.lease.take(len(chunk)):
                self.lease.hold(len(chunk))
                return None
            if size > limit:
                return None
        whole = b"".join(self._kept)
        self._kept = [whole]
        return whole

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body from its first byte, streamed."""
        kept, self._kept = self._kept, []
        kept.reverse()
        while kept:
            chunk = kept.pop()
            yield chunk
            self.lease.give(len(chunk))
        if self.length != 0:
            async for chunk in self._receive():
                yield chunk

    async def _receive(self) -> AsyncIterator[bytes]:
        self._reply.invite_body()
        while not self._payload.is_over:
            try:
                async with asyncio.timeout(BODY_IDLE_S):
                    chunk = await self._payload.read()
            except TimeoutError:
                raise ClientError(
                    408, f"nothing more of the request body came within {BODY_IDLE_S:g} s"
                ) from None
            if chunk:
                self.received += len(chunk)
                yield chunk


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
            self._send(_lines(status, "", fields) + b"\r\n")

    async def start(self, status: int, reason: str, fields: Fields, length: int | None) -> None:
        """Begin the answer. `fields` frame nothing; `length` None: not known beforehand."""
        lines = _lines(status, reason, fields)
        self.started = True
        self._bodyless = self._head_only or status in WITHOUT_BODY
        self._left = length
        framing = b""
        self._switches = status == SWITCHING
        if self._switches:
            self.keep_alive, self._left = False, None
        elif length is not None and status not in WITHOUT_BODY:
            framing = b"Content-Length: %d\r\n" % length
        elif not self._bodyless and self._version >= (1, 1):
            self._chunked = True
            framing = b"Transfer-Encoding: chunked\r\n"
        elif not self._bodyless:
            self.keep_alive = False
        self._head = self.head = b"".join((lines, framing, self._connection(), b"\r\n"))

    def _connection(self) -> bytes:
        if self._switches:
            return b"Connection: upgrade\r\n"
        if not self.keep_alive:
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if self._version < (1, 1) else b""

    async def write(self, chunk: bytes | memoryview) -> None:
        """Send a piece of the body; waits for room. Raises ClientGone."""
        if self._bodyless or not chunk:
            return
        if self._left is not None:
            chunk = chunk[: self._left]
            self._left -= len(chunk)
        self.sent += len(chunk)
        if self._chunked:
            self._send(self._take_head() + b"%x\r\n" % len(chunk), chunk, b"\r\n")
        elif len(chunk) <= SLICE:
            self._send(self._take_head(), chunk)
        else:
            await self._write_slices(chunk)
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
        await self.drained()

    def abort(self) -> None:
        """Break the answer off so that the client sees it is not complete."""
        self.keep_alive = False
        transport = self._protocol.transport
        if transport is not None:
            transport.abort()

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
    return _lines(status, reason, fields) + b"Content-Length: %d\r\n\r\n" % length


def _lines(status: int, reason: str, fields: Fields) -> bytes:
    """A status line and field lines; ValueError if they would be more lines than they are."""
    line = f"HTTP/1.1 {status} {reason or phrase(status)}\r\n".encode("latin-1")
    lines = line + fields.to_bytes()
    # Whoever made such fields has a defect: the parsers let none through.
    if not lines.count(b"\n") == lines.count(b"\r") == len(fields) + 1:
        raise ValueError("a field has a line break")
    return lines
