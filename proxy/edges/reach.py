"""One request for which only the shared store is asked: its look-up, and the answer made of it.

It knows what was served to a request like it before; not how that was learnt (far_lane.py).
Invariants: what is found is judged as the driver would, unless it is what was judged before and
is fresh; anything but a plain fresh hit is the driver's; it is told of once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy.caching.status import EMPTY
from proxy.decisions.lookup import Serve
from proxy.decisions.repeating import LARGEST
from proxy.delivering import composed
from proxy.edges.hot import NO_FORM, Template, form_of
from proxy.edges.telling import Groups, record_of, retell
from proxy.edges.wire import counted_head
from proxy.messages import StoredResponse
from proxy.observing import tell
from proxy.outcomes import NotServed, Outcome
from proxy.rules.jwt import spell
from proxy.sight import plan_for, sighted
from proxy.store.seeking import Fetched

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence

    from proxy.flow.budget import Budget
    from proxy.messages import CacheKey
    from proxy.observing import Observer
    from proxy.outcomes import ExchangeRecord
    from proxy.store.base import Found
    from proxy.turn import Turn

_HEADS: Final = 4
"""How often a head is there: as it is stored, with holes, and what observers make of it."""
_UNKNOWN: Final = frozenset({NotServed.STORE_DOWN, NotServed.UNPROVEN})
"""What says nothing of whether there is an answer."""


class FoundAlike:
    """Whose answer such requests want, from `begins` until `ends` (epoch seconds).

    `template` is how what came twice is served. `record` is of one whose client left before there
    was an answer. `forget`: there is none any more; `takes_more`: so many bytes for its head.
    """

    __slots__ = (
        *("_head", "_takes_more", "begins", "ends", "forget", "key", "match", "received", "record"),
        *("template", "visit"),
    )

    def __init__(
        self,
        turn: Turn,
        key: CacheKey,
        *,
        forget: Callable[[], None],
        takes_more: Callable[[int], None],
    ) -> None:
        self.key = key
        self.forget = forget
        self._takes_more = takes_more
        self.match, self.visit, self.received = turn.match, turn.visit, turn.body.received
        fields = turn.visit.request.fields
        self.begins, self.ends = spell(fields.get("authorization"), turn.visit.began_at)
        self._head = b""
        self.template: Template | None = None
        nothing = replace(
            turn.visit,
            outcome=Outcome.ERROR,
            tier=None,
            place=b"",
            status=0,
            age_s=None,
            ttl_s=None,
            cost=None,
            saved=None,
        )
        self.record = nothing.record(nothing.began, received=self.received, sent=0)

    def plan(self, found: Found | NotServed, now: float) -> StoredResponse | None:
        """What is found if that is a plain fresh hit, judged as the driver would."""
        match = self.match
        sight = sighted(match.route, self.key, found, match.since)
        plan = plan_for(match, sight, now)
        if not isinstance(plan, Serve) or plan.outcome is not Outcome.HIT or plan.refresh:
            return None
        if len(plan.stored.body) > LARGEST or plan.stored.status in EMPTY:
            return None
        return plan.stored

    def is_as_before(self, found: Found) -> bool:
        """Whether it is, but for how alive it is, what was served last, by its stored bytes."""
        if not isinstance(found, Fetched) or found.soft or not self._head:
            return False
        return found.record.head == self._head

    def served(self, found: Found) -> None:
        """Note what was served."""
        self._head = found.record.head if isinstance(found, Fetched) else b""
        self.template = None
        self._takes_more(_HEADS * len(self._head))


class _Turn:
    """Requests of one turn of the loop, and which of them have been answered since."""

    __slots__ = ("answered", "at", "began")

    def __init__(self, at: float, began: float) -> None:
        self.at, self.began = at, began
        self.answered: list[Template] = []


class Turns:
    """Tells `observers` of what was asked in one turn of `loop`, and answered in one, together.

    `budget` counts the bodies that are here for the sake of one request, as `room` does.
    """

    def __init__(
        self,
        observers: Sequence[Observer],
        budget: Budget,
        *,
        loop: AbstractEventLoop,
        clock: Callable[[], float],
        timer: Callable[[], float],
    ) -> None:
        self.count = 0
        """Requests that were answered, since the start."""
        self.budget = budget
        self.clock = clock
        self.timer = timer
        self.groups = Groups()
        self._observers = observers
        self._loop = loop
        self._turn: _Turn | None = None

    def turn(self, now: float) -> _Turn:
        """The present one; all of it began when its first request did."""
        turn = self._turn
        if turn is None:
            turn = self._turn = _Turn(now, self.timer())
            self._loop.call_soon(self._end)
        return turn

    def _end(self) -> None:
        self._turn = None

    def answered(self, turn: _Turn, template: Template) -> None:
        """One request of that turn was answered so."""
        self.count += 1
        if not turn.answered:
            self._loop.call_soon(self._tell, turn)
        turn.answered.append(template)

    def _tell(self, turn: _Turn) -> None:
        answered, turn.answered = turn.answered, []
        for template in answered:
            template.count += 1
        duration_s = self.timer() - turn.began
        retell(self._observers, turn.at, duration_s, list(dict.fromkeys(answered)))

    def broken_off(self, record: ExchangeRecord, turn: _Turn) -> None:
        """Tell of one whose client left."""
        duration_s = self.timer() - turn.began
        tell(self._observers, replace(record, at=turn.at, duration_s=duration_s, aborted=True))


class Reach:
    """A look-up under way. Implements `Pending`."""

    __slots__ = (
        *("_found", "_heard", "_held_bytes", "_known", "_template", "_turn", "_turns"),
        *("is_told", "request"),
    )

    sent: Final = None

    def __init__(self, turns: Turns, known: FoundAlike, request: bytes, now: float) -> None:
        self._turns = turns
        self._turn = turns.turn(now)
        self._known = known
        self._found: Found | NotServed = NotServed.ABSENT
        self._heard: Callable[[], None] | None = None
        self._template: Template | None = None
        self._held_bytes = 0
        self.is_told = False
        self.request = request

    def told(self, found: Found | NotServed) -> None:
        """The store has answered."""
        self._found, self.is_told = found, True
        if self._heard is not None:
            self._heard()

    def listen(self, heard: Callable[[], None]) -> None:
        """Call this when the store has answered."""
        self._heard = heard

    def answer(self) -> bytes | None:
        """The answer as its client gets it; None: what was found is no plain fresh hit."""
        known, found, now = self._known, self._found, self._turns.clock()
        if isinstance(found, NotServed):
            if found not in _UNKNOWN:
                known.forget()
            return None
        template = known.template
        if template is not None and known.is_as_before(found):
            head = template.head_at(now)
            if head is not None and isinstance(found.entry, StoredResponse):
                return self._held(template, head, found.entry.body)
        return self._judged(found, now)

    def _judged(self, found: Found, now: float) -> bytes | None:
        known = self._known
        stored = known.plan(found, now)
        if stored is None:
            known.forget()
            return None
        visit = known.visit
        visit.outcome, visit.tier, visit.place = Outcome.HIT, found.tier, known.key.digest
        status, reason, fields, body = composed(visit, stored, now)
        head = counted_head(status, reason, fields, len(body))
        record = visit.record(visit.began, received=known.received, sent=len(body))
        template = Template(known.key.digest, stored, NO_FORM, visit, record)
        template.alike = self._turns.groups.of(record)
        if known.is_as_before(found) and known.match.route.serve_if is None:
            form = form_of(visit, stored, (), now)
            if form is not None:
                template.form, known.template = form, template
        else:
            known.served(found)
        return self._held(template, head, body)

    def _held(self, template: Template, head: bytes, body: bytes) -> bytes:
        self._template, self._held_bytes = template, len(body)
        self._turns.budget.hold(len(body))
        return head + body

    def waits_on(self) -> bool:
        """What was found was all there."""
        return False

    def over(self, *, aborted: bool) -> None:
        """Its answer was sent, or its client left."""
        template = self._template
        self._turns.budget.give(self._held_bytes)
        if not aborted and template is not None:
            self._turns.answered(self._turn, template)
            return
        record = self._known.record
        if template is not None:
            record = record_of(template, self._turn.at, 0.0)
        self._turns.broken_off(record, self._turn)

    def hand_over(self) -> None:
        """The driver looks for itself."""
        self._heard = None

    def give_up(self) -> None:
        """Its client left."""
        self.hand_over()
        self.over(aborted=True)
