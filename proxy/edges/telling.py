"""Telling observers of hits that the lane answered: all of a turn of the loop at once.

It knows Hots and observers; not why a hit is one. Invariants: each hit is told once, in the turn
after it or, if its client made no room for the answer, when that has gone out or never will;
each takes an equal share of its turn, in which the answers are also sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proxy.observing import Again, Counts, Retells

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence

    from proxy.edges.hot import Hot
    from proxy.observing import Observer
    from proxy.outcomes import ExchangeRecord


@dataclass(frozen=True, slots=True)
class Unsent:
    """An answer that its client has made no room for yet. `at` is epoch seconds."""

    hot: Hot
    at: float
    began: float


class Telling:
    """`used` is told of each Hot once a turn; `timer` counts seconds from anywhere.

    Observers that join later are told of what is prepared after that.
    """

    def __init__(
        self,
        observers: Sequence[Observer],
        used: Callable[[Hot], None],
        *,
        loop: AbstractEventLoop,
        timer: Callable[[], float],
    ) -> None:
        self.told = 0
        """Hits, since the start."""
        self.unsent = 0
        """Answers that wait for their clients now."""
        self.moment = 0.0
        """When, on the loop's clock, the latest turn with a hit began."""
        self._observers = observers
        self._used = used
        self._loop = loop
        self._timer = timer
        self._turn: list[Hot] = []
        self._at = self._began = 0.0

    def prepare(self, record: ExchangeRecord) -> tuple[Callable[[Again], None], ...]:
        """What tells each of other hits like this one."""
        return tuple(each.prepare(record) for each in self._observers if isinstance(each, Retells))

    def first(self, hot: Hot, now: float) -> None:
        """The first hit of this one in a turn; what it counts until the turn ends is told then.

        All of a turn are told of as of its beginning.
        """
        if not self._turn:
            self._at, self._began = now, self._timer()
            self.moment = self._loop.time()
            self._loop.call_soon(self._tell)
        hot.at = self._at
        self._turn.append(hot)

    def _tell(self) -> None:
        turn, self._turn = self._turn, []
        count = sum(hot.count for hot in turn)
        if not count:
            return
        self.told += count
        share = (self._timer() - self._began) / count
        plain = [e for e in self._observers if not isinstance(e, Counts | Retells)]
        groups = []
        for hot in turn:
            if not hot.alike.count:
                groups.append(hot.alike)
            hot.alike.count += hot.count
            self._tell_each(hot, share, plain)
        for each in self._observers:
            if isinstance(each, Retells):
                each.flush()
        for alike in groups:
            again = Again(self._at, 0.0, 0.0, share, alike.count)
            alike.count = 0
            for each in self._observers:
                if isinstance(each, Counts):
                    each.add(alike.record, again)

    def _tell_each(self, hot: Hot, share: float, plain: Sequence[Observer]) -> None:
        times, hot.count = hot.count, 0
        self._used(hot)
        again = _again(hot, hot.at, share, times)
        for tell in hot.again:
            tell(again)
        if plain:
            record = _record(hot, again)
            for _ in range(times):
                for observe in plain:
                    observe(record)

    # -- clients that do not read

    def held_up(self, hot: Hot) -> Unsent:
        """The hit counted last could not be sent: `over` will tell of it."""
        hot.count -= 1
        if not hot.count:
            self._turn.remove(hot)
        self.unsent += 1
        return Unsent(hot, hot.at, self._timer())

    def over(self, unsent: Unsent, *, aborted: bool) -> None:
        """It was sent, or its client left."""
        self.unsent -= 1
        self.told += 1
        self._used(unsent.hot)
        again = _again(unsent.hot, unsent.at, self._timer() - unsent.began, 1)
        record = replace(_record(unsent.hot, again), aborted=aborted)
        for observe in self._observers:
            observe(record)


def _again(hot: Hot, at: float, duration: float, times: int) -> Again:
    age = hot.age(at)
    return Again(at, age, hot.lifetime - age, duration, times)


def _record(hot: Hot, again: Again) -> ExchangeRecord:
    return replace(
        hot.record,
        at=again.at,
        age_s=again.age_s,
        ttl_s=again.ttl_s,
        duration_s=again.duration_s,
    )
