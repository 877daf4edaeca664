"""Those who are told of every exchange, and how they are told of many alike at once.

Floor 6. An observer is any callable that takes a record. One that is a `Counts` or a `Retells`
can be told of hits that come by the hundred in one turn of the loop without a record of each;
the sums and lines it makes are the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from proxy.outcomes import ExchangeRecord

Observer = Callable[[ExchangeRecord], None]

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


@dataclass(frozen=True, slots=True)
class Retells:
    """An observer that tells of each: `prepare` gives what tells of others like this one.

    `flush` is called behind a number of those.
    """

    tell: Observer
    prepare: Callable[[ExchangeRecord], Callable[[Again], None]]
    flush: Callable[[], None] = lambda: None

    def __call__(self, record: ExchangeRecord) -> None:
        """Tell of one."""
        self.tell(record)


def tell(observers: Iterable[Observer], record: ExchangeRecord) -> None:
    """Tell each of one exchange. One that fails is logged and keeps nobody else from knowing."""
    for observe in observers:
        try:
            observe(record)
        except Exception:  # noqa: BLE001 - whatever it is, the client has its answer
            _LOG.exception("an observer of exchanges failed: a defect, the exchange itself is well")
