"""What the driver needs of a client's connection: its request body, and a way to answer.

Floor 6, beside the driver; the server implements it. It names no HTTP library. What can be done
at once is done by a plain call, which returns the `Rest`: what has to be waited for, if anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from proxy.fields import NO_FIELDS, Fields

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.flow.budget import Lease
    from proxy.flow.call import Call


Rest = Callable[[], Awaitable[None]]
"""What is left to do of something that was begun; nothing of it is, until it is called."""


async def finish(rest: Rest | None) -> None:
    """Do what is left, if anything is."""
    if rest is not None:
        await rest()


class Sent(Protocol):
    """A request that has gone up already, `at` (epoch seconds), at `began` on the timer."""

    at: float
    began: float

    @property
    def call(self) -> Call:
        """What was begun; for one reader."""

    def taken(self) -> None:
        """Its head is waited for by the caller, or by nobody any more."""


class BodySource(Protocol):
    """A request body: `length` bytes, or None when chunked; `lease` counts what is kept of it.

    `sent`: its request has gone up, past the cache.
    """

    length: int | None
    lease: Lease
    sent: Sent | None

    @property
    def received(self) -> int:
        """Bytes received so far."""

    def at_hand(self, limit: int) -> bytes | None:
        """All of it, if all has come and is no larger than `limit`; else None, and nothing is read.

        Nothing read is lost.
        """

    async def read(self, limit: int) -> bytes | None:
        """All of it; None when it is larger than `limit` bytes or than there is room for.

        Nothing read is lost.
        """

    def chunks(self) -> AsyncIterator[bytes]:
        """All of it from the first byte, streamed."""

    @property
    def trailers(self) -> Fields:
        """The trailer fields behind it, once all of it was received."""

    def tunnel(self) -> AsyncIterator[bytes]:
        """What the client sends behind its request, as bytes: after a 101, and only then."""


class Reply(Protocol):
    """One HTTP answer to one client. Every method may raise ClientGone."""

    @property
    def sent(self) -> int:
        """Bytes of body sent so far."""

    async def interim(self, status: int, fields: Fields) -> None:
        """Send an interim response."""

    def respond(self, status: int, reason: str, fields: Fields, body: bytes) -> Rest | None:
        """Begin, send `body` and finish; what of that has to wait for the client is left."""

    async def start(self, status: int, reason: str, fields: Fields, length: int | None) -> None:
        """Begin the final response; `length` None: not known beforehand."""

    async def flush(self) -> None:
        """Send what was begun now, though no byte of the body is here yet."""

    async def write(self, chunk: bytes | memoryview) -> None:
        """Send a piece of the body."""

    async def end(self, trailers: Fields = NO_FIELDS) -> None:
        """Finish."""

    def abort(self) -> None:
        """Break off so that the client sees it is not complete."""
