"""One request that is relayed past the driver: it has gone up, and its answer is awaited.

It knows how requests like it go and how answers come; not how that was learnt (relay_lane.py).
Invariants: what comes down are the lines that the driver would send; all that is unusual is the
driver's, with the call that was begun; the call goes on though its client leaves; it is told of
once.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy.caching.status import EMPTY
from proxy.delivering import passed_fields
from proxy.edges.recounting import Kind, Recounting
from proxy.edges.restating import Restating
from proxy.edges.ways import Way
from proxy.edges.wire import counted_head
from proxy.errors import UpstreamError
from proxy.flow import tasks
from proxy.rules.jwt import spell

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.client import Sent
    from proxy.flow.background import Behind
    from proxy.flow.call import Asked, Call
    from proxy.flow.upstream import UpstreamClient
    from proxy.outcomes import ExchangeRecord
    from proxy.visit import Visit

_MOST_KINDS: Final = 8
"""Statuses of which a request's exchanges are told by rows; an upstream may think of hundreds."""
_SHORT: Final = 64 << 10
_PATIENCE_S: Final = 0.01
"""Bytes of a body that is waited for, and how long: servers write head and body one by one."""


class RelayedAlike:
    """How requests like one are relayed, from `begins` until `ends` (epoch seconds).

    `record` is of one whose client left before there was an answer, `kinds` are those that have
    been told, by status; `restating` knows the heads of their answers.
    """

    __slots__ = (
        *("begins", "behind", "client", "ends", "kinds", "record", "restating"),
        *("visit", "way"),
    )

    def __init__(
        self,
        way: Way,
        visit: Visit,
        client: UpstreamClient,
        behind: Behind,
        restating: Restating | None,
    ) -> None:
        self.way = way
        self.visit = visit
        self.client = client
        self.behind = behind
        self.restating = restating
        self.kinds: dict[int, Kind] = {}
        self.begins, self.ends = spell(visit.request.fields.get("authorization"), visit.began_at)
        visit.status, visit.upstream_status, visit.upstream_s = 0, None, None
        self.record = visit.record(visit.began, received=0, sent=0)


class Relay:
    """One that is under way. `at` is epoch seconds, `began` on the timer.

    The call is the driver's if it cannot be finished here. Implements `Pending` and `Sent`.
    """

    __slots__ = (
        *("_answer", "_call", "_came", "_heard", "_is_late", "_is_told", "_known", "_patience"),
        *("_status", "_told", "_upstream_s", "_waits", "asked", "at", "began", "request", "size"),
    )

    asked: Asked

    def __init__(self, told: Recounting, known: RelayedAlike, request: bytes, at: float) -> None:
        self._told = told
        self._known = known
        self.request = request
        self.at, self.began = at, told.timer()
        self.size = self._status = 0
        self._upstream_s = 0.0
        self._came = b""
        self._answer: bytes | None = None
        self._call: Call | None = None
        self._waits, self._is_told, self._is_late = True, False, False
        self._patience: asyncio.TimerHandle | None = None

    @property
    def sent(self) -> Sent:
        """The driver goes on with it."""
        return self

    @property
    def call(self) -> Call:
        """What was begun, for whoever reads the answer."""
        if self._call is None:
            known = self._known
            self._call = known.client.resume(self.asked, known.way.on(self.request), self.at)
        return self._call

    def listen(self, heard: Callable[[], None]) -> None:
        """Call this once when something has come, or nothing will."""
        self._heard = heard
        self.asked.lease.wire.heard = self._tell

    def _tell(self) -> None:
        self._is_told = True
        self._heard()

    def came(self, data: bytes) -> bool:
        """The first that came: whether it is a whole answer, and like one before."""
        restating = self._known.restating
        restated = None if restating is None else restating.restated(data)
        if restated is None:
            self._came = data
            return False
        form, self._answer, self.size = restated
        self._status, self._upstream_s = form.status, self._told.timer() - self.began
        self.asked.done(form.keep_s)
        self._tell()
        return True

    def answer(self) -> bytes | None:
        """The answer as its client gets it; None: it is not whole, or not as they mostly are."""
        answer = self._answer or self._read()
        if answer is not None:
            self._stop_waiting()
            self.taken()
        return answer

    def waits_on(self) -> bool:
        """A short body that comes right behind its head is waited for, so that no task has to."""
        coming = self.call.coming
        if coming is None or coming.length > _SHORT or self._is_late:
            return False
        if self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(_PATIENCE_S, self._lose_patience)
        self.taken()
        self._is_told = False
        self.call.listen(self._tell, "idle")
        return True

    def _lose_patience(self) -> None:
        """The client gets what there is now, from the driver."""
        self._is_late = True
        self._tell()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()

    def _read(self) -> bytes | None:
        """The answer if all of one with a body of a length that was said is here."""
        head, known = self.call.whole_head, self._known
        if head is None or head.status in EMPTY or "transfer-encoding" in head.fields:
            return None
        if "content-length" not in head.fields:
            return None
        answer = known.client.whole_answer(self.call)
        if answer is None:
            return None
        response, body = answer.response, answer.whole or b""
        self._status, self.size = response.status, len(body)
        self._upstream_s = self._told.timer() - self.began
        fields = passed_fields(known.visit, response, self._told.clock())
        out = counted_head(response.status, response.reason, fields, len(body))
        if known.restating is not None and self._came:
            keep_s = self.asked.lease.wire.keep_s
            known.restating.learn(self._came, out, response.status, response.fields, keep_s)
        return out + body

    def over(self, *, aborted: bool) -> None:
        """Its answer was sent, or its client left."""
        duration = self._told.timer() - self.began
        if aborted:
            self._told.broken_off(self._record(), self.at, duration)
            return
        kind = self._known.kinds.get(self._status) or self._kind()
        self._told.add(kind, self.at, duration, self._upstream_s, self.size)

    def _record(self) -> ExchangeRecord:
        record, status = self._known.record, self._status
        if not status:
            return record
        return replace(
            record,
            status=status,
            upstream_status=status,
            upstream_s=self._upstream_s,
            response_bytes=self.size,
        )

    def _kind(self) -> Kind:
        kinds, kind = self._known.kinds, self._told.kind(self._record())
        if len(kinds) == _MOST_KINDS:
            kinds.clear()
        kinds[self._status] = kind
        return kind

    def hand_over(self) -> None:
        """The driver goes on with it, and will say when it waits for the head itself."""
        self._stop_waiting()
        self.call.listen(None)

    def taken(self) -> None:
        """Nobody waits for its head any more, or somebody else does."""
        if self._waits:
            self._waits = False
            self._known.behind.end()

    def give_up(self) -> None:
        """Its client left: nobody else waits for it, but what was begun goes on to its answer."""
        self._stop_waiting()
        self.over(aborted=True)
        if self._is_told:  # 1. an answer comes.  2. its client has left, it turns out.
            self._let_go()
        else:
            self.listen(self._let_go)

    def _let_go(self) -> None:
        """Something has come that nobody waits for; what is not whole is not read."""
        self.taken()
        if self._answer is None:
            tasks.spawn(self._see_out(), "relay without its client")

    async def _see_out(self) -> None:
        with contextlib.suppress(UpstreamError):
            await self._known.client.see_out(self.call)
