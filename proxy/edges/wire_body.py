"""The body of one HTTP/1.1 request on a server connection: read whole, streamed, or at hand.

It knows what the parser has put into its payload, the budget for what is kept of it, and the
reply through which a client is invited to send it. Invariants: nothing that was read is lost;
what is kept is counted; no wait for more is longer than `BODY_IDLE_S`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.errors import ClientError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.budget import Budget, Lease
from proxy.flow.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from proxy.client import Sent
    from proxy.edges.wire import WireReply

BODY_IDLE_S = 60.0
"""How long a client may take to send more of its request body before it is refused with 408."""


class Payload(Inbox):
    """A request body as it comes in, with the trailers behind it once it has ended."""

    trailers = NO_FIELDS


NO_PAYLOAD = Payload(lambda: None, lambda: None)
"""Of a request without a body."""
NO_PAYLOAD.end()


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
        self.sent: Sent | None = None
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

    def at_hand(self, limit: int) -> bytes | None:
        """The whole body if it has come, is no larger than `limit`, and the budget has room."""
        if self.length == 0:
            return b""
        payload = self._payload
        if self.length is None or self.length > limit or not payload.ended or self._kept:
            return None
        if payload.error is not None or not self.lease.take(self.length):
            return None
        whole = payload.take()
        self.received += len(whole)
        self._kept = [whole]
        return whole

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
