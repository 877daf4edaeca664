"""Look-ups and hits that something else overtakes: a newer answer, a purge of very many."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.flow.tasks import spawn
from proxy.messages import StoredResponse
from proxy.store.base import Fact, FactKind, Found, Record
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore
from proxy.store.sqlite import SqliteStore
from proxy.store.told import Told
from tests.support.build import stored
from tests.support.clock import NOW

KEY = b"k" * 32


class Held(SqliteStore):
    """Its reads end when the test says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.was_read = asyncio.Event()
        self.go_on = asyncio.Event()

    def seek(self, key: bytes, told: Told[Record | None]) -> bool:
        async def end_late(outcome: Record | Exception | None) -> None:
            await self.go_on.wait()
            told(outcome)

        def end(outcome: Record | Exception | None) -> None:
            self.was_read.set()
            spawn(end_late(outcome), "test-late")

        return super().seek(key, end)


OVERTAKEN = [
    pytest.param(60.0, b"newer", id="by a later answer"),
    pytest.param(0.0, b"newer", id="by one as old, which is at hand"),
    pytest.param(-60.0, b"shared", id="by an earlier one"),
]


@pytest.mark.parametrize(("later", "served"), OVERTAKEN)
async def test_a_read_that_ends_late_does_not_put_back_what_was_replaced(
    tmp_path: Path, later: float, served: bytes
) -> None:
    """1. A look-up reads E1 from the shared store.  2. E2 is fetched and kept.  3. The read ends.

    Nothing was invalidated, so both are alive and were born at one position: only the
    time they were answered tells which is newer.
    """
    store = Held(tmp_path / "c.db")
    cache = Cache(MemoryStore(max_size=1 << 20), store, spawn=spawn)
    await cache.start()
    old = stored(b"shared", tags=("*",), born=cache.position, lifetime=1e9)
    reach = await store.reach(dict.fromkeys(old.tags, old.expires_at))
    marks = tuple(mark.generation for mark in reach.marks)
    await store.put(KEY, Record(old, marks, reach.epoch))
    looking = spawn(cache.find(KEY, NOW), "look-up")
    await store.was_read.wait()
    new = replace(old, body=b"newer", response_time=old.response_time + later)
    assert cache.keep(KEY, new, NOW) is None
    store.go_on.set()
    for found in (await looking, cache.peek(KEY, NOW)):
        assert isinstance(found, Found)
        assert isinstance(found.entry, StoredResponse)
        assert found.entry.body == served
    await cache.close()


# Many at once.


async def test_what_a_purge_of_many_killed_is_removed_while_others_go_on() -> None:
    cache = Cache(MemoryStore(max_size=1 << 30), None, spawn=spawn)
    await cache.start()
    for number in range(3000):
        cache.keep(number.to_bytes(32, "big"), stored(born=cache.position), NOW)
    await cache.invalidate([Fact(FactKind.PREFIX, "")])
    assert cache.peek((2999).to_bytes(32, "big"), NOW) is None
    turns = 0
    while cache.status().memory.entries:
        turns += 1
        await asyncio.sleep(0)
    assert turns > 3, "in slices"
    await cache.close()
