"""Telling observers of hits that the lane answered: all of a turn of the loop at once.

It knows Hots and observers; not why a hit is one. Invariants: each hit is told once, in the turn
after it or, if its client made no room for the answer, when that has gone out or never will;
each takes an equal share of its turn, in which the answers are also sent; an observer that
fails keeps nobody else from knowing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from proxy.edges.hot import Alike
from proxy.observing import Again, Counts, Repeats, Retells, failed, tell

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence

    from proxy.edges.hot import Hot, Template
    from proxy.observing import Observer
    from proxy.outcomes import ExchangeRecord

_MOST_GROUPS: Final = 1024


class Over(Protocol):
    """Called once an answer was sent, or never will be."""

    def __call__(self, *, aborted: bool) -> None:
        """`aborted`: its client left."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """An answer that its client has made no room for yet."""

    over: Over


class Telling:
    """`used` is told of the Hots of a turn; `timer` counts seconds from anywhere."""

    def __init__(
        self,
        observers: Sequence[Observer],
        used: Callable[[Sequence[Hot]], None],
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

    def first(self, hot: Hot, now: float) -> None:
        """The first hit of this one in a turn; what it counts until the turn ends is told then.

        All of a turn are told of as of its beginning.
        """
        if not self._turn:
            self._at, self._began = now, self._timer()
            self.moment = self._loop.time()
            self._loop.call_soon(self._tell)
        self._turn.append(hot)

    def _tell(self) -> None:
        turn, self._turn = self._turn, []
        if turn:
            count = sum(hot.count for hot in turn)
            self.told += count
            self._used(turn)
            retell(self._observers, self._at, (self._timer() - self._began) / count, turn)

    # -- clients that do not read

    def held_up(self, hot: Hot) -> Unsent:
        """The hit counted last could not be sent: `Unsent.over` will tell of it."""
        hot.count -= 1
        if not hot.count:
            self._turn.remove(hot)
        self.unsent += 1
        return Unsent(partial(self._over, hot, self._at, self._timer()))

    def _over(self, hot: Hot, at: float, began: float, *, aborted: bool) -> None:
        """It was sent, or its client left."""
        self.unsent -= 1
        self.told += 1
        self._used((hot,))
        record = record_of(hot, at, self._timer() - began)
        tell(self._observers, replace(record, aborted=aborted))


class Groups:
    """The groups there are, until there are too many."""

    def __init__(self) -> None:
        self._groups: dict[ExchangeRecord, Alike] = {}

    def of(self, record: ExchangeRecord) -> Alike:
        """That of a hit."""
        common = replace(
            record,
            at=0.0,
            path="",
            key="",
            place=b"",
            age_s=None,
            ttl_s=None,
            duration_s=0.0,
        )
        if len(self._groups) >= _MOST_GROUPS:
            self._groups.clear()
        return self._groups.setdefault(common, Alike(common))


def retell(
    observers: Sequence[Observer], at: float, duration_s: float, turn: Sequence[Template]
) -> None:
    """Tell of all that these count, `duration_s` each, and let them count from nothing."""
    times, groups = [hit.count for hit in turn], _grouped(turn)
    ages = [hit.age(at) for hit in turn]
    ttls = [hit.lifetime - age for hit, age in zip(turn, ages, strict=True)]
    repeats = Repeats(at, duration_s, ages, ttls, times)
    for number, observe in enumerate(observers):
        try:
            if isinstance(observe, Retells):
                observe.retell(repeats, _forms(observe, number, turn))
            else:
                _tell_one(observe, repeats, turn, groups)
        except Exception:  # noqa: BLE001 - as in observing.tell
            failed()
    for alike in groups:
        alike.count = 0


def _forms(observe: Retells[object], number: int, turn: Sequence[Template]) -> list[object]:
    """What this observer has made of each of them."""
    try:
        return [hit.forms[number] for hit in turn]
    except KeyError:  # one is new, or the observer is
        for hit in turn:
            hit.forms[number] = observe.form(hit.record)
        return [hit.forms[number] for hit in turn]


def _grouped(turn: Sequence[Template]) -> list[Alike]:
    """The groups of a turn, with all its hits counted on them and no more on the templates."""
    groups: list[Alike] = []
    for hit in turn:
        alike = hit.alike
        if not alike.count:
            groups.append(alike)
        alike.count += hit.count
        hit.count = 0
    return groups


def _tell_one(
    observe: Observer, repeats: Repeats, turn: Sequence[Template], groups: Sequence[Alike]
) -> None:
    if isinstance(observe, Counts):
        for alike in groups:
            observe.add(alike.record, _again(alike, repeats))
        return
    for hit, times in zip(turn, repeats.times, strict=True):
        record = record_of(hit, repeats.at, repeats.duration_s)
        for _ in range(times):
            observe(record)


def record_of(hit: Template, at: float, duration_s: float) -> ExchangeRecord:
    """The record of one of its hits."""
    age = hit.age(at)
    ttl = hit.lifetime - age
    return replace(hit.record, at=at, age_s=age, ttl_s=ttl, duration_s=duration_s)


def _again(alike: Alike, repeats: Repeats) -> Again:
    times, durations = alike.count, ((repeats.duration_s, alike.count),)
    return Again(repeats.at, times, durations, (), alike.record.response_bytes * times)
