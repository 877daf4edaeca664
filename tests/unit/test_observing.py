"""Observers of one exchange, and of many alike."""

from __future__ import annotations

import logging

import pytest

from proxy.observing import Again, Counts, Observer, Retells, tell
from proxy.outcomes import ExchangeRecord
from tests.support.records import HIT, hit


def test_one_that_counts_is_told_of_one_exchange_by_itself() -> None:
    added: list[tuple[ExchangeRecord, Again]] = []
    observe: Observer = Counts(lambda record, again: added.append((record, again)))
    observe(hit())
    one = hit()
    assert added == [(one, Again(one.at, 1.5, 298.5, one.duration_s, 1))]


def test_what_has_no_age_is_told_of_all_the_same() -> None:
    assert Again.of(hit(age_s=None, ttl_s=None))[1:3] == (0.0, 0.0)


def test_one_that_retells_tells_of_one_and_prepares_for_more() -> None:
    told: list[object] = []
    observe = Retells(told.append, lambda record: lambda again: told.append((record, again.times)))
    observe(hit())
    observe.prepare(hit(status=404))(Again(0.0, 0.0, 0.0, 0.0, 3))
    assert told == [hit(), (hit(status=404), 3)]


def test_an_observer_that_fails_keeps_nobody_else_from_knowing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, logger="larder.observers")
    told: list[ExchangeRecord] = []

    def fails(_: ExchangeRecord) -> None:
        raise ZeroDivisionError

    tell((fails, told.append), HIT)
    assert told == [HIT]
    assert [record.name for record in caplog.records] == ["larder.observers"]
