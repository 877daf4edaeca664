"""A wire: one connection to an upstream, as bytes out and a parsed answer in.

Door to aiohttp, with connection.py and answer_head.py, which reads heads; bodies are
framing.py's. Knows nothing of rules or retries. Invariants:
- a byte that comes while no request is under way ends the connection, so an
  answer can never be taken for the next request's;
- whoever reads always learns how it ended: an answer that is not known to be
  complete raises, also when its framing breaks midway or the peer resets;
- a body longer than its Content-Length spoils the connection, not the answer;
- after a 101 that was asked for, what comes is bytes until the connection ends.
"""

from __future__ import annotations

import math
from asyncio import AbstractEventLoop, Future, Transport
from collections import deque
from collections.abc import Callable
from typing import Final

from aiohttp import ClientError as AiohttpError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from proxy.errors import UpstreamProtocolError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.answer_head import SWITCHING, Head, HeadReader, idle_hint, problem_of
from proxy.flow.framing import Counted, Framing, FramingError, UntilClose, framing_of
from proxy.flow.inbox import Inbox
from proxy.flow.limits import Watch
from proxy.flow.lost import ConnectionLost, is_readable, no_answer
from proxy.flow.outbox import Outbox

KEEP_IDLE_S: Final = 30.0
"""How long a connection is kept without use, unless the upstream's Keep-Alive asks for less."""
MAX_HEAD: Final = 256 * 1024
"""Bytes of an answer's heads, interim ones included, before its last head is complete."""


class Wire(ResponseHandler):
    """The protocol object of one connection; the connector makes it."""

    def __init__(self, loop: AbstractEventLoop, outbox: Outbox) -> None:
        super().__init__(loop)
        self._outbox = outbox
        self.peer = ""
        self.uses = 0
        self.failure: BaseException | None = None
        self._at_rest = True
        self._may_switch, self._has_answer_body = False, True
        self.keep_s, self._reuse_until = KEEP_IDLE_S, math.inf
        self.take: Callable[[bytes], bool] | None = None
        self.heard: Callable[[], object] | None = None
        """Called once when next there is a head, with what came behind it, or none will come."""
        self._reader = HeadReader(self, loop)
        self.watch = Watch(self.fail)
        self._clear()

    def _clear(self) -> None:
        """Nothing of an answer is here."""
        self._heads: deque[Head] = deque()
        self._reader.begin()
        self._framing: Framing | None = None
        self._inbox = Inbox(self._pause_transport_reading, self._resume_transport_reading)

    # -- the life of a connection

    def begin(self, *, has_answer_body: bool, may_switch: bool = False) -> None:
        """A request is about to be written. An answer to HEAD has no body whatever it says.

        `may_switch`: the request asks for another protocol, so a 101 may answer it.
        """
        self.uses += 1
        self._at_rest = False
        self._may_switch = may_switch
        self._has_answer_body = has_answer_body
        self.take = None
        if self._reader.size:
            self._clear()

    def ask(self, request: bytes, take: Callable[[bytes], bool]) -> float:
        """Send a GET that is ready made, at the end of this turn; when, as loop time.

        What comes first is offered to `take`, unparsed. If that says it was all of an answer, it
        has called `rest`; else it is parsed, as if `begin` had been called.
        """
        self.begin(has_answer_body=True)
        self.take = take
        self._outbox.put(self.write, request)
        return self._loop.time()

    def rest(self, keep_s: float | None = None) -> None:
        """The answer is complete: any byte is unasked for. `keep_s`: as its head, unread, said."""
        self._at_rest = True
        self._reuse_until = self._loop.time() + (self.keep_s if keep_s is None else keep_s)

    @property
    def should_close(self) -> bool:
        """Whether the connection is of no use for another request."""
        framing = self._framing
        spoiled = framing is not None and bool(framing.rest or not framing.complete)
        return spoiled or self._should_close or self._exception is not None

    def is_fit(self, *, careful: bool) -> bool:
        """Whether a kept-alive connection may take another request.

        `careful` asks the kernel too, whether an end of stream waits there that the loop has
        not read yet: for a request that could not be repeated.
        """
        in_time = self.is_connected() and self._loop.time() < self._reuse_until
        return in_time and not self.should_close and not (careful and is_readable(self.transport))

    def fail(self, error: BaseException) -> None:
        """End the connection at once; whoever reads the answer gets this very error."""
        if self.failure is None:
            self.failure = error
        self._inbox.end(error)
        self.set_exception(error)
        if self.transport is not None:
            self.transport.abort()

    # -- writing

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket; raises ConnectionLost when there is none any more."""
        self._open().write(data)

    def _open(self) -> Transport:
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionLost
        return transport

    def write_eof(self) -> None:
        """Nothing more will be written; where TLS has no half of an end, it is a whole one."""
        transport = self._open()
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()

    async def drain(self) -> None:
        """Wait until the socket has taken what was written, but for a little."""
        try:
            await self._drain_helper()
        except (AiohttpError, OSError):
            raise ConnectionLost from None

    # -- reading

    async def came(self) -> None:
        """Return once there is a head to read, or none will come. May be cancelled."""
        while not self._heads and not self.is_eof():  # an exception makes it that, too
            waiter: Future[None] = self._loop.create_future()
            self.heard = lambda waiter=waiter: waiter.done() or waiter.set_result(None)
            await waiter

    @property
    def whole_head(self) -> Head | None:
        """The head of the answer, if it is all there and nothing of it was read."""
        broken = self._inbox.error is not None or self.failure is not None
        if len(self._heads) != 1 or not self._inbox.ended or broken:
            return None
        return self._heads[0]

    @property
    def coming(self) -> Counted | None:
        """The body, if its length was said, the rest of it will come, and nothing was read."""
        framing = self._framing
        if len(self._heads) != 1 or self._inbox.ended or not isinstance(framing, Counted):
            return None
        return framing

    def take_head(self) -> Head:
        """The head that has come, interim or final; raises what came instead of one."""
        if not self._heads:
            stale = self.uses > 1 and not self._reader.size
            raise (self.failure or no_answer(self.peer, self._exception, stale=stale)) from None
        head = self._heads.popleft()
        if problem := problem_of(head, may_switch=self._may_switch):
            raise UpstreamProtocolError(f"{self.peer} {problem}")
        hint = idle_hint(head)
        # A second early: the request must arrive before the upstream's own timer ends.
        self.keep_s = KEEP_IDLE_S if hint is None else min(KEEP_IDLE_S, hint - 1)
        return head

    def body_at_hand(self) -> bytes:
        """What has come of the body and was not read yet; b"" if nothing has."""
        if self.failure is not None:
            raise self.failure
        return self._inbox.take()

    async def read_body(self) -> bytes:
        """Wait for more of the body; b"" at its end. Raises when the body is not complete."""
        return await self._inbox.read()

    @property
    def body_is_over(self) -> bool:
        """Whether the body was complete and all of it is read."""
        return self.failure is None and self._inbox.is_over

    @property
    def trailers(self) -> Fields:
        """The trailer fields, once the body is over."""
        return NO_FIELDS if self._framing is None else self._framing.trailers

    def _tell(self) -> None:
        heard, self.heard = self.heard, None
        if heard is not None:
            heard()

    # -- what aiohttp calls

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """The connection is of no more use; whoever waits for a head is told."""
        super().set_exception(exc, *cause)
        self._tell()

    def data_received(self, data: bytes) -> None:
        """Parse: heads, each by itself, and then the body."""
        if self._at_rest:
            if self.transport is not None:
                self.force_close()
                self.transport.abort()
            return
        take, self.take = self.take, None
        if take is not None and take(data):
            return
        if self._framing is None:
            data = self._feed_heads(data)
        if data and self._framing is not None and not self._inbox.error:
            self._feed_body(self._framing, data)
        if self._heads:
            self._tell()

    def _feed_heads(self, data: bytes) -> bytes:
        """Read one head after the other; returns what comes behind the final one."""
        while data and self._framing is None and self._exception is None:
            try:
                heads, data = self._reader.feed(data)
            except Exception as error:  # noqa: BLE001 - whatever it stumbles over, it is no head
                known = isinstance(error, HttpProcessingError)
                self.set_exception(error if known else HttpProcessingError())
                if self.transport is not None:
                    self.transport.close()
                return b""
            for head in heads:
                self._take_head(head)
            if self._reader.size > MAX_HEAD and self._framing is None:
                self.fail(
                    UpstreamProtocolError(f"{self.peer} sent a head of over {MAX_HEAD} bytes")
                )
        return data

    def _take_head(self, head: Head) -> None:
        if head.is_last:
            self.force_close()
        self._heads.append(head)
        if head.status < 200 and head.status != SWITCHING:
            return
        self._framing = UntilClose()
        try:
            self._framing = framing_of(head.status, head.fields, has_body=self._has_answer_body)
        except FramingError as error:
            self._break(error)
        if self._framing.complete:
            self._inbox.end()

    def _feed_body(self, framing: Framing, data: bytes) -> None:
        try:
            framing.feed(data, self._inbox.put)
        except FramingError as error:
            self._break(error)
        if framing.complete:
            self._inbox.end()

    def _break(self, error: FramingError) -> None:
        """Nothing behind this can be understood; what came before it can."""
        self._inbox.end(UpstreamProtocolError(f"{self.peer} sent what is not HTTP/1.1 ({error})"))
        self.force_close()
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """A body that lasts until the connection's end is complete if that end was in order."""
        framing = self._framing
        if framing is not None and exc is None and framing.ended():
            self._inbox.end()
        self._cut()
        super().connection_lost(exc)

    def close(self) -> None:
        """Close from our side, as the connector does when it shuts down."""
        self._cut()
        super().close()

    def _cut(self) -> None:
        self.watch.close()
        what = f"{self.peer} ended its answer before it was complete"
        self._inbox.end(UpstreamProtocolError(what))
