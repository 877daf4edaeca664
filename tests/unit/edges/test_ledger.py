"""The ledger: what is counted of whom, what instances share, what a reset ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from proxy.edges import ledger as module
from proxy.edges.ledger import Ledger, in_units
from proxy.errors import CorruptEntryError, StoreError
from proxy.flow import tasks
from proxy.observing import Counts
from proxy.outcomes import ExchangeRecord, Outcome
from proxy.spending import Spent
from proxy.store.memory_notes import MemoryNotes
from proxy.store.notes import Notes
from tests.support.records import hit, miss

NOW = 1000.0
PAID = Spent(route="scenes", unit="credits", cost=20_000_000, credential="c", session="s")


def _ledger(notes: Notes | None = None, resets: list[int] | None = None) -> Ledger:
    told = resets if resets is not None else []
    return Ledger(notes or MemoryNotes(), tasks.spawn, lambda: NOW, lambda: told.append(1))


def _hit(**changes: Any) -> ExchangeRecord:
    return hit(unit="credits", cost=1_000_000, saved=19_000_000, credential="c", **changes)


async def _row(ledger: Ledger) -> dict[str, Any]:
    (row,) = (await ledger.told())["routes"]  # type: ignore[misc]
    return row  # type: ignore[no-any-return, has-type]


async def test_hits_pay_by_record_and_calls_by_what_they_cost() -> None:
    ledger = _ledger()
    Counts(ledger.count)(miss(unit="credits", cost=20_000_000))
    ledger.spent(PAID)
    Counts(ledger.count)(_hit())
    row = await _row(ledger)
    assert row == {
        "route": "scenes",
        "unit": "credits",
        "requests": 2,
        "hits": 1,
        "errors": 0,
        "unpriced": 0,
        "hit_rate": 0.5,
        "spent": 21,
        "saved": 19,
    }


@pytest.mark.parametrize(
    ("outcome", "spent", "hits", "rate"),
    [
        (Outcome.HIT, 1, 1, 1.0),
        (Outcome.STALE, 1, 1, 1.0),
        (Outcome.STALE_ERROR, 1, 1, 1.0),
        (Outcome.COLLAPSED, 1, 1, 1.0),
        (Outcome.REVALIDATED, 1, 0, 0.0),
        (Outcome.MISS, 0, 0, 0.0),
        (Outcome.BYPASS, 0, 0, None),
        (Outcome.REFUSED, 0, 0, None),
    ],
)
async def test_what_each_outcome_counts_as(
    outcome: Outcome, spent: int, hits: int, rate: float | None
) -> None:
    ledger = _ledger()
    Counts(ledger.count)(_hit(outcome=outcome))
    row = await _row(ledger)
    assert (row["spent"], row["hits"], row["hit_rate"]) == (spent, hits, rate)


async def test_what_nobody_asked_for_is_paid_for_and_not_counted() -> None:
    ledger = _ledger()
    Counts(ledger.count)(_hit(background=True))
    ledger.spent(PAID)
    row = await _row(ledger)
    assert (row["requests"], row["spent"]) == (0, 20)


async def test_people_are_told_by_digest_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PEOPLE", 2)
    ledger = _ledger()
    Counts(ledger.count)(_hit(session="s"))
    ledger.spent(PAID)
    told = await ledger.told()
    assert told["credentials"][0]["spent"] == 21  # type: ignore[index]
    assert told["sessions"][0]["requests"] == 1  # type: ignore[index]
    for number in range(5):
        Counts(ledger.count)(hit(session=f"other-{number}"))
    assert len(ledger._people.rows) == 2  # noqa: SLF001 - a bound is not told


async def test_two_instances_are_summed_and_a_restart_forgets_nothing() -> None:
    notes = MemoryNotes()
    first, second = _ledger(notes), _ledger(notes)
    Counts(first.count)(_hit())
    Counts(second.count)(_hit())
    assert (await _row(first))["spent"] == 1  # the other has not told yet
    assert (await _row(second))["spent"] == 2
    assert (await _row(first))["spent"] == 2
    assert (await _row(_ledger(notes)))["spent"] == 2


async def test_what_was_not_told_before_a_reset_does_not_come_back() -> None:
    notes, resets = MemoryNotes(), list[int]()
    first, second = _ledger(notes), _ledger(notes, resets)
    await second.fold()
    Counts(second.count)(_hit())
    await first.reset()
    Counts(second.count)(_hit())  # it has not heard of the reset
    assert (await second.told())["routes"] == []
    assert (second.since, resets) == (NOW, [1])
    Counts(second.count)(_hit())
    assert (await _row(second))["requests"] == 1
    assert (await _row(first))["requests"] == 1


async def test_what_is_counted_before_the_store_is_there_is_told_later() -> None:
    class Away(MemoryNotes):
        away = True

        async def get(self, space: str, key: str) -> bytes | None:
            if self.away:
                raise StoreError("away")
            return await super().get(space, key)

    notes = Away()
    ledger = _ledger(notes)
    Counts(ledger.count)(_hit())
    await ledger.fold()
    assert (await ledger.told())["routes"] == []
    notes.away = False
    assert (await _row(ledger))["requests"] == 1


async def test_what_is_counted_during_an_outage_is_told_at_once() -> None:
    class Away(MemoryNotes):
        away = False

        async def get(self, space: str, key: str) -> bytes | None:
            if self.away:
                raise StoreError("away")
            return await super().get(space, key)

        async def add(
            self, space: str, key: str, amounts: Mapping[str, float], ttl_s: float | None = None
        ) -> dict[str, float]:
            if self.away:
                raise StoreError("away")
            return await super().add(space, key, amounts, ttl_s)

    notes = Away()
    ledger = _ledger(notes)
    Counts(ledger.count)(_hit())
    assert (await _row(ledger))["spent"] == 1
    notes.away = True
    Counts(ledger.count)(_hit())
    assert (await _row(ledger))["spent"] == 2
    notes.away = False
    assert (await _row(ledger))["spent"] == 2
    assert (await _row(_ledger(notes)))["spent"] == 2


async def test_damage_where_the_last_reset_is_noted_does_not_stop_the_counting() -> None:
    class Damaged(MemoryNotes):
        async def get(self, space: str, key: str) -> bytes | None:
            raise CorruptEntryError(f"{space} {key} is none of ours")

    ledger = _ledger(Damaged())
    Counts(ledger.count)(_hit())
    assert (await _row(ledger))["spent"] == 1


@pytest.mark.parametrize(("micros", "amount"), [(0, 0), (20_000_000, 20), (1_500_000, 1.5)])
def test_amounts_are_whole_where_they_are(micros: int, amount: float) -> None:
    assert in_units(micros) == amount
    assert type(in_units(micros)) is type(amount)


@pytest.mark.parametrize(
    "note",
    [
        *(b"", b"nonsense", b"[]", b"7", b'{"id": "x"}', b"\xff", b"[" * 50_000, b"9" * 5000),
        *(b'{"id": "x", "at": NaN}', b'{"id": "x", "at": 1e999}', b'{"id": 7, "at": 1}'),
    ],
)
async def test_a_note_that_none_of_us_wrote_resets_nothing(note: bytes) -> None:
    notes = MemoryNotes()
    await notes.put("generation", "ledger", note, 60.0)
    await notes.add("ledger", "not ours", {"requests": 1.0})
    await notes.add("ledger", "7", {"requests": 1.0})
    ledger = _ledger(notes)
    Counts(ledger.count)(_hit())
    assert (await _row(ledger))["requests"] == 1
    assert ledger.since is None
