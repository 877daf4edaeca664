"""Observers of one exchange, and of many alike."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from operator import attrgetter

import pytest

from proxy.observing import Again, Calls, Counts, Observer, Repeats, Retells, tell
from proxy.outcomes import ExchangeRecord
from tests.support.records import HIT, hit, miss


def test_one_that_counts_is_told_of_one_exchange_by_itself() -> None:
    added: list[tuple[ExchangeRecord, Again]] = []
    observe: Observer = Counts(lambda record, again: added.append((record, again)))
    observe(hit())
    one = hit()
    assert added == [(one, Again(one.at, 1, ((one.duration_s, 1),), (), one.response_bytes))]


def test_one_that_counts_is_told_of_the_call_there_was() -> None:
    assert Again.of(miss(upstream_s=0.5)).upstream_s == (0.5,)
    assert Again.of(miss(upstream_s=0.0)).upstream_s == (0.0,)
    assert Again.of(miss(upstream_s=None)).upstream_s == ()


def test_one_that_retells_tells_of_one_and_of_more_by_their_forms() -> None:
    told: list[object] = []

    def retell(repeats: Repeats, forms: Sequence[int]) -> None:
        told.extend(zip(forms, repeats.times, strict=True))

    def recall(calls: Calls, forms: Sequence[int]) -> None:
        told.extend(zip(forms, *calls, strict=True))

    status, size = attrgetter("status"), attrgetter("response_bytes")
    observe = Retells(tell=told.append, form=status, retell=retell, call_form=size, recall=recall)
    observe(hit())
    observe.retell(Repeats(0.0, 0.0, [1.0], [2.0], [3]), [observe.form(hit(status=404))])
    assert observe.recall is not None
    assert observe.call_form is not None
    observe.recall(Calls([1.0], [0.5], [0.25], [9]), [observe.call_form(hit(response_bytes=7))])
    assert told == [hit(), (404, 3), (7, 1.0, 0.5, 0.25, 9)]


def test_those_who_count_and_those_who_do_not_are_told_of_the_same_exchange() -> None:
    told: list[object] = []
    counts = Counts(lambda record, again: told.append((record, again)))
    tell((told.append, counts), miss())
    assert told == [miss(), (miss(), Again.of(miss()))]


def test_an_observer_that_fails_keeps_nobody_else_from_knowing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, logger="larder.observers")
    told: list[ExchangeRecord] = []

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    tell((fails, Counts(fails), told.append), HIT)
    assert told == [HIT]
    assert [record.name for record in caplog.records] == ["larder.observers"] * 2
