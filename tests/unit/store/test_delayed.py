"""Facts that are due later, over every kind of store, and over one that is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.flow.tasks import spawn
from proxy.store.base import Fact, FactKind
from proxy.store.cache import Cache
from proxy.store.delayed import SPACE, Delayed, Due, decode
from proxy.store.kept_file import KeptFile
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.sqlite import SqliteStore
from tests.support.build import stored
from tests.support.clock import NOW, ManualClock
from tests.support.ports import free_port

KEY = b"k" * 32
A, B = Fact(FactKind.TAG, "a"), Fact(FactKind.PREFIX, "/b")
EVERYTHING = Fact(FactKind.TAG, "*")


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[Cache]:
    """Over SQLite, joined."""
    made = Cache(MemoryStore(max_size=1 << 22), SqliteStore(tmp_path / "c.db"), spawn=spawn)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def unreachable() -> AsyncIterator[Cache]:
    """A Redis is configured and is not there."""
    store = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
    made = Cache(MemoryStore(max_size=1 << 20), store, spawn=spawn)
    await made.start()
    yield made
    await made.close()


def over(cache: Cache, clock: ManualClock, folder: Path | None = None, limit: int = 100) -> Delayed:
    file = None if folder is None else KeptFile(folder, "delayed", "store")
    return Delayed(cache, clock, spawn=spawn, file=file, limit=limit)


def keep(cache: Cache, *tags: str) -> None:
    entry = stored(tags=("*", *tags), born=cache.position, lifetime=1e6)
    assert cache.keep(KEY, entry, NOW) is None


def there(cache: Cache) -> bool:
    return cache.peek(KEY, NOW) is not None


def names(folder: Path, pattern: str) -> list[str]:
    return [path.name for path in folder.glob(pattern)]


async def noted(cache: Cache) -> list[Due]:
    return [decode(value) async for _, value in cache.notes.list(SPACE)]


async def test_what_is_fetched_before_its_moment_dies_then(
    cache: Cache, clock: ManualClock
) -> None:
    delayed = over(cache, clock)
    await delayed.add([A], 30)
    keep(cache, "a")
    clock.advance(29)
    await delayed.step()
    assert there(cache)
    clock.advance(1)
    await delayed.step()
    assert not there(cache)
    assert await noted(cache) == []


async def test_what_is_fetched_after_it_was_stated_lives(cache: Cache, clock: ManualClock) -> None:
    delayed = over(cache, clock)
    await delayed.add([A], 30)
    clock.advance(30)
    await delayed.step()
    keep(cache, "a")
    clock.advance(30)
    await delayed.step()
    assert there(cache)


async def test_any_instance_states_it(cache: Cache, clock: ManualClock) -> None:
    """The one that was told of it may be gone."""
    await over(cache, clock).add([A], 30)
    keep(cache, "a")
    clock.advance(30)
    await over(cache, clock).step()
    assert not there(cache)
    assert await noted(cache) == []


async def test_one_whose_note_was_lost_is_stated_by_whoever_was_told(
    cache: Cache, clock: ManualClock
) -> None:
    delayed = over(cache, clock)
    await delayed.add([A], 30)
    async for key, _ in cache.notes.list(SPACE):
        await cache.notes.delete(SPACE, key)
    keep(cache, "a")
    clock.advance(30)
    await delayed.step()
    assert not there(cache)


async def test_the_same_in_the_same_second_is_one_note(cache: Cache, clock: ManualClock) -> None:
    delayed = over(cache, clock)
    for after_s in (30, 29.5, 31):
        await delayed.add([A], after_s)
    assert sorted(due.at - NOW for due in await noted(cache)) == [30, 31]


async def test_more_than_a_note_holds_is_several(cache: Cache, clock: ManualClock) -> None:
    facts = [Fact(FactKind.TAG, f"{number}-" + "x" * 3000) for number in range(50)]
    delayed = over(cache, clock)
    await delayed.add([*facts, Fact(FactKind.TAG, "y" * 70_000)], 30)
    found = {fact for due in await noted(cache) for fact in due.facts}
    assert found == {*facts, EVERYTHING}


async def test_too_many_are_a_purge_of_all_at_their_moment(
    cache: Cache, clock: ManualClock
) -> None:
    delayed = over(cache, clock, limit=1)
    await delayed.add([A], 10)
    await delayed.add([B], 30)
    await delayed.add([Fact(FactKind.TAG, "c")], 30)
    assert len(delayed) == 2
    keep(cache)
    clock.advance(29)
    await delayed.step()
    assert there(cache)
    clock.advance(1)
    await delayed.step()
    assert not there(cache)


# The store is away.


async def test_it_is_stated_here_though_the_store_is_away(
    unreachable: Cache, clock: ManualClock
) -> None:
    delayed = over(unreachable, clock)
    await delayed.add([A], 30)
    clock.advance(30)
    before = unreachable.position
    await delayed.step()
    assert unreachable.position > before
    assert len(delayed) == 0


async def test_the_disk_keeps_it_for_the_next_process(
    unreachable: Cache, cache: Cache, clock: ManualClock, tmp_path: Path
) -> None:
    """1. The store is away.  2. The process ends.  3. The next one finds the store."""
    ended = over(unreachable, clock, tmp_path / "var")
    await ended.add([A, B], 30)
    assert len(names(tmp_path / "var", "*.facts")) == 1, "before it is answered"
    assert await ended.close() == 0
    heir = over(cache, clock, tmp_path / "var")
    await heir.start()
    assert [due.facts for due in await noted(cache)] == [(A, B)]
    assert names(tmp_path / "var", "*") == []
    await heir.close()


async def test_one_due_while_nothing_ran_is_stated_before_the_start_is_over(
    unreachable: Cache, cache: Cache, clock: ManualClock, tmp_path: Path
) -> None:
    ended = over(unreachable, clock, tmp_path)
    await ended.add([A], 30)
    await ended.close()
    keep(cache, "a")
    clock.advance(31)
    heir = over(cache, clock, tmp_path)
    await heir.start()
    assert not there(cache)
    await heir.close()
    assert names(tmp_path, "delayed-*") == []


async def test_what_is_lost_is_told(
    unreachable: Cache, clock: ManualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the store nor the disk takes it."""
    caplog.set_level(logging.ERROR)
    blocked = tmp_path / "var"
    await asyncio.to_thread(blocked.write_text, "a file where the folder should be")
    delayed = over(unreachable, clock, blocked)
    await delayed.add([A], 30)
    await delayed.add([B], 30)
    assert await delayed.close() == 2
    said = [record.message for record in caplog.records]
    assert [line for line in said if "cannot be kept on the disk" in line] == said[:1]
    assert "2 delayed invalidation(s) are lost" in said[-1]


async def test_a_file_that_cannot_be_read_is_a_purge_of_all(
    cache: Cache, clock: ManualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    ended = KeptFile(tmp_path, "delayed", "store")
    await asyncio.to_thread(ended.write, b"\xff damaged", 1)
    ended.close()
    keep(cache)
    heir = over(cache, clock, tmp_path)
    await heir.start()
    assert not there(cache)
    await heir.close()
    assert "all is purged" in caplog.text


@pytest.mark.parametrize("value", [b"", b"short", b"\x00" * 8 + b"\xff"])
def test_a_note_that_cannot_be_read_is_a_purge_of_all_at_once(value: bytes) -> None:
    assert decode(value) == Due(0, (EVERYTHING,))
