"""One request for which only the shared store is asked: its look-up, and the answer made of it.

It knows what was served to a request like it before; not how that was learnt (far_lane.py).
Invariants: what is sent is, by its stored bytes, what the driver served before, while that is
fresh; anything else is the driver's; it is told of once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from proxy.edges.telling import Groups, record_of, retell
from proxy.messages import StoredResponse
from proxy.observing import tell
from proxy.outcomes import NotServed, Outcome
from proxy.store.seeking import Fetched

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence

    from proxy.edges.hot import Template
    from proxy.edges.recurring import Place
    from proxy.flow.budget import Budget
    from proxy.observing import Observer
    from proxy.outcomes import ExchangeRecord
    from proxy.store.base import Found

_UNKNOWN: Final = frozenset({NotServed.STORE_DOWN, NotServed.UNPROVEN})
"""What says nothing of whether there is an answer."""


class FoundAlike:
    """What such requests were served: `head` is how its stored bytes begin (Record.head).

    `place` is where the lane keeps it.
    """

    __slots__ = ("head", "place", "template")

    def __init__(self, place: Place, head: bytes, template: Template) -> None:
        self.place = place
        self.head = head
        self.template = template


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
    """A look-up under way. Implements `Pending`. `forget`: there is no such answer any more."""

    __slots__ = (
        *("_forget", "_found", "_heard", "_held_bytes", "_known", "_turn", "_turns"),
        *("is_told", "request"),
    )

    sent: Final = None

    def __init__(
        self,
        turns: Turns,
        known: FoundAlike,
        request: bytes,
        now: float,
        forget: Callable[[Place], None],
    ) -> None:
        self._turns = turns
        self._turn = turns.turn(now)
        self._known = known
        self._forget = forget
        self._found: Found | NotServed = NotServed.ABSENT
        self._heard: Callable[[], None] | None = None
        self._held_bytes = -1
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
        """The answer as its client gets it; None: what was found is not what was served before."""
        known, found = self._known, self._found
        if isinstance(found, Fetched) and not found.soft and found.record.head == known.head:
            head, entry = known.template.head_at(self._turns.clock()), found.entry
            if head is not None and isinstance(entry, StoredResponse):
                self._held_bytes = len(entry.body)
                self._turns.budget.hold(self._held_bytes)
                return head + entry.body
        if not isinstance(found, NotServed) or found not in _UNKNOWN:
            self._forget(known.place)
        return None

    def waits_on(self) -> bool:
        """What was found was all there."""
        return False

    def over(self, *, aborted: bool) -> None:
        """Its answer was sent, or its client left."""
        template, is_answered = self._known.template, self._held_bytes >= 0
        self._turns.budget.give(max(self._held_bytes, 0))
        if not aborted:
            self._turns.answered(self._turn, template)
        elif is_answered:
            self._turns.broken_off(record_of(template, self._turn.at, 0.0), self._turn)
        else:
            self._turns.broken_off(_unanswered(template.record), self._turn)

    def hand_over(self) -> None:
        """The driver looks for itself."""
        self._heard = None

    def give_up(self) -> None:
        """Its client left."""
        self.hand_over()
        self.over(aborted=True)


def _unanswered(record: ExchangeRecord) -> ExchangeRecord:
    """The same before anything was known of its answer."""
    return replace(
        record,
        outcome=Outcome.ERROR,
        tier=None,
        place=b"",
        status=0,
        age_s=None,
        ttl_s=None,
        response_bytes=0,
        cost=0,
        saved=0,
    )
