"""The proxy's listener: aiohttp's HTTP/1.1 parser and connection, our own request loop.

It turns bytes into a Request, a WireBody and a WireReply and hands them to one callable.
It knows no rules and no caching. Invariants: answers leave in the order of their requests;
a request that is not plainly well-formed is refused and its connection closed; a client
that leaves cancels its own request only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from proxy.caching.cache_status import render
from proxy.edges.connection import ClientConnection
from proxy.edges.requests import parse_request
from proxy.edges.telling import Unsent
from proxy.edges.wire import WireBody, WireReply
from proxy.errors import ClientError, ClientGone
from proxy.fields import Fields
from proxy.flow.budget import Budget
from proxy.outcomes import Refusal
from proxy.problem import CONTENT_TYPE, problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.http_parser import RawRequestMessage

    from proxy.edges.lane import Lane
    from proxy.edges.wire import Payload
    from proxy.messages import Request

    Handler = Callable[[Request, WireBody, WireReply], Awaitable[None]]

log = logging.getLogger("larder.server")

LINGER_S = 2.0
"""How long what a client still sends is read and dropped, so that it can read its answer."""

CUT_OFF_S = 0.01
"""How long aiohttp waits for handlers that have had their time already; not 0: that is for ever."""


class ProxyServer(web.Server):
    """Makes a ProxyConnection for every accepted socket."""

    def __init__(
        self,
        handler: Handler,
        *,
        scheme: str,
        refused: Callable[[int], None] = lambda _: None,
        budget: Budget | None = None,
        lane: Lane | None = None,
    ) -> None:
        """`refused` is told the status of every request that was too malformed to handle.

        `budget` is for the request bodies that are read whole. `lane` answers what it knows.
        """
        # A client that leaves cancels its handler; the flights it began go on.
        super().__init__(_unused, handler_cancellation=True)
        self.handler = handler
        self.scheme = scheme
        self.refused = refused
        self.budget = budget or Budget()
        self.lane = lane
        self.draining = False

    def __call__(self) -> ProxyConnection:
        """The protocol factory that the listening socket calls."""
        return ProxyConnection(self)

    def pre_shutdown(self) -> None:
        """Close idle connections and finish the others after their present answer."""
        self.draining = True
        for connection in self._connections:
            if isinstance(connection, ProxyConnection):
                connection.close_if_idle()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp's
        """Wait for the requests under way, `timeout` seconds at most, then cut them off.

        aiohttp's own way would stop reading at once, and so never see the end of an upload.
        """
        self.pre_shutdown()
        running = {task for each in self._connections if (task := each._task_handler)}  # noqa: SLF001
        if running:
            await asyncio.wait(running, timeout=timeout)
        await super().shutdown(CUT_OFF_S)


async def _unused(request: web.BaseRequest) -> web.StreamResponse:
    raise AssertionError(request)  # ProxyConnection.start serves every request itself


class ProxyConnection(ClientConnection):
    """One client connection. Replaces the request loop of aiohttp."""

    __slots__ = ("_server",)

    def __init__(self, server: ProxyServer) -> None:
        super().__init__(server, server.lane)
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; one that sends nothing is closed like an idle one."""
        super().connection_made(transport)
        self._await_next()

    async def start(self) -> None:
        """Serve the requests of this connection, one after the other."""
        while not self._force_close:
            if not self._queue:
                if self._client_ended:
                    break
                self._waiter = self._loop.create_future()
                self._rest()
                try:
                    await self._waiter
                finally:
                    self._waiter, self._at_rest = None, False
            message, payload = self._take_next()
            whole, self._whole = self._whole, None
            self._request_in_progress = True
            try:
                if isinstance(message, Unsent):
                    keep = await self._finish(message)
                else:
                    keep = await self._serve(message, payload, whole)
            finally:
                self._request_in_progress = False
                if self._handler_waiter is not None and not self._handler_waiter.done():
                    self._handler_waiter.set_result(None)
            if not keep or self._close or self._server.draining:
                refused = isinstance(message, ClientError)
                if refused or not payload.ended or payload.error is not None:
                    await self._linger()
                break
            self._await_next()
        if self.transport is not None:
            self.transport.close()

    async def _linger(self) -> None:
        """Let a client that still sends read its answer: closing now would reset it (§9.6)."""
        transport = self.transport
        if transport is None or transport.is_closing() or self._client_ended:
            return
        self._deaf = True
        if transport.can_write_eof():
            transport.write_eof()
        self._resume_transport_reading()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._loop.create_future()  # the client's leaving cancels it

    def _await_next(self) -> None:
        self._keepalive = True
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(
                self._next_keepalive_close_time, self._process_keepalive
            )

    def _rest(self) -> None:
        """Nothing is under way: what comes next may be the lane's to answer."""
        closing = self._force_close or self._close or self._is_draining
        self._at_rest = self._lane is not None and self._is_between and not closing

    def _process_keepalive(self) -> None:
        used = self._hot_at + self._keepalive_timeout
        self._next_keepalive_close_time = max(self._next_keepalive_close_time, used)
        super()._process_keepalive()

    async def _serve(
        self,
        message: RawRequestMessage | ClientError,
        payload: Payload,
        whole: bytes | None,
    ) -> bool:
        """Answer one request; whether the connection can serve another.

        `whole`: what came, if that was this request and nothing else.
        """
        if isinstance(message, ClientError):
            log.info("refused a request from %s: %s", self.peername, message.detail)
            return await self._refuse_unread(WireReply(self, "GET", (1, 1), expects=False), message)
        version = (message.version.major, message.version.minor)
        expects = message.headers.get("Expect", "").lower() == "100-continue"
        reply = WireReply(self, message.method, version, expects=expects and version >= (1, 1))
        self._reply = reply
        reply.keep_alive = not (message.should_close or message.upgrade or self._server.draining)
        try:
            request, length = parse_request(message, self._server.scheme, self.peername)
        except ClientError as error:
            return await self._refuse_unread(reply, error)
        body = WireBody(payload, length, reply, self.open_tunnel, self._server.budget)
        try:
            await self._server.handler(request, body, reply)
        except ClientError as error:
            return await self._refuse(reply, error)
        except (ClientGone, ConnectionError):
            return False
        except Exception:
            log.exception("a defect while serving a request")
            return await self._refuse(reply, ClientError(500, "the proxy has a defect"))
        finally:
            body.lease.end()
        if whole is not None and reply.ended and reply.keep_alive and self._lane is not None:
            self._lane.offer(whole, request, reply.head)
        return reply.ended and reply.keep_alive and await self._discard_rest(payload, reply)

    async def _finish(self, unsent: Unsent) -> bool:
        """Wait until the client has made room for what the lane has answered."""
        aborted = True
        try:
            await WireReply(self, "GET", (1, 1), expects=False).drained()
            aborted = False
        except ClientGone:
            return False
        finally:
            if self._server.lane is not None:
                self._server.lane.telling.over(unsent, aborted=aborted)
        return not self._server.draining

    async def _discard_rest(self, payload: Payload, reply: WireReply) -> bool:
        """Read on past a body that nobody wanted, for a little while (RFC 9112 §9.6)."""
        if not payload.ended and reply.uninvited:
            return False
        with contextlib.suppress(TimeoutError, ClientError, ClientGone):
            async with asyncio.timeout(LINGER_S):
                async for _ in payload.pieces():
                    pass
        return payload.is_over

    async def _refuse_unread(self, reply: WireReply, error: ClientError) -> bool:
        self._server.refused(error.status)
        return await self._refuse(reply, error)

    async def _refuse(self, reply: WireReply, error: ClientError) -> bool:
        if reply.started:
            reply.abort()
            return False
        reply.keep_alive = False
        reason = Refusal.INTERNAL if error.status == 500 else Refusal.BAD_REQUEST
        body = problem(error.status, error.detail, reason.sentence, reason=reason)
        fields = Fields(
            (("Content-Type", CONTENT_TYPE), ("Cache-Status", render(None, detail=reason)))
        )
        with contextlib.suppress(ClientGone):
            await reply.start(error.status, "", fields, len(body))
            await reply.write(body)
            await reply.end()
        return False
