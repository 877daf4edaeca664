"""Hits of one turn of the loop are told at once, each once, with equal shares of its time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import count
from operator import attrgetter
from typing import Any

import pytest

from proxy.edges.hot import Alike, Form, Held, Hot
from proxy.edges.telling import Groups, Telling
from proxy.observing import Again, Calls, Counts, Observer, Repeats, Retells
from proxy.outcomes import ExchangeRecord, Outcome, Tier
from proxy.store.memory import Slot
from proxy.visit import Visit
from tests.support.build import request, stored
from tests.support.clock import NOW
from tests.support.records import hit

SLOT = Slot(stored(), 1, soft=False)


def retells(
    tell: Observer, form: str, retell: Callable[[Repeats, Sequence[str]], None]
) -> Retells[str]:
    """One that retells hits, by this fact of them; calls are recounting's."""

    def recall(calls: Calls, forms: Sequence[str]) -> None:
        raise AssertionError(calls, forms)

    made = attrgetter(form)
    return Retells(tell=tell, form=made, retell=retell, call_form=made, recall=recall)


class Told:
    """What each kind of observer, and the cache, was told."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []
        self.counted: list[tuple[str, Again]] = []
        self.lines: list[tuple[str, float, float, tuple[float, float, int]]] = []
        self.used: list[Hot] = []
        self.observers: list[Observer] = [
            self.records.append,
            Counts(lambda record, again: self.counted.append((record.route, again))),
            retells(self.records.append, "key", self._retell),
        ]
        seconds = count()
        self.telling = Telling(
            self.observers,
            self.used.extend,
            loop=asyncio.get_running_loop(),
            timer=lambda: float(next(seconds)),
        )

    def _retell(self, repeats: Repeats, forms: Sequence[str]) -> None:
        hits = zip(repeats.ages, repeats.ttls, repeats.times, strict=True)
        told = zip(forms, hits, strict=True)
        self.lines += [(form, repeats.at, repeats.duration_s, each) for form, each in told]

    def hot(self, alike: Alike, place: bytes = b"place") -> Hot:
        visit = Visit(request=request(), began_at=NOW, began=0.0)
        held, record = Held(SLOT, lambda _: None, b"request"), hit(key=place.decode())
        made = Hot(place, held, stored(lifetime=60.0), Form(b"", own_date=False), visit, record)
        made.alike = alike
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
    assert told.lines == [
        ("1", NOW + 2, share, (2.0, 58.0, 3)),
        ("2", NOW + 2, share, (2.0, 58.0, 1)),
        ("3", NOW + 2, share, (2.0, 58.0, 1)),
    ]
    size = hit().response_bytes
    assert told.counted == [
        ("one", Again(NOW + 2, 4, ((share, 4),), (), 4 * size)),
        ("other", Again(NOW + 2, 1, ((share, 1),), (), size)),
    ]
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
    assert [times for *_, (_, _, times) in told.lines] == [3, 2]
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
    assert [times for *_, (_, _, times) in told.lines] == [1]
    unsent.over(aborted=aborted)
    assert [each.aborted for each in told.records[1:]] == [aborted] * 2  # both who take records
    assert (told.counted[-1][1].times, told.telling.told, told.telling.unsent) == (1, 2, 0)
    assert told.records[-1].duration_s > 0


async def test_an_observer_that_joins_later_is_told_too() -> None:
    told, late = Told(), list[tuple[str, int]]()
    hot = told.hot(Alike(hit()))
    told.hits(hot, 1)
    await asyncio.sleep(0)
    told.observers.append(
        retells(
            told.records.append,
            "route",
            lambda repeats, forms: late.append((forms[0], repeats.times[0])),
        )
    )
    told.hits(hot, 2)
    await asyncio.sleep(0)
    assert late == [(hit().route, 2)]


async def test_an_observer_that_fails_keeps_nobody_else_from_knowing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, logger="larder.observers")
    told = Told()

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    told.observers[:0] = [fails, Counts(fails), retells(fails, "key", fails)]
    told.hits(told.hot(Alike(hit())), 2)
    await asyncio.sleep(0)
    assert (len(told.records), len(told.counted), len(told.lines)) == (2, 1, 1)
    assert len(caplog.records) == 3


def test_hits_that_are_counted_alike_are_of_one_group() -> None:
    groups = Groups()
    group = groups.of(hit())
    apart = {"path": "/b", "key": "b", "place": b"b", "age_s": 9.0, "ttl_s": 8.0}
    assert groups.of(hit(**apart, at=3.0, duration_s=4.0)) is group
    assert (group.record.route, group.record.path, group.record.age_s) == ("scenes", "", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"route": "other"},
        {"status": 304},
        {"outcome": Outcome.STALE},
        {"tier": Tier.SHARED},
        {"session": "s"},
        {"credential": "c"},
        {"response_bytes": 1},
        {"saved": 1},
    ],
)
def test_what_is_counted_apart_is_of_another_group(changes: dict[str, Any]) -> None:
    groups = Groups()
    assert groups.of(hit(**changes)) is not groups.of(hit())


def test_so_many_groups_there_are_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.edges.telling._MOST_GROUPS", 2)
    groups = Groups()
    first = groups.of(hit(route="1"))
    groups.of(hit(route="2"))
    assert groups.of(hit(route="3")) is groups.of(hit(route="3"))
    assert groups.of(hit(route="1")) is not first  # it was forgotten
