"""Those who are told of every exchange, and how they are told of many alike at once.

Floor 6. An observer is any callable that takes a record. One that is a `Counts` or a `Retells`
can be told of hits that come by the hundred in one turn of the loop without a record of each;
the sums and lines it makes are the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from proxy.outcomes import ExchangeRecord

Observer = Callable[[ExchangeRecord], None]
F = TypeVar("F")

_LOG: Final = logging.getLogger("larder.observers")


class Again(NamedTuple):
    """So many exchanges more, at `at` (epoch seconds), each `duration_s` long."""

    at: float
    age_s: float
    ttl_s: float
    duration_s: float
    times: int

    @classmethod
    def of(cls, record: ExchangeRecord) -> Again:
        """Of one exchange that was told of by itself."""
        age, ttl = record.age_s or 0.0, record.ttl_s or 0.0
        return cls(record.at, age, ttl, record.duration_s, 1)


@dataclass(frozen=True, slots=True)
class Counts:
    """An observer that only counts: of many records at once it reads what they have in common.

    Only `again` says then when they were and how long they took; of path, key, place, age and
    ttl nothing is said.
    """

    add: Callable[[ExchangeRecord, Again], None]

    def __call__(self, record: ExchangeRecord) -> None:
        """Count one."""
        self.add(record, Again.of(record))


class Repeats(NamedTuple):
    """Hits of several answers at `at` (epoch seconds), each `duration_s` long.

    Of each answer, in one order: its age and its ttl in seconds, and how many hits.
    """

    at: float
    duration_s: float
    ages: Sequence[float]
    ttls: Sequence[float]
    times: Sequence[int]


@dataclass(frozen=True, slots=True)
class Retells(Generic[F]):
    """An observer that tells of each: `prepare` makes of one hit a form for others like it.

    `retell` is given the forms of several answers, in the order of the hits.
    """

    tell: Observer
    prepare: Callable[[ExchangeRecord], F]
    retell: Callable[[Repeats, Sequence[F]], None]

    def __call__(self, record: ExchangeRecord) -> None:
        """Tell of one."""
        self.tell(record)


def tell(observers: Iterable[Observer], record: ExchangeRecord) -> None:
    """Tell each of one exchange. One that fails is logged and keeps nobody else from knowing."""
    once = Again.of(record)
    for observe in observers:
        try:
            if isinstance(observe, Counts):
                observe.add(record, once)
            else:
                observe(record)
        except Exception:  # noqa: BLE001 - whatever it is, the client has its answer
            failed()


def failed() -> None:
    """Log, while it is handled, that an observer failed: the others are told all the same."""
    _LOG.exception("an observer of exchanges failed: a defect, the exchange itself is well")
