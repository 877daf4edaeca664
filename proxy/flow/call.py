"""Calls: what is asked of one upstream, and how far it has come.

Values that upstream.py works on. Knows no rule; decides nothing. Invariant: a call has a channel
from when its request was sent until its answer is taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from proxy.fields import Fields
from proxy.flow.answer_head import Head
from proxy.flow.balance import Target
from proxy.flow.connection import Lease
from proxy.flow.framing import Counted
from proxy.flow.limits import Limit, Limits
from proxy.flow.request_head import Body, Outgoing, outgoing
from proxy.flow.roundtrip import Channel


class Call:
    """One fetch: what is asked, the limits that run over all its tries, and the present try."""

    __slots__ = (
        *("began", "body", "channel", "fields", "limits", "method", "path", "repeats"),
        *("request", "tried"),
    )

    def __init__(
        self,
        method: str,
        path: str,
        fields: Fields,
        body: Body,
        limits: Limits,
        began: float,
        *,
        repeats: bool,
    ) -> None:
        self.method = method
        self.path = path
        self.fields = fields
        self.body = body
        self.limits = limits
        self.began = began
        """Epoch seconds."""
        self.repeats = repeats
        self.tried: list[Target] = []
        self.request: Outgoing
        """As it goes to the last of these."""
        self.channel: Channel | None = None
        """Where the present try is under way, once it is sent."""

    async def came(self) -> None:
        """Return once there is something for `answer` to see. May be cancelled."""
        if self.channel is not None:
            await self.channel.came()

    def listen(self, heard: Callable[[], None] | None, limit: Limit = "first_byte") -> None:
        """Be told of that by a call instead, under this limit; None: no more."""
        if self.channel is not None:
            self.channel.listen(heard, limit)

    @property
    def whole_head(self) -> Head | None:
        """The head of the answer, if all of that is here."""
        return None if self.channel is None else self.channel.whole_head

    @property
    def coming(self) -> Counted | None:
        """The body of the answer, if the rest of it will come, as its head said."""
        return None if self.channel is None else self.channel.coming

    def abort(self) -> None:
        """Nobody will ask for the answer."""
        if self.channel is not None:
            self.channel.abort()

    def toward(self, target: Target) -> Outgoing:
        """The request as it goes to this URL."""
        endpoint = target.endpoint
        # `*` (OPTIONS) asks about the whole server: no base path (RFC 9112 §3.2.4).
        path = self.path if self.path == "*" else endpoint.base + self.path
        return outgoing(self.method, path, endpoint.authority, self.fields, self.body)


class Asked(NamedTuple):
    """A GET that was sent as it stands; `began` is loop time."""

    lease: Lease
    target: Target
    began: float

    def done(self, keep_s: float) -> None:
        """Its answer was taken whole; `keep_s` as in Wire.rest."""
        wire = self.lease.wire
        wire.heard = None
        wire.watch.end()
        self.target.breaker.succeeded()
        self.lease.release(keep_s)
