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
from proxy.client import finish
from proxy.edges.connection import unserved
from proxy.edges.laned_connection import LanedConnection, pending_on
from proxy.edges.recurring import LONGEST
from proxy.edges.requests import address_of, parse_request
from proxy.edges.telling import Unsent
from proxy.edges.underway import Received, UnderWay
from proxy.edges.wire import WireReply
from proxy.edges.wire_body import WireBody
from proxy.errors import ClientError, ClientGone
from proxy.fields import Fields
from proxy.flow.budget import Budget
from proxy.outcomes import Refusal
from proxy.problem import CONTENT_TYPE, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp.http_parser import RawRequestMessage

    from proxy.begun import Begun
    from proxy.client import Sent
    from proxy.edges.hot_lane import HotLane
    from proxy.edges.laned_connection import Learner
    from proxy.edges.wire_body import Payload
    from proxy.messages import Request

    Handler = Callable[[Request, WireBody, WireReply], Begun | None]

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
        lane: HotLane | None = None,
        others: Sequence[Learner] = (),
    ) -> None:
        """`handler` begins requests that `lane` and the `others` do not know.

        `refused` is told the status of what is malformed; `budget` is for bodies read whole.
        """
        super().__init__(unserved, handler_cancellation=True)  # the flights it began go on
        self.handler = handler
        self.scheme = scheme
        self.refused = refused
        self.budget = budget or Budget()
        self.lane = lane
        self.others = others
        self.takers = tuple(other.take for other in others)
        self.draining, self.serving = False, 0

    @property
    def in_flight(self) -> int:
        """Requests whose clients wait for something."""
        return self.serving + pending_on(self._connections)

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


class ProxyConnection(LanedConnection):
    """One client connection. Replaces the request loop of aiohttp."""

    __slots__ = ("_server",)

    def __init__(self, server: ProxyServer) -> None:
        super().__init__(server, server.lane, server.takers)
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; one that sends nothing is closed like an idle one."""
        super().connection_made(transport)
        self._peer = address_of(self.peername)
        self._await_next()
        self._rest()  # what comes may come before the request loop has begun

    async def start(self) -> None:
        """Serve the requests of this connection, one after the other."""
        try:
            await self._serve_all()
        finally:
            for left, _ in self._queue:  # what was begun, and nobody will finish, is told of
                if isinstance(left, UnderWay):
                    left.drop()
                elif isinstance(left, Unsent):
                    left.over(aborted=True)

    async def _serve_all(self) -> None:
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
            self._request_in_progress = True
            self._server.serving += 1
            try:
                keep = await self._serve(message, payload)
            finally:
                self._request_in_progress = False
                self._server.serving -= 1
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

    async def _serve(self, message: Received, payload: Payload) -> bool:
        """Answer one request; whether the connection can serve another."""
        match message:
            case UnderWay():
                return await self._finish(message)
            case Unsent():
                return await self._sent(message)
            case ClientError():
                log.info("refused a request from %s: %s", self.peername, message.detail)
                self._server.refused(message.status)
                return await self._refuse(WireReply(self, "GET", (1, 1), expects=False), message)
            case _:
                return await self._finish(self._begin(message, payload))

    def _begin(
        self,
        message: RawRequestMessage,
        payload: Payload,
        whole: bytes | None = None,
        sent: Sent | None = None,
    ) -> UnderWay:
        server = self._server
        expects = message.version >= (1, 1) and "Expect" in message.headers
        self._reply = reply = WireReply(self, message.method, message.version, expects=expects)
        reply.keep_alive = not (message.should_close or message.upgrade or server.draining)
        under_way = UnderWay(reply, payload, whole)
        try:
            request, length = parse_request(message, server.scheme, self._peer)
        except ClientError as error:
            server.refused(error.status)
            under_way.error = error
            return under_way
        body = WireBody(payload, length, reply, self.open_tunnel, server.budget)
        under_way.request, under_way.body, body.sent = request, body, sent
        try:
            under_way.begun = server.handler(request, body, reply)
        except Exception as error:  # noqa: BLE001 - `_finish` sees to it as if it came later
            under_way.error = error
        return under_way

    def _begin_alone(
        self, message: RawRequestMessage, payload: Payload, data: bytes
    ) -> UnderWay | None:
        under_way = self._begin(message, payload, data if len(data) <= LONGEST else None)
        if not under_way.is_answered:
            return under_way
        under_way.end()
        self._offer(under_way)
        self._hot_at = self._loop.time()
        return None

    async def _finish(self, under_way: UnderWay) -> bool:
        """Do what is left of a request; whether the connection can serve another."""
        reply = under_way.reply
        try:
            await under_way.finish()
        except ClientError as error:
            return await self._refuse(reply, error)
        except (ClientGone, ConnectionError):
            return False
        except Exception:
            log.exception("a defect while serving a request")
            return await self._refuse(reply, ClientError(500, "the proxy has a defect"))
        if not (reply.ended and reply.keep_alive):
            return False
        self._offer(under_way)
        return under_way.payload.is_over or await self._discard_rest(under_way.payload, reply)

    def _offer(self, under_way: UnderWay) -> None:
        whole, request = under_way.whole, under_way.request
        if whole is None or request is None:
            return
        if self._lane is not None:
            self._lane.offer(whole, request, under_way.reply.head)
        for other in self._server.others:
            other.offer(self._peer, whole, request, under_way.reply.head)

    async def _sent(self, unsent: Unsent) -> bool:
        """Wait until the client has made room for what a lane has answered."""
        aborted = True
        try:
            await WireReply(self, "GET", (1, 1), expects=False).drained()
            aborted = False
        except ClientGone:
            return False
        finally:
            unsent.over(aborted=aborted)
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

    async def _refuse(self, reply: WireReply, error: ClientError) -> bool:
        if reply.started:
            reply.abort()
            return False
        reply.keep_alive = False
        reason = Refusal.INTERNAL if error.status == 500 else Refusal.BAD_REQUEST
        body = problem(error.status, error.detail, reason.sentence, reason=reason)
        told = ("Cache-Status", render(None, detail=reason))
        fields = Fields((("Content-Type", CONTENT_TYPE), told))
        with contextlib.suppress(ClientGone):
            await finish(reply.respond(error.status, "", fields, body))
        return False
