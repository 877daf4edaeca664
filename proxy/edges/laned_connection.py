"""A client's connection with its lanes: what is answered, or passed on, without the driver.

While the connection is at rest, bytes that are one whole request may be the hot lane's, the far
lane's or the relay lane's (hot_lane.py, far_lane.py, relay_lane.py). It knows what comes when, not
why a lane knows a request. Invariants: answers leave in the order of their requests; while one is
waited for, anything but a plain answer (more from the client, the end of its side, an answer in
pieces or none) gives it to the driver, with what has been begun.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from aiohttp.http_parser import RawRequestMessage

from proxy.edges.connection import ClientConnection
from proxy.edges.telling import Unsent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiohttp import web

    from proxy.client import Sent
    from proxy.edges.hot import Hot
    from proxy.edges.hot_lane import HotLane
    from proxy.edges.telling import Telling
    from proxy.edges.underway import Pending, UnderWay
    from proxy.edges.wire_body import Payload
    from proxy.messages import Request

    Taker = Callable[[str, bytes], Pending | None]

log = logging.getLogger("larder.server")


class Learner(Protocol):
    """A lane that waits for answers, and learns which from those that the driver gave."""

    def take(self, peer: str, request: bytes, /) -> Pending | None:
        """What is waited for; None if such requests are not known. `peer`: the client's address."""

    def offer(self, peer: str, data: bytes, request: Request, sent: bytes, /) -> None:
        """`data` was all of `request`, which has been answered; `sent` was the head."""


def pending_on(connections: Iterable[object]) -> int:
    """How many of these wait for an answer in the driver's place."""
    return sum(isinstance(each, LanedConnection) and each.is_pending for each in connections)


class LanedConnection(ClientConnection):
    """`lane` is asked first, then the `takers` in turn, then the driver."""

    __slots__ = ("_lane", "_peer", "_pending", "_takers")

    def __init__(self, server: web.Server, lane: HotLane | None, takers: Sequence[Taker]) -> None:
        super().__init__(server)
        self._lane = lane if lane is not None and lane.max_bytes else None
        self._takers = takers
        self._pending: Pending | None = None
        self._peer = ""

    def data_received(self, data: bytes) -> None:
        """Answer or pass on a request that is known; the rest is the driver's."""
        if not self._at_rest:
            if self._pending is not None:
                self._hand_over(self._pending, data)
            else:
                super().data_received(data)
            return
        if not self._paused:
            lane = self._lane
            if lane is not None and (hot := lane.take(data)) is not None:
                self._answer(hot, lane.telling)
                return
            for take in self._takers:
                if (pending := take(self._peer, data)) is not None:
                    self._wait_for(pending)
                    return
        self._take_first(data)

    def _answer(self, hot: Hot, telling: Telling) -> None:
        if (transport := self.transport) is None:
            raise AssertionError(hot)  # it is there while the connection is at rest
        self._request_count += 1
        self._hot_at = telling.moment
        if hot.body:
            transport.writelines((hot.head, hot.body))
        else:
            transport.write(hot.head)
        if self._paused:
            self._hold_up(telling.held_up(hot))

    def _hold_up(self, unsent: Unsent) -> None:
        """The client makes no room: nothing is answered behind this until it does."""
        self._at_rest = False
        self._put(unsent)
        self._wake()

    # -- what is waited for

    @property
    def is_pending(self) -> bool:
        """Whether its client waits for an answer in the driver's place."""
        return self._pending is not None

    def _wait_for(self, pending: Pending) -> None:
        self._at_rest, self._pending = False, pending
        self._request_count += 1
        pending.listen(self._heard)

    def _heard(self) -> None:
        """What is pending can be answered, or is the driver's."""
        pending, transport = self._pending, self.transport
        if pending is None or transport is None or transport.is_closing():
            self._give_up()  # the client has left, and nobody has said so yet
            return
        try:
            answer = pending.answer()
            if answer is None:
                if not pending.waits_on():
                    self._hand_over(pending)
                return
        except Exception:
            log.exception("a defect in a lane")
            self.force_close()
            return
        self._pending = None
        self._hot_at = self._loop.time()
        transport.write(answer)
        if self._paused:
            self._hold_up(Unsent(pending.over))
        else:
            pending.over(aborted=False)
            self._rest()

    def _hand_over(self, pending: Pending, more: bytes = b"") -> None:
        """Let the driver go on with it; `more` has come from the client behind it."""
        self._pending = None
        pending.hand_over()
        self._request_count -= 1  # it is parsed now, and counted again
        self._tail = pending.request + more
        self._parse()
        message, payload = self._queue.popleft()
        if not isinstance(message, RawRequestMessage):
            raise AssertionError(message)  # one like it was parsed
        under_way = self._begin(message, payload, pending.request, pending.sent)
        self._queue.appendleft((under_way, payload))
        self._wake()

    def _begin(
        self,
        message: RawRequestMessage,
        payload: Payload,
        whole: bytes | None = None,
        sent: Sent | None = None,
    ) -> UnderWay:
        """Serve a request as far as nothing has to be waited for; `sent`: it went up already."""
        raise NotImplementedError

    # -- the end

    def close_if_idle(self) -> None:
        """As it is without lanes; to wait for an answer is not to be idle."""
        if self._pending is not None:
            self._hand_over(self._pending)
        super().close_if_idle()

    def eof_received(self) -> bool:  # type: ignore[override]  # as in ClientConnection
        """As it is without lanes: what is pending is still wanted."""
        if self._pending is not None:
            self._hand_over(self._pending)
        return super().eof_received()

    def force_close(self) -> None:
        """Close without another answer, also to what is pending."""
        self._give_up()
        super().force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nobody waits for what is pending."""
        self._give_up()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.give_up()

    def _process_keepalive(self) -> None:
        now = self._loop.time()
        used = (self._hot_at if self._pending is None else now) + self._keepalive_timeout
        self._next_keepalive_close_time = max(self._next_keepalive_close_time, used)
        super()._process_keepalive()

    def _rest(self) -> None:
        """Nothing is under way: what comes next may be answered at once."""
        closing = self._force_close or self._close or self._is_draining
        self._at_rest = self._pending is None and self._is_between and not closing
