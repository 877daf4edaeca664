"""Hits of stored responses: counted here, summed over instances, kept."""

from __future__ import annotations

import pytest

from proxy.edges import hits as module
from proxy.edges.hits import Hits
from proxy.flow import tasks
from proxy.observing import Repeats
from proxy.outcomes import Outcome
from proxy.store.memory_notes import MemoryNotes
from tests.support.records import hit, miss

A, B = b"a" * 32, b"b" * 32


def _hits(notes: MemoryNotes | None = None) -> Hits:
    return Hits(notes or MemoryNotes(), tasks.spawn)


async def test_what_is_served_is_counted() -> None:
    hits = _hits()
    for outcome in (Outcome.HIT, Outcome.STALE, Outcome.STALE_ERROR):
        hits.observe(hit(place=A, outcome=outcome))
    hits.observe(hit(place=A, outcome=Outcome.REVALIDATED))
    hits.observe(hit(place=A, background=True))
    hits.observe(miss())
    assert await hits.of([A, B]) == {A: 3, B: 0}
    assert await hits.of([]) == {}


async def test_instances_are_summed() -> None:
    notes = MemoryNotes()
    first, second = _hits(notes), _hits(notes)
    first.observe(hit(place=A))
    second.observe(hit(place=A))
    assert await first.of([A]) == {A: 1}
    assert await second.of([A]) == {A: 2}
    await first.close()
    assert await _hits(notes).of([A]) == {A: 2}


async def test_where_there_is_no_room_a_count_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEYS", 1)
    hits = _hits()
    hits.observe(hit(place=A))
    hits.observe(hit(place=B))
    assert await hits.of([A, B]) == {A: 1, B: None}


async def test_more_hits_of_several_are_counted_each() -> None:
    hits = _hits()
    hits.repeat(Repeats(1.0, 0.1, [1.0, 1.0], [2.0, 2.0], [3, 1]), [A, B])
    hits.repeat(Repeats(1.0, 0.1, [1.0], [2.0], [2]), [A])
    assert await hits.of([A, B]) == {A: 5, B: 1}
