"""The receiving half of a client's connection: requests, the end of its side, tunnels.

Door to aiohttp: its parser (llhttp) reads requests. Invariants: a request that is malformed
takes none of those before it along, and nothing behind it is read; a body that can never be
complete raises for its reader; after a 101 what comes is bytes and never a request.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from proxy.errors import ClientGone
from proxy.flow.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.streams import StreamReader

    from proxy.edges.wire import WireReply

MAX_LINE = 64 * 1024
"""Bytes of a request line or of one field line; a longer one is refused with 400."""

MAX_FIELDS = 256
KEEP_ALIVE_S = 75.0
HALF_OPEN_S = 2.0
"""How long a client that ended its side is taken to be there while it is sent nothing.

Nothing tells it from one that left but what happens to bytes sent to it.
"""

READ_BUFFER = 64 * 1024
"""Twice as many unread bytes of a body pause the socket."""


class ClientConnection(RequestHandler):
    """The receiving half of a connection; who serves its requests is the subclass's affair."""

    __slots__ = (
        *("_client_ended", "_deaf", "_half_open", "_is_draining", "_newest", "_payload"),
        *("_reply", "_tunnel"),
    )

    def __init__(self, server: web.Server) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEP_ALIVE_S,
            access_log=None,  # type: ignore[arg-type]  # None: aiohttp logs no access
        )
        # One request at a time: what is wrong with one must not take those before it along.
        self._parser = HttpRequestParser(
            self,
            loop,
            READ_BUFFER,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_FIELDS,
            payload_exception=RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=1,
        )
        self._payload: StreamReader | None = None
        self._newest: StreamReader = EMPTY_PAYLOAD
        self._reply: WireReply | None = None
        self._tunnel: Inbox | None = None
        self._deaf = False
        self._is_draining = False
        self._client_ended = False
        self._half_open: asyncio.TimerHandle | None = None

    def close_if_idle(self) -> None:
        """Drain: close unless a request is being served; a tunnel has no end to wait for."""
        self._is_draining = True
        if self._tunnel is not None or (self._waiter is not None and not self._waiter.done()):
            self.force_close()

    # -- what comes in

    def data_received(self, data: bytes) -> None:
        """Parse what came, or drop it once no request is served any more."""
        if self._tunnel is not None:
            if data and not self._tunnel.ended:
                self._tunnel.put(data)
            return
        while not self._deaf:
            if not self._receive(data) or self._parser is None:
                return
            # A request is complete and there is room for one more.
            self._parser.message_consumed()
            data = b""

    def _receive(self, data: bytes) -> bool:
        """Parse up to the end of one request; whether another may follow at once."""
        count, was_open = self._request_count, not self._newest.is_eof()
        super().data_received(data)
        if self._request_count > count:
            message, payload = self._messages[-1]
            if not isinstance(message, RawRequestMessage):
                self._deaf = True
                if was_open:
                    self._newest.set_exception(RequestPayloadError("malformed"))
                return False
            self._newest = payload
        elif not was_open:
            return False
        return self._newest.is_eof() and len(self._messages) < self._max_msg_queue_size

    def eof_received(self) -> bool:  # type: ignore[override]  # aiohttp's never keeps it open
        """A client may end its side and still wait for its answers (RFC 9112 §9.6)."""
        self._client_ended = True
        if self._tunnel is not None:
            self._tunnel.end()
        elif not self._newest.is_eof() or not (self._request_in_progress or self._messages):
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
        inbox = Inbox(self._pause_transport_reading, self._resume_transport_reading)
        tail, self._message_tail = self._message_tail, b""
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
        payload, self._payload = self._payload, None
        if payload is not None and not payload.is_eof():
            payload.set_exception(exc or ConnectionResetError("the client left"))
        if self._tunnel is not None:
            self._tunnel.end(ClientGone("the client left its tunnel"))
        if self._half_open is not None:
            self._half_open.cancel()
        super().connection_lost(exc)
