"""One body over every shared store: journal, marks, leases, epochs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.messages import START
from proxy.store.base import Beat, Fact, FactKind, Mark, SharedStore
from proxy.store.facts import Latest
from proxy.store.redis import RedisStore
from proxy.store.sqlite import SqliteStore
from tests.support.redis_server import RedisServer

TAG, OTHER = Fact(FactKind.TAG, "t"), Fact(FactKind.TAG, "\u65e5 o", soft=True)
PREFIX = Fact(FactKind.PREFIX, "/a", soft=True)
PURGE = Fact(FactKind.TAG, "*")


@pytest.fixture(params=["sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SharedStore]:
    made: SharedStore = SqliteStore(tmp_path / "cache.db")
    with closing(RedisServer(tmp_path / "redis")) as server:
        if request.param == "redis":
            await server.start()
            made = RedisStore(server.url, deadline_s=5.0)
        await made.open(START)
        yield made
        await made.close()


async def test_each_record_names_the_one_before(store: SharedStore) -> None:
    begun = (await store.open(START)).end
    first = await store.append([TAG, PREFIX])
    second = await store.append([OTHER])
    records = await store.read(begun, 0)
    assert [(r.position, r.previous, r.facts) for r in records] == [
        (first, begun, (TAG, PREFIX)),
        (second, first, (OTHER,)),
    ]
    assert begun < first < second
    assert await store.read(second, 0.01) == ()
    assert (await store.tail(60))[-2:] == records
    assert (await store.open(START)).end == second


async def test_opening_again_finds_the_same_epoch(store: SharedStore) -> None:
    assert await store.open(START) == await store.open(START)


async def test_an_append_is_later_than_its_floor(store: SharedStore) -> None:
    end = (await store.open(START)).end
    floor = (end[0] + 10_000_000, 5) if isinstance(store, RedisStore) else (0, end[1] + 9)
    position = await store.append([], floor)
    assert position > floor
    assert await store.append([]) > position


async def test_marks_are_raised_and_never_lowered(store: SharedStore) -> None:
    reach = await store.reach(dict.fromkeys(["t", OTHER.value], time.time() + 60))
    assert [(mark.hard, mark.soft) for mark in reach.marks] == [(START, START)] * 2
    first, second = await store.append([TAG]), await store.append([TAG, OTHER])
    await store.confirm([TAG, OTHER], second)
    await store.confirm([TAG], first)
    hard, soft, missing = await store.marks(["t", OTHER.value, "nothing"])
    assert hard is not None
    assert soft is not None
    assert missing is None
    assert (hard.hard, hard.soft) == (second, START)
    assert (soft.hard, soft.soft) == (START, second)
    assert (hard.generation, soft.generation) == tuple(m.generation for m in reach.marks)


SPARING = {
    "one": ["a"],
    "again": ["a", "a"],
    "another": ["a", "b"],
    "and-back": ["a", "b", "a"],
    "none-between": ["a", "", "a"],
}


@pytest.mark.parametrize("etags", SPARING.values(), ids=SPARING)
@pytest.mark.parametrize("backwards", [False, True])
async def test_a_mark_tells_which_etag_was_spared(
    store: SharedStore, etags: list[str], backwards: bool
) -> None:
    """Of two that differ the earlier spares nobody; in whatever order they are confirmed."""
    begun = await store.reach({"t": time.time() + 60})
    facts = [Fact(FactKind.TAG, "t", unless=f"{etag}\u2603 {etag}" * bool(etag)) for etag in etags]
    stated = [(fact, await store.append([fact])) for fact in facts]
    latest = Latest()
    for fact, position in reversed(stated) if backwards else stated:
        await store.confirm([fact], position)
        latest = latest.raised(fact, position)
    generation = begun.marks[0].generation
    mark = Mark(generation, latest.hard, latest.soft, latest.sparing)
    assert await store.marks(["t"]) == (mark,)
    assert (await store.reach({"t": time.time() + 60})).marks == (mark,)
    assert (await store.tail(60))[-1].facts == (facts[-1],)


async def test_reach_reads_the_end_and_keeps_the_generation(store: SharedStore) -> None:
    position = await store.append([TAG])
    await store.confirm([TAG], position)
    one = await store.reach({"t": time.time() + 60})
    two = await store.reach({"t": time.time() + 600})
    assert one.end == two.end == position
    assert one.marks == two.marks
    assert one.marks[0].hard == position
    assert one.epoch == (await store.open(START)).epoch


async def test_wide_facts_last_until_a_purge_of_all(store: SharedStore) -> None:
    assert await store.wide() == ()
    first = await store.append([PREFIX])
    await store.confirm([PREFIX], first)
    second = await store.append([PREFIX])
    await store.confirm([PREFIX], second)
    await store.confirm([PREFIX], first)
    assert await store.wide() == ((PREFIX, second),)
    purged = await store.append([PURGE])
    match = Fact(FactKind.MATCH, "/b*")
    later = await store.append([match])
    await store.confirm([match], later)
    await store.confirm([PURGE], purged)
    assert await store.wide() == ((match, later),)


async def test_leases(store: SharedStore) -> None:
    position = await store.append([TAG])
    end = await store.beat(Beat("a", START, 60))
    assert end == position
    await store.beat(Beat("b", position, 60))
    await store.beat(Beat("gone", START, -1))
    assert await store.behind(position) == ("a",)
    await store.beat(Beat("a", position, 60))
    assert await store.behind(position) == ()
    later = await store.append([TAG])
    await store.leave("a")
    assert await store.behind(later) == ("b",)
