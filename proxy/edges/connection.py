"""The receiving half of a client's connection: requests, the end of its side, tunnels.

Door to aiohttp: its parser (llhttp) reads heads as heads.py cuts them; bodies are framing.py's.
Invariants: a request that is malformed takes none of those before it along, and nothing behind
it is read; a body that can never be complete raises for its reader; after a 101 what comes is
bytes and never a request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from proxy.edges.heads import MAX_FIELDS, MAX_LINE, Heads, refusal
from proxy.edges.requests import body_framing
from proxy.edges.underway import Received, UnderWay
from proxy.edges.wire_body import NO_PAYLOAD, Payload
from proxy.errors import ClientError, ClientGone
from proxy.flow.framing import Framing, FramingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.edges.wire import WireReply
    from proxy.flow.inbox import Inbox

KEEP_ALIVE_S = 75.0
HALF_OPEN_S = 2.0
"""How long a client that ended its side is taken to be there while it is sent nothing.

Nothing tells it from one that left but what happens to bytes sent to it.
"""

READ_BUFFER = 64 * 1024
MAX_QUEUE = 32
"""Requests parsed ahead of the one that is served; more of them pause the socket."""


async def unserved(request: web.BaseRequest) -> web.StreamResponse:
    """For aiohttp's own request loop, which no connection of ours has."""
    raise AssertionError(request)


class ClientConnection(RequestHandler):
    """The receiving half of a connection; who serves its requests is the subclass's affair."""

    __slots__ = (
        *("_at_rest", "_body", "_client_ended", "_deaf", "_framing", "_half_open", "_hot_at"),
        *("_heads", "_is_draining", "_is_last", "_queue", "_reply", "_tail", "_tunnel"),
    )

    def __init__(self, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEP_ALIVE_S,
            access_log=None,  # type: ignore[arg-type]  # None: aiohttp logs no access
        )
        # For heads only: aiohttp's reading of bodies puts the trailers of one request among
        # the fields of the next.
        self._parser = HttpRequestParser(
            self,
            loop,
            READ_BUFFER,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_FIELDS,
            response_with_body=False,
            auto_decompress=False,
        )
        self._queue: deque[tuple[Received, Payload]] = deque()
        self._tail = b""
        self._heads = Heads()
        self._framing: Framing | None = None
        self._body = self._payload()
        self._reply: WireReply | None = None
        self._tunnel: Inbox | None = None
        self._is_last = False
        self._deaf = False
        self._is_draining = False
        self._client_ended = False
        self._half_open: asyncio.TimerHandle | None = None
        self._at_rest, self._hot_at = False, 0.0

    def close_if_idle(self) -> None:
        """Drain: close unless a request is being served; a tunnel has no end to wait for."""
        self._is_draining, self._at_rest = True, False
        if self._tunnel is not None or (self._waiter is not None and not self._waiter.done()):
            self.force_close()

    # -- what comes in

    def data_received(self, data: bytes) -> None:
        """Parse what came while something is under way; drop it once nothing is served."""
        if self._tunnel is not None:
            if not self._tunnel.ended:
                self._tunnel.put(data)
        elif not (self._deaf or self._force_close or self._close):
            self._tail = self._tail + data if self._tail else data
            self._parse()
            self._wake()

    def _take_first(self, data: bytes) -> None:
        """Parse what came while nothing was under way; a request that is all of it is begun now."""
        self._at_rest, self._tail = False, data
        self._parse()
        if len(self._queue) == 1 and self._is_between:
            message, payload = self._queue[0]
            if isinstance(message, RawRequestMessage):
                self._queue.clear()
                under_way = self._begin_alone(message, payload, data)
                if under_way is None:
                    self._at_rest = True
                    return
                self._put(under_way)
        self._wake()

    def _begin_alone(
        self, message: RawRequestMessage, payload: Payload, data: bytes
    ) -> UnderWay | None:
        """Serve a request that is all of `data` as far as may be now; None if that was all."""
        raise NotImplementedError

    @property
    def _is_between(self) -> bool:
        """Whether all that came are whole requests."""
        under_way = self._tail or self._framing or self._deaf or self._client_ended
        return not under_way and self._heads.between

    def force_close(self) -> None:
        """Close without another answer."""
        self._at_rest = False
        super().force_close()

    def _parse(self) -> None:
        """Take requests from what came, as many as there is room for."""
        while self._tail and not self._deaf:
            if self._framing is not None:
                self._take_body(self._framing)
            elif not self._is_last and len(self._queue) < MAX_QUEUE:
                self._take_head()
            else:
                if not self._buffer_paused and not (self._is_last and len(self._tail) < MAX_LINE):
                    self._pause_reading_for_buffer()
                return

    def _take_head(self) -> None:
        """Give the parser bytes up to the end of a head and none behind it."""
        heads, data = self._heads, self._tail
        try:
            head, self._tail = heads.cut(data)
            if not head or self._parser is None:
                return
            messages, _, _ = self._parser.feed_data(head)
        except HttpProcessingError as error:
            self._refuse_head(refusal(error, data))
        except ClientError as error:
            self._refuse_head(error)
        else:
            if len(messages) != heads.complete:  # two readers of one head
                self._refuse_head(ClientError(400, "the request is not valid HTTP"))
            elif heads.complete:
                (message, _), method = messages[0], heads.method
                heads.next()
                known = message.method == method
                self._take_request(message if known else message._replace(method=method))

    def _refuse_head(self, error: ClientError) -> None:
        self._deaf = True
        self._enqueue(error)

    def _take_request(self, message: RawRequestMessage) -> None:
        self._is_last = message.should_close or message.upgrade
        framing = body_framing(message)
        self._body = NO_PAYLOAD
        if framing is None:
            self._deaf = True  # it is refused, and nobody knows where the next one begins
        elif not framing.complete:
            self._framing, self._body = framing, self._payload()
        self._enqueue(message)

    def _enqueue(self, message: RawRequestMessage | ClientError) -> None:
        self._request_count += 1
        self._put(message)

    def _put(self, message: Received) -> None:
        self._queue.append((message, self._body))

    def _wake(self) -> None:
        """Let the request loop go on if there is something for it to do."""
        if self._queue and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take_body(self, framing: Framing) -> None:
        data, self._tail = self._tail, b""
        try:
            framing.feed(data, self._body.put)
        except FramingError as error:
            self._deaf, self._framing = True, None
            self._body.end(ClientError(400, f"the request body is malformed: {error}"))
        if framing.complete:
            self._framing, self._tail = None, framing.rest
            self._body.trailers = framing.trailers
            self._body.end()

    def _take_next(self) -> tuple[Received, Payload]:
        """The next request to serve; makes room for another."""
        received = self._queue.popleft()
        self._parse()
        if self._buffer_paused and not self._tail:
            self._resume_reading_for_buffer()
        return received

    def _payload(self) -> Payload:
        return Payload(self._pause_for_reader, self._resume_for_reader)

    def _pause_for_reader(self) -> None:
        self._reading_paused = True
        self._pause_transport_reading()

    def _resume_for_reader(self) -> None:
        self._reading_paused = False
        if not self._buffer_paused:
            self._resume_transport_reading()

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's never keeps it open
        """A client may end its side and still wait for its answers (RFC 9112 §9.6)."""
        self._client_ended, self._at_rest = True, False
        if self._tunnel is not None:
            self._tunnel.end()
        elif self._framing is not None or not (self._request_in_progress or self._queue):
            return False
        else:
            self._watch_half_open(())
        return self.transport is not None and not self.transport.get_extra_info("sslcontext")

    def _watch_half_open(self, before: tuple[object, ...]) -> None:
        """Take a client that ended its side for gone when it could be sent nothing for a while."""
        reply, transport = self._reply, self.transport
        if self._tunnel is not None or transport is None:
            return
        now = (reply, reply.sent if reply else 0, reply.started if reply else False)
        if now == before and not transport.get_write_buffer_size():
            self.force_close()
            return
        self._half_open = self._loop.call_later(HALF_OPEN_S, self._watch_half_open, now)

    def open_tunnel(self) -> AsyncIterator[bytes]:
        """What the client sends from here on, which is not HTTP any more (after a 101)."""
        self._resume_reading_for_buffer()
        inbox = self._payload()
        tail, self._tail = self._tail, b""
        if tail:
            inbox.put(tail)
        if self.transport is None or self._is_draining:
            inbox.end(ClientGone("no tunnel is opened for it any more"))
        elif self._client_ended:
            inbox.end()
        self._tunnel = inbox
        return inbox.pieces()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End a request body that can never be complete now."""
        self._body.end(ClientGone("the client left"))
        if self._tunnel is not None:
            self._tunnel.end(ClientGone("the client left its tunnel"))
        if self._half_open is not None:
            self._half_open.cancel()
        super().connection_lost(exc)
