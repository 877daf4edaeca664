"""What was passed on is told of all at once, and nothing that is counted or written differs."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from proxy.edges.access_lines import (
    json_call_form,
    json_call_lines,
    json_line,
    text_call_lines,
    text_line,
)
from proxy.edges.ledger import Ledger, Row
from proxy.edges.metrics import Metrics
from proxy.edges.recounting import Kind, Recounting
from proxy.edges.stats import Statistics
from proxy.flow import tasks
from proxy.observing import Again, Calls, Counts, Observer, Repeats, Retells, tell
from proxy.outcomes import Bypass, ExchangeRecord, Forward, Outcome
from proxy.store.memory_notes import MemoryNotes
from tests.support.clock import NOW, ManualClock
from tests.support.records import hit

PASSED = hit(
    outcome=Outcome.BYPASS,
    forward=Forward.BYPASS,
    reason=Bypass.TTL_OFF,
    tier=None,
    age_s=None,
    ttl_s=None,
    key="",
    upstream_status=200,
    upstream_s=3.0,
    duration_s=4.0,
)


def passed(**changes: Any) -> ExchangeRecord:
    """One that was passed on, of which the next are like."""
    return replace(PASSED, **changes)


KINDS = (
    passed(),
    passed(path="/db/100%s%%/é\n", key="another"),
    passed(status=404, upstream_status=404),
    passed(route="other", upstream="up"),
    passed(request_bytes=3),
    passed(session="5e55", credential="c"),
    passed(credential="d", reason=Bypass.METHOD),
)


def no_hits(repeats: Repeats, forms: Sequence[object]) -> None:
    raise AssertionError(repeats, forms)


def no_record(record: ExchangeRecord) -> None:
    raise AssertionError(record)


class Everybody:
    """All kinds of observers, of this program's own, and what they know."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []
        self.json: list[bytes] = []
        self.text: list[bytes] = []
        self._metrics, self._stats = Metrics("1"), Statistics(0.0)
        self._ledger = Ledger(MemoryNotes(), tasks.spawn, lambda: NOW, lambda: None)
        self.observers: list[Observer] = [
            self.records.append,
            self._metrics.observe,
            Retells(
                tell=lambda record: self.json.append(json_line(record)),
                form=json_call_form,
                retell=no_hits,
                call_form=json_call_form,
                recall=lambda calls, forms: self.json.append(json_call_lines(calls, forms)),
            ),
            Counts(self._stats.count),
            Counts(self._ledger.count),
            Retells(
                tell=lambda record: self.text.append(text_line(record)),
                form=lambda record: record,
                retell=no_hits,
                call_form=lambda record: record,
                recall=lambda calls, forms: self.text.append(text_call_lines(calls, forms)),
            ),
        ]

    def known(self) -> dict[str, object]:
        stats: dict[str, Any] = json.loads(json.dumps(self._stats.snapshot(NOW)))
        for route in (*stats["routes"].values(), stats["total"]):
            route.pop("upstream_s", None)  # smoothed: it depends on the order of kinds
        return {
            "records": self.records,
            "json": b"".join(self.json),
            "text": b"".join(self.text),
            "metrics": self._samples(),
            "stats": stats,
            "ledger": {key: rows(row) for key, row in self._ledger.rows.items()},
        }

    def _samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        families = text_string_to_metric_families(self._metrics.exposition()[0].decode())
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
            if sample.name.startswith("larder_")
        }


def rows(row: Row) -> tuple[object, ...]:
    return row.requests, row.looked_up, row.hits, row.errors, row.spent, row.saved


def recounting(observers: Sequence[Observer]) -> Recounting:
    clock = ManualClock()
    return Recounting(observers, loop=asyncio.get_running_loop(), clock=clock, timer=clock)


class Ended(NamedTuple):
    kind: int
    at: float
    duration_s: float
    upstream_s: float
    size: int


# 64ths, whose sums are exact in any order.
SECONDS = st.integers(0, 64 * 100).map(lambda count: count / 64)
ENDED = st.builds(
    Ended, st.integers(0, len(KINDS) - 1), SECONDS.map(NOW.__add__), SECONDS, SECONDS,
    st.integers(0, 10**9),
)  # fmt: skip


async def told_by_turns(turns: Sequence[Sequence[Ended]]) -> Everybody:
    everybody = Everybody()
    told = recounting(everybody.observers)
    kinds = [told.kind(record) for record in KINDS]
    for turn in turns:
        for kind, at, duration, upstream, size in turn:
            told.add(kinds[kind], at, duration, upstream, size)
        await asyncio.sleep(0)
    return everybody


def told_one_by_one(turns: Sequence[Sequence[Ended]]) -> Everybody:
    everybody = Everybody()
    for kind, at, duration, upstream, size in (ended for turn in turns for ended in turn):
        record = replace(
            KINDS[kind], at=at, duration_s=duration, upstream_s=upstream, response_bytes=size
        )
        tell(everybody.observers, record)
    return everybody


@given(st.lists(st.lists(ENDED, max_size=12), max_size=4))
def test_all_at_once_comes_to_the_same_as_each_by_itself(turns: list[list[Ended]]) -> None:
    assert asyncio.run(told_by_turns(turns)).known() == told_one_by_one(turns).known()


class Told:
    """Those that count, and one that retells."""

    def __init__(self) -> None:
        self.counted: list[tuple[ExchangeRecord, Again]] = []
        self.lines: list[tuple[str, float, float, float, int]] = []
        self.formed: list[str] = []
        self.observers: list[Observer] = [
            Counts(lambda record, again: self.counted.append((record, again))),
            Retells(
                tell=no_record,
                form=self._form,
                retell=no_hits,
                call_form=self._form,
                recall=self._recall,
            ),
        ]
        self.telling = recounting(self.observers)

        self.records: list[ExchangeRecord] = []

    def _form(self, record: ExchangeRecord) -> str:
        self.formed.append(record.path)
        return record.path

    def _recall(self, calls: Calls, forms: Sequence[str]) -> None:
        self.lines += zip(forms, *calls, strict=True)

    def add(self, kind: Kind, number: int) -> None:
        self.telling.add(kind, NOW + number, number / 4, number / 8, number)


async def test_a_turn_is_told_in_the_next_and_only_then() -> None:
    told = Told()
    one, other = told.telling.kind(passed(path="/1")), told.telling.kind(passed(path="/2"))
    told.add(one, 4)
    told.add(other, 8)
    told.add(one, 16)
    assert told.lines == []
    assert told.telling.count == 3
    await asyncio.sleep(0)
    assert told.lines == [
        ("/1", NOW + 4, 1.0, 0.5, 4),
        ("/2", NOW + 8, 2.0, 1.0, 8),
        ("/1", NOW + 16, 4.0, 2.0, 16),
    ]
    ((common, again),) = told.counted  # what is counted of both is the same
    assert again == Again(NOW + 16, 3, [(1.0, 1), (2.0, 1), (4.0, 1)], (0.5, 1.0, 2.0), 28)
    assert (common.route, common.status, common.path) == ("scenes", 200, "")
    await asyncio.sleep(0)
    assert len(told.lines) == 3


async def test_the_next_turn_begins_with_nothing_and_forms_are_made_once() -> None:
    told = Told()
    kind = told.telling.kind(passed(path="/1"))
    for number in (1, 2):
        told.add(kind, number)
        await asyncio.sleep(0)
    assert [again.times for _, again in told.counted] == [1, 1]
    assert [size for *_, size in told.lines] == [1, 2]
    assert told.formed == ["/1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": 404},
        {"upstream_status": 404},
        {"route": "other"},
        {"reason": Bypass.METHOD},
        {"session": "s"},
        {"credential": "c"},
        {"request_bytes": 1},
        {"method": "HEAD"},
    ],
)
async def test_what_is_counted_apart_is_told_apart(changes: dict[str, Any]) -> None:
    told = Told()
    for number, record in enumerate((passed(), passed(**changes), passed())):
        told.add(told.telling.kind(record), number)
    await asyncio.sleep(0)
    assert [again.times for _, again in told.counted] == [2, 1]
    assert [replace(record, **changes) for record, _ in told.counted] == [told.counted[1][0]] * 2


async def test_one_that_is_broken_off_is_told_at_once_by_itself() -> None:
    told = Told()
    told.observers.append(told.records.append)
    told.observers.pop(1)
    told.telling.broken_off(passed(status=0), NOW + 5, 0.25)
    expected = passed(status=0, at=NOW + 5, duration_s=0.25, aborted=True)
    assert told.records == [expected]
    assert told.counted == [(expected, Again.of(expected))]
    assert told.telling.count == 0


async def test_groups_that_are_forgotten_are_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.edges.recounting._GROUPS", 1)
    told = Told()
    kinds = [told.telling.kind(passed(status=status)) for status in (200, 404, 200)]
    for number, kind in enumerate(kinds):
        told.add(kind, number)
    await asyncio.sleep(0)
    assert [(record.status, again.times) for record, again in told.counted] == [
        (200, 1),
        (404, 1),
        (200, 1),
    ]


async def test_an_observer_that_joins_later_is_told_too() -> None:
    told, late = Told(), list[tuple[object, ...]]()
    kind = told.telling.kind(passed())
    told.add(kind, 1)
    await asyncio.sleep(0)
    told.observers.append(
        Retells(
            tell=no_record,
            form=lambda record: record.route,
            retell=no_hits,
            call_form=lambda record: record.route,
            recall=lambda calls, forms: late.append((*forms, *calls.sizes)),
        )
    )
    told.add(kind, 2)
    await asyncio.sleep(0)
    assert late == [("scenes", 2)]
    assert len(told.lines) == 2


def fails(*_: object) -> Any:
    raise ZeroDivisionError


async def test_an_observer_that_fails_keeps_nobody_else_from_knowing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, logger="larder.observers")
    told = Told()
    retells: Retells[str] = Retells(
        tell=fails, form=fails, retell=fails, call_form=lambda _: "", recall=fails
    )
    told.observers[:0] = [fails, Counts(fails), retells]
    kind = told.telling.kind(passed())
    for number in (1, 2):
        told.add(kind, number)
    await asyncio.sleep(0)
    assert len(caplog.records) == 3
    told.add(kind, 3)
    await asyncio.sleep(0)
    assert [again.times for _, again in told.counted] == [2, 1]
    assert len(told.lines) == 3


async def test_nor_does_one_that_makes_no_form(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="larder.observers")
    told = Told()
    retells: Retells[str] = Retells(
        tell=fails, form=fails, retell=fails, call_form=fails, recall=fails
    )
    told.observers.insert(0, retells)
    told.add(told.telling.kind(passed()), 1)
    await asyncio.sleep(0)
    assert len(caplog.records) == 1
    assert len(told.lines) == 1
