"""What a connection's request loop is given to do: heads, and requests that have been begun.

It carries values from the connection to its loop and knows no bytes. Invariant: of what was
begun one of `finish` and `drop` is called, unless nothing was left of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiohttp.http_parser import RawRequestMessage

from proxy.edges.telling import Unsent
from proxy.edges.wire_body import Payload
from proxy.errors import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.begun import Begun
    from proxy.client import Sent
    from proxy.edges.wire import WireReply
    from proxy.edges.wire_body import WireBody
    from proxy.messages import Request


class Pending(Protocol):
    """What a lane waits for in a client's place; `request` is all that came.

    One of `over`, `give_up` and `hand_over` is called, once.
    """

    request: bytes

    @property
    def sent(self) -> Sent | None:
        """The call that the driver goes on with, if one was begun."""

    def listen(self, heard: Callable[[], None]) -> None:
        """Call this once when `answer` can tell."""

    def answer(self) -> bytes | None:
        """The answer as its client gets it; None: it is the driver's to give, or not whole."""

    def waits_on(self) -> bool:
        """Whether more of it will come and is listened for: then `answer` can tell more."""

    def over(self, *, aborted: bool) -> None:
        """The answer was sent, or never will be: its client left."""

    def hand_over(self) -> None:
        """The driver goes on with it."""

    def give_up(self) -> None:
        """Its client left before there was an answer."""


class UnderWay:
    """A request that is being answered: `begun` is what is left to do, `error` what went wrong.

    `whole` are the bytes that came, if they were this request and nothing else.
    """

    __slots__ = ("begun", "body", "error", "payload", "reply", "request", "whole")

    def __init__(self, reply: WireReply, payload: Payload, whole: bytes | None) -> None:
        self.reply = reply
        self.payload = payload
        self.whole = whole
        self.request: Request | None = None
        self.body: WireBody | None = None
        self.begun: Begun | None = None
        self.error: Exception | None = None

    @property
    def is_answered(self) -> bool:
        """Whether that was all, and the connection is as it was before."""
        left = self.begun is not None or self.error is not None
        return not left and self.reply.ended and self.reply.keep_alive and self.payload.is_over

    async def finish(self) -> None:
        """Do what is left. Raises what went wrong."""
        try:
            if self.error is not None:
                raise self.error
            if self.begun is not None:
                await self.begun.finish()
        finally:
            self.end()

    def end(self) -> None:
        """Let go of what was read of its body, and of what was sent for nothing."""
        if self.body is not None:
            self.body.lease.end()
            if self.body.sent is not None:
                self.body.sent.call.abort()  # nothing is left of it if it was taken up
                self.body.sent.taken()

    def drop(self) -> None:
        """Its client left before anybody came to finish it."""
        self.end()
        if self.begun is not None:
            self.begun.drop()


Received = RawRequestMessage | ClientError | UnderWay | Unsent
"""A request's head, or in place of one that is none the refusal.

Of one that has been begun, or that the lane has answered, what is left to do.
"""
