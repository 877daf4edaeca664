"""Behind the memory tier: what expired and what was invalidated goes, without being asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.flow import tasks
from proxy.store import housekeeping
from proxy.store.base import EVERYTHING, Record
from proxy.store.memory import MemoryStore
from tests.support.build import stored
from tests.support.clock import NOW, ManualClock
from tests.support.larder import until


async def until_empty(memory: MemoryStore) -> None:
    await until(lambda: not memory.status().entries)


async def test_the_expired_are_taken_out_round_by_round(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "SWEEP_S", 0.0)
    memory = MemoryStore(max_size=1 << 20, clock=clock)
    memory.place(b"k", Record(stored(b"body", response_time=NOW, lifetime=10.0)))
    clock.advance(11)
    task = tasks.spawn(housekeeping.sweeping(memory), "sweeper")
    await until_empty(memory)
    task.cancel()
    assert memory.status().size_bytes == 0


async def test_the_invalidated_are_taken_out_in_slices(clock: ManualClock) -> None:
    memory = MemoryStore(max_size=1 << 26, clock=clock)
    entry = stored(b"", response_time=NOW, lifetime=10.0, tags=(EVERYTHING,))
    for number in range(1200):
        memory.place(b"%d" % number, Record(replace(entry, url=f"/{number}")))
    memory.invalidate_tag(EVERYTHING, (1, 1), soft=False)
    task = tasks.spawn(housekeeping.reclaiming(memory), "reclaimer")
    await until_empty(memory)
    task.cancel()
