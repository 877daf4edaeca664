"""Those who are told of every exchange, and how they are told of many alike at once.

Floor 6. An observer is any callable that takes a record. One that is a `Counts` or a `Retells`
can be told of those that come by the hundred in one turn of the loop without a record of each;
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
    """So many exchanges more that are like a record but for what stands here.

    `at` is epoch seconds. `durations` are seconds and how many took so long, `upstream_s` the
    seconds of each that called its upstream, `response_bytes` those of all together.
    """

    at: float
    times: int
    durations: Sequence[tuple[float, int]]
    upstream_s: Sequence[float]
    response_bytes: int

    @classmethod
    def of(cls, record: ExchangeRecord) -> Again:
        """Of one exchange that was told of by itself."""
        calls = () if record.upstream_s is None else (record.upstream_s,)
        return cls(record.at, 1, ((record.duration_s, 1),), calls, record.response_bytes)


@dataclass(frozen=True, slots=True)
class Counts:
    """An observer that only counts: of many records at once it reads what they have in common.

    Of path, key, place, age and ttl nothing is said then; the rest of what tells them apart is
    in `Again`.
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


class Calls(NamedTuple):
    """Exchanges that called their upstream: of each, in one order, when it was (epoch seconds).

    And how long it and its call took (seconds), and the bytes of its answer's body.
    """

    ats: Sequence[float]
    durations: Sequence[float]
    upstream_s: Sequence[float]
    sizes: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retells(Generic[F]):
    """An observer that tells of each: of one exchange it makes a form for others like it.

    `retell` is given the forms (`form`) of several answers in the order of the hits, `recall`
    the forms (`call_form`) of several exchanges in the order of their calls; without these it has
    nothing to tell of calls.
    """

    tell: Observer
    form: Callable[[ExchangeRecord], F]
    retell: Callable[[Repeats, Sequence[F]], None]
    call_form: Callable[[ExchangeRecord], F] | None = None
    recall: Callable[[Calls, Sequence[F]], None] | None = None

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
