"""Hits of one turn of the loop are told at once, each once, with equal shares of its time."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from proxy.edges.hot import Alike, Form, Held, Hot
from proxy.edges.telling import Telling
from proxy.observing import Again, Counts, Retells
from proxy.outcomes import ExchangeRecord
from proxy.store.memory import Slot
from proxy.visit import Visit
from tests.support.build import request, stored
from tests.support.clock import NOW
from tests.support.records import hit

SLOT = Slot(stored(), 1, soft=False)


class Told:
    """What each kind of observer, and the cache, was told."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []
        self.counted: list[tuple[str, Again]] = []
        self.lines: list[Again] = []
        self.used: list[Hot] = []
        self.flushed = 0
        seconds = count()
        self.telling = Telling(
            (
                self.records.append,
                Counts(lambda record, again: self.counted.append((record.route, again))),
                Retells(self.records.append, lambda _: self.lines.append, self._flush),
            ),
            self.used.append,
            loop=asyncio.get_running_loop(),
            timer=lambda: float(next(seconds)),
        )

    def _flush(self) -> None:
        self.flushed = len(self.lines)

    def hot(self, alike: Alike, place: bytes = b"place") -> Hot:
        visit = Visit(request=request(), began_at=NOW, began=0.0)
        held = Held(SLOT, lambda _: None, b"request")
        made = Hot(place, held, stored(lifetime=60.0), Form(b"", own_date=False), visit, hit())
        made.alike, made.again = alike, self.telling.prepare(hit())
        return made

    def hits(self, hot: Hot, times: int) -> None:
        for _ in range(times):
            if not hot.count:
                self.telling.first(hot, NOW + 2)
            hot.count += 1


async def test_a_turn_is_told_in_the_next() -> None:
    told, alike = Told(), Alike(hit(route="one"))
    first, second = told.hot(alike, b"1"), told.hot(alike, b"2")
    other = told.hot(Alike(hit(route="other")), b"3")
    told.hits(first, 2)
    told.hits(second, 1)
    told.hits(other, 1)
    told.hits(first, 1)
    assert not told.records
    await asyncio.sleep(0)
    share = 1 / 5  # of the second between two looks at the timer
    again = Again(NOW + 2, 2.0, 58.0, share, 3)
    assert told.lines == [again, again._replace(times=1), again._replace(times=1)]
    assert told.flushed == 3
    counted = Again(NOW + 2, 0.0, 0.0, share, 4)
    assert told.counted == [("one", counted), ("other", counted._replace(times=1))]
    assert [(each.at, each.age_s, each.ttl_s) for each in told.records] == [(NOW + 2, 2, 58)] * 5
    assert sum(each.duration_s for each in told.records) == pytest.approx(1.0)
    assert told.used == [first, second, other]
    assert told.telling.told == 5
    await asyncio.sleep(0)
    assert len(told.lines) == 3


async def test_the_next_turn_begins_with_nothing() -> None:
    told, alike = Told(), Alike(hit())
    hot = told.hot(alike)
    for times in (3, 2):
        told.hits(hot, times)
        await asyncio.sleep(0)
    assert [again.times for again in told.lines] == [3, 2]
    assert [again.times for _, again in told.counted] == [3, 2]


@pytest.mark.parametrize("aborted", [False, True])
async def test_one_that_is_held_up_is_told_when_it_is_over(aborted: bool) -> None:
    told = Told()
    hot = told.hot(Alike(hit()))
    told.hits(hot, 1)
    unsent = told.telling.held_up(hot)
    assert told.telling.unsent == 1
    told.hits(hot, 1)  # the same request on another connection, in the same turn
    await asyncio.sleep(0)
    assert [again.times for again in told.lines] == [1]
    told.telling.over(unsent, aborted=aborted)
    assert [each.aborted for each in told.records[1:]] == [aborted] * 2  # both who take records
    assert (told.counted[-1][1].times, told.telling.told, told.telling.unsent) == (1, 2, 0)
    assert told.records[-1].duration_s > 0
