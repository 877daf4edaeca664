"""Requests that the proxy makes itself: to warm, to prefetch.

Floor 6. They go the way of any client's request, through `Exchange.handle`, so that rules,
look-up, collapsing and storing are the same; only nobody reads the answer. Invariants: their
records say `background`; they begin no further ones; they count as no client's fetch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from proxy.fields import NO_FIELDS, Fields
from proxy.flow.budget import Budget, Lease
from proxy.messages import Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.client import Sent
    from proxy.exchange import Exchange

NO_CHUNKS: Final[tuple[bytes, ...]] = ()


@dataclass(slots=True)
class NoBody:
    """The body of a request that has none. Implements `client.BodySource`."""

    length: int | None = 0
    lease: Lease = field(default_factory=lambda: Lease(Budget()))
    received: int = 0
    trailers: Fields = NO_FIELDS
    sent: Sent | None = None

    def at_hand(self, _limit: int) -> bytes:
        """Nothing."""
        return b""

    async def read(self, _limit: int) -> bytes:
        """Nothing."""
        return b""

    def chunks(self) -> AsyncIterator[bytes]:
        """Nothing."""
        return _nothing()

    def tunnel(self) -> AsyncIterator[bytes]:
        """Nothing."""
        return _nothing()


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in NO_CHUNKS:
        yield chunk


@dataclass(slots=True)
class Discarded:
    """An answer that nobody reads: what is known of it once it is over.

    `sent` is bytes of body; `whole` is False if it broke off. Implements `client.Reply`.
    """

    status: int = 0
    fields: Fields = NO_FIELDS
    sent: int = 0
    whole: bool = False

    async def interim(self, status: int, fields: Fields) -> None:
        """Hear it and forget it."""

    def respond(self, status: int, _reason: str, fields: Fields, body: bytes) -> None:
        """Note the head, and that it is whole."""
        self.status, self.fields, self.whole = status, fields, True
        self.sent += len(body)

    async def start(self, status: int, _reason: str, fields: Fields, _length: int | None) -> None:
        """Note the head."""
        self.status, self.fields = status, fields

    async def flush(self) -> None:
        """There is nobody to flush to."""

    async def write(self, chunk: bytes | memoryview) -> None:
        """Let it go."""
        self.sent += len(chunk)

    async def end(self, _trailers: Fields = NO_FIELDS) -> None:
        """Note that it is whole."""
        self.whole = True

    def abort(self) -> None:
        """Note that it is not."""
        self.whole = False


@dataclass(frozen=True, slots=True)
class Inner:
    """Makes requests in the proxy's own time."""

    exchange: Exchange

    async def get(
        self,
        url_target: str,
        fields: Fields = NO_FIELDS,
        *,
        authority: str = "",
        session: str | None = None,
    ) -> Discarded:
        """GET a target as clients write it, mount included; `authority` chooses by Host.

        Returns once the answer is over, and so in the cache if it is to be stored. What goes
        wrong upstream is the answer's status, as for a client. `session` is an id that this
        proxy issued. Raises ClientError.
        """
        request = Request(
            method="GET",
            target=url_target,
            authority=authority,
            fields=fields,
            session=session,
            own=True,
        )
        reply = Discarded()
        await self.exchange.handle(request, NoBody(), reply)
        return reply
