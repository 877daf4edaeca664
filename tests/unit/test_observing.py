"""Observers of one exchange, and of many alike."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from operator import attrgetter

import pytest

from proxy.observing import Again, Counts, Observer, Repeats, Retells, tell
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


def test_one_that_retells_tells_of_one_and_of_more_by_their_forms() -> None:
    told: list[object] = []

    def retell(repeats: Repeats, forms: Sequence[int]) -> None:
        told.extend(zip(forms, repeats.times, strict=True))

    observe = Retells(told.append, attrgetter("status"), retell)
    observe(hit())
    observe.retell(Repeats(0.0, 0.0, [1.0], [2.0], [3]), [observe.prepare(hit(status=404))])
    assert told == [hit(), (404, 3)]


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
