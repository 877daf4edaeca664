"""A wire: one connection to an upstream, as bytes out and a parsed answer in.

Door to aiohttp, with connection.py: its ResponseHandler and its parser (llhttp)
read answers, and its exceptions end here. Knows nothing of rules, retries or
limits. Invariants, beyond aiohttp's own:
- a byte that comes while no request is under way ends the connection, so an
  answer can never be taken for the next request's;
- whoever reads always learns how it ended: an answer that is not known to be
  complete raises, also when its framing breaks midway or the peer resets;
- the head of an answer is parsed apart from its body, so a body longer than
  its Content-Length spoils the connection, not the answer.
"""

from __future__ import annotations

import math
import re
import select
from asyncio import AbstractEventLoop
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientError as AiohttpError
from aiohttp import ClientPayloadError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, EofStream, StreamReader

from proxy.errors import UpstreamProtocolError
from proxy.fields import Fields

MAX_LINE: Final = 64 * 1024
"""Bytes of a status line or of one field line."""
MAX_FIELDS: Final = 256
MAX_HEAD: Final = 256 * 1024
"""Bytes of an answer's heads, interim ones included, before its last head is complete."""
READ_BUFFER: Final = 64 * 1024
"""Twice as many unread bytes of a body pause the socket."""

_CODINGS: Final = frozenset({"", "chunked", "identity"})
_IDLE_HINT: Final = re.compile(r"\btimeout\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_FOREIGN: Final = (AiohttpError, HttpProcessingError, EofStream, OSError, RuntimeError)


class ConnectionLost(Exception):
    """The connection ended while something was being written."""


class StaleConnectionError(UpstreamProtocolError):
    """A kept-alive connection was closed by the upstream before any byte of an answer."""


@dataclass(frozen=True, slots=True)
class Head:
    """A parsed response head, interim or final."""

    status: int
    reason: str
    fields: Fields


class Wire(ResponseHandler):
    """The protocol object of one connection; the connector makes it."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        super().__init__(loop)
        self.peer = ""
        self.uses = 0
        self.failure: BaseException | None = None
        self._at_rest = True
        self._has_final_head = False
        self._head_bytes = 0
        self._body: StreamReader = EMPTY_PAYLOAD
        self._reuse_until = math.inf

    # -- the life of a connection

    def begin(self, *, has_answer_body: bool) -> None:
        """A request is about to be written. An answer to HEAD has no body whatever it says."""
        self.uses += 1
        self._at_rest = False
        self._has_final_head = False
        self._head_bytes = 0
        self._body = EMPTY_PAYLOAD
        self.set_response_params(
            skip_payload=not has_answer_body,
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_FIELDS,
        )

    def rest(self) -> None:
        """The answer is complete: from here on any byte is unasked for."""
        self._at_rest = True
        self._body = EMPTY_PAYLOAD

    def is_fit(self, *, careful: bool) -> bool:
        """Whether a kept-alive connection may take another request.

        `careful` asks the kernel too, whether an end of stream waits there that the loop has
        not read yet: for a request that could not be repeated.
        """
        if self.should_close or self._loop.time() >= self._reuse_until:
            return False
        return not (careful and self._is_readable())

    def _is_readable(self) -> bool:
        if self.transport is None:
            return True
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def fail(self, error: BaseException) -> None:
        """End the connection at once; whoever reads the answer gets this very error."""
        if self.failure is None:
            self.failure = error
        self.set_exception(error)
        if self.transport is not None:
            self.transport.abort()

    # -- writing

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket; raises ConnectionLost when there is none any more."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionLost
        transport.write(data)

    async def drain(self) -> None:
        """Wait until the socket has taken what was written, but for a little."""
        try:
            await self._drain_helper()
        except (AiohttpError, OSError):
            raise ConnectionLost from None

    # -- reading

    async def read_head(self) -> Head:
        """The next response head, interim ones (1xx) included."""
        try:
            message, body = await self.read()
        except _FOREIGN as error:
            raise self._told(error) from None
        head = _head(message)
        problem = _problem(head)
        if problem:
            raise UpstreamProtocolError(f"{self.peer} {problem}")
        self._body = body
        self._note_idle_hint(head)
        return head

    def body_at_hand(self) -> bytes:
        """What has come of the body and was not read yet; b"" if nothing has."""
        try:
            if self.failure is not None:
                raise self.failure
            return self._body.read_nowait()
        except _FOREIGN as error:
            raise self._told(error) from None

    async def read_body(self) -> bytes:
        """Wait for more of the body; b"" at its end. Raises when the body is not complete."""
        try:
            return await self._body.readany()
        except _FOREIGN as error:
            raise self._told(error) from None

    @property
    def body_is_over(self) -> bool:
        """Whether the body was complete and all of it is read."""
        return self.failure is None and self._body.exception() is None and self._body.at_eof()

    def _note_idle_hint(self, head: Head) -> None:
        # A second early: the request must arrive before the upstream's own timer ends.
        hint = _IDLE_HINT.search(head.fields.get("keep-alive") or "")
        self._reuse_until = self._loop.time() + int(hint[1]) - 1 if hint else math.inf

    def _told(self, error: BaseException) -> BaseException:
        """The error to raise for what aiohttp raised. Quotes nothing the upstream sent."""
        if error is self.failure:
            return error
        if isinstance(error, HttpProcessingError):
            # The rest of the message quotes the upstream's bytes.
            what = error.message.partition(":")[0].partition("\n")[0]
            return UpstreamProtocolError(f"{self.peer} sent what is not HTTP/1.1 ({what})")
        if isinstance(error, ClientPayloadError) or self._has_final_head:
            return UpstreamProtocolError(f"{self.peer} ended its answer before it was complete")
        text = f"{self.peer} closed the connection without an answer"
        stale = self.uses > 1 and not self._head_bytes
        return (StaleConnectionError if stale else UpstreamProtocolError)(text)

    # -- what aiohttp calls

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Queue a parsed head; called by the base class for each."""
        self._has_final_head = data[0].code >= 200
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Parse, each head by itself. Also called with b"" to go on after a pause."""
        if not data and self._body.is_eof():
            return
        if self._at_rest:
            if self.transport is not None:
                self.force_close()
                self.transport.abort()
            return
        while not self._has_final_head and (end := data.find(b"\r\n\r\n") + 4) > 3:
            self._feed_head(data[:end])
            if self._exception is not None or end == len(data):
                return
            data = data[end:]
        if self._has_final_head:
            super().data_received(data)
        else:
            self._feed_head(data)

    def _feed_head(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if not self._has_final_head and self._head_bytes > MAX_HEAD:
            self.fail(UpstreamProtocolError(f"{self.peer} sent a head of over {MAX_HEAD} bytes"))

    def _break_body(self, error: BaseException) -> None:
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(error)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Tell whoever reads the body too: the base class tells only who waits for a head."""
        self._break_body(exc)
        super().set_exception(exc, *(() if exc_cause is None else (exc_cause,)))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Mark a body as broken by a reset, which the base class takes for its end."""
        if exc is not None:
            self._break_body(ClientPayloadError("connection reset"))
        super().connection_lost(exc)

    def close(self) -> None:
        """Close from our side, as the connector does when it shuts down."""
        self._break_body(ClientPayloadError("connection closed"))
        super().close()


def _head(message: RawResponseMessage) -> Head:
    # aiohttp reads the reason as UTF-8; here all text of the wire is latin-1.
    reason = message.reason.encode("utf-8", "surrogateescape").decode("latin-1")
    return Head(message.code, reason, Fields.from_raw(message.raw_headers))


def _problem(head: Head) -> str:
    if head.status < 100:
        return f"answered with status {head.status:03}, which is none"
    if head.status == 101:
        return "switched protocols unasked"
    coding = (head.fields.get("transfer-encoding") or "").strip().lower()
    return "" if coding in _CODINGS else "used a transfer coding nobody asked for"
