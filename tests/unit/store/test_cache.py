"""The two tiers as the driver sees them."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.errors import StoreError
from proxy.flow.tasks import spawn
from proxy.outcomes import NotServed, NotStored
from proxy.store.base import Fact, FactKind, Found, is_local
from proxy.store.cache import Cache
from proxy.store.entry_info import Selection
from proxy.store.fact_file import FactFile
from proxy.store.facts import MAX_WIDE
from proxy.store.memory import MemoryStore
from proxy.store.redis import RedisStore
from proxy.store.sqlite import SqliteStore
from tests.support.build import stored
from tests.support.clock import NOW, ManualClock
from tests.support.ports import free_port

KEY, OTHER = b"k" * 32, b"o" * 32
TAG = Fact(FactKind.TAG, "t")


def prefix(number: int, *, soft: bool = False) -> Fact:
    return Fact(FactKind.PREFIX, f"/{number}/", soft=soft)


def alone(max_object: int = 1 << 20) -> Cache:
    return Cache(MemoryStore(max_size=1 << 20), None, spawn=spawn, max_object=max_object)


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[Cache]:
    """Over SQLite, joined."""
    made = Cache(MemoryStore(max_size=1 << 22), SqliteStore(tmp_path / "c.db"), spawn=spawn)
    await made.start()
    assert made.status().online
    yield made
    await made.close()


@pytest.fixture
async def unreachable() -> AsyncIterator[Cache]:
    """A Redis is configured and was never there."""
    store = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
    made = Cache(MemoryStore(max_size=1 << 20), store, spawn=spawn)
    await made.start()
    yield made
    await made.close()


# Alive: may an answer on its way be used?


@pytest.mark.parametrize(
    ("facts", "alive"),
    [
        pytest.param((), True, id="nothing happened"),
        pytest.param((TAG,), False, id="its tag"),
        pytest.param((Fact(FactKind.TAG, "*"),), False, id="everything"),
        pytest.param((Fact(FactKind.PREFIX, "/a"),), False, id="a prefix of its URL"),
        pytest.param((Fact(FactKind.MATCH, "scene:*"),), False, id="a pattern of its head"),
        pytest.param((Fact(FactKind.TAG, "t", soft=True),), False, id="soft: it is stale already"),
        pytest.param((Fact(FactKind.TAG, "u"), Fact(FactKind.PREFIX, "/b")), True, id="others"),
    ],
)
@pytest.mark.parametrize("shared", [False, True])
async def test_alive_while_on_its_way(
    cache: Cache, shared: bool, facts: tuple[Fact, ...], alive: bool
) -> None:
    used = cache if shared else alone()
    entry = stored(tags=("*", "t"), url="/a/b", head="scene:1", born=used.position)
    await used.invalidate(facts)
    assert used.alive(entry) is alive
    later = stored(tags=("*", "t"), url="/a/b", head="scene:1", born=used.position)
    assert used.alive(later), "a fetch that begins now is after every fact"


async def test_alive_asks_for_proof(tmp_path: Path) -> None:
    """A fetch from before the facts this instance knows may have missed any."""
    clock = ManualClock()
    first = SqliteStore(tmp_path / "c.db", clock=clock)
    born = (await first.open((0, 0))).end
    await first.append([TAG])
    await first.close()
    clock.advance(600.0)
    cache = Cache(
        MemoryStore(max_size=1 << 20), SqliteStore(tmp_path / "c.db", clock=clock), spawn=spawn
    )
    await cache.start()
    assert not cache.alive(stored(tags=("*", "u"), born=born))
    assert cache.alive(stored(tags=("*", "u"), born=cache.position))
    await cache.close()


# Keeping.


REFUSALS = [
    pytest.param({"lifetime": 0.0}, NotStored.EXPIRED, id="expired"),
    pytest.param({"body": b"x" * 2000}, NotStored.TOO_LARGE, id="too large"),
    pytest.param({"born": (1 << 62, 0)}, NotStored.INVALIDATED, id="invalidated on its way"),
    pytest.param({}, None, id="kept"),
]


@pytest.mark.parametrize(("changes", "refusal"), REFUSALS)
async def test_what_is_not_kept_says_why(
    changes: dict[str, object], refusal: NotStored | None
) -> None:
    cache = alone(max_object=1000)
    await cache.invalidate([TAG])
    given = {"body": b"x", "born": cache.position, "tags": ("*", "t"), **changes}
    assert cache.keep(KEY, stored(**given), NOW) is refusal  # type: ignore[arg-type]  # a row
    assert (cache.peek(KEY, NOW) is None) is (refusal is not None)


async def test_softly_invalidated_on_its_way_it_is_kept_as_stale() -> None:
    cache = alone()
    entry = stored(tags=("*", "t"), born=cache.position)
    await cache.invalidate([Fact(FactKind.TAG, "t", soft=True)])
    assert cache.keep(KEY, entry, NOW) is None
    found = cache.peek(KEY, NOW)
    assert found is not None
    assert found.soft


async def test_forgetting_reaches_both_tiers(cache: Cache) -> None:
    assert cache.keep(KEY, stored(tags=("*",), born=cache.position, lifetime=1e9), NOW) is None
    await cache.forget(KEY)
    assert await cache.find(KEY, NOW) is NotServed.ABSENT


# More prefixes than an epoch remembers.


async def test_one_wide_fact_too_many_becomes_a_purge_of_all(cache: Cache) -> None:
    """Nothing that any of them spoke of comes back, and the table begins anew."""
    await cache.invalidate([prefix(number) for number in range(MAX_WIDE)])
    spared = stored(tags=("*",), url="/spared", born=cache.position, lifetime=1e9)
    assert cache.keep(KEY, spared, NOW) is None
    assert cache.peek(KEY, NOW) is not None
    before = stored(tags=("*",), url="/7/x", born=cache.position)
    await cache.invalidate([prefix(-1)])
    assert cache.peek(KEY, NOW) is None
    assert not cache.alive(before)
    assert cache.keep(KEY, stored(tags=("*",), url="/7/x", born=cache.position), NOW) is None
    assert cache.peek(KEY, NOW) is not None
    await cache.invalidate([prefix(1)])
    assert cache.peek(KEY, NOW) is not None, "a single new one does not purge all again"


async def test_tags_are_not_counted_among_the_wide() -> None:
    cache = alone()
    await cache.invalidate([prefix(number) for number in range(MAX_WIDE)])
    entry = stored(tags=("*", "u"), url="/spared", born=cache.position)
    assert cache.keep(KEY, entry, NOW) is None
    await cache.invalidate([TAG])
    assert cache.peek(KEY, NOW) is not None


# A shared store that was never there.


async def test_with_redis_never_reached_nothing_is_served_from_memory(unreachable: Cache) -> None:
    """By design: without contact for max_lag nobody knows what others invalidated."""
    assert unreachable.keep(KEY, stored(born=unreachable.position), NOW) is None
    assert unreachable.peek(KEY, NOW) is None
    assert unreachable.standing(KEY) is None
    assert await unreachable.find(KEY, NOW) is NotServed.STORE_DOWN
    assert not unreachable.status().trusted


async def test_unless_the_operator_says_for_ever() -> None:
    store = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
    cache = Cache(MemoryStore(max_size=1 << 20), store, spawn=spawn, max_lag=math.inf)
    await cache.start()
    entry = stored(tags=("*", "t"), born=cache.position)
    assert cache.keep(KEY, entry, NOW) is None
    assert cache.peek(KEY, NOW) is not None
    assert is_local(await cache.invalidate([TAG]))
    assert cache.peek(KEY, NOW) is None, "its own invalidations hold all the same"
    await cache.close()


async def test_an_invalidation_while_it_is_away_holds_here_and_waits(unreachable: Cache) -> None:
    entry = stored(tags=("*", "t"), born=unreachable.position)
    assert is_local(await unreachable.invalidate([TAG]))
    assert not unreachable.alive(entry)
    with pytest.raises(StoreError, match="out of reach"):
        await unreachable.invalidate([TAG, prefix(1)], wait=True)
    assert unreachable.status().pending_facts == 2


# Listing, status, closing.


async def test_a_listing_has_memory_first_and_leaves_out_the_dead(cache: Cache) -> None:
    for key, url in ((KEY, "/a"), (OTHER, "/b")):
        entry = stored(tags=("*", url), url=url, born=cache.position, lifetime=1e9)
        assert cache.keep(key, entry, NOW) is None
    await cache.invalidate([Fact(FactKind.TAG, "/b")])
    listed = [found async for found in cache.scan(Selection(), now=NOW)]
    assert [found.key for found in listed] == [KEY]
    assert [found.key async for found in cache.scan(Selection(prefix="/b"), now=NOW)] == []


async def test_status(cache: Cache) -> None:
    cache.keep(KEY, stored(born=cache.position, lifetime=1e9), NOW)
    status = cache.status()
    assert status.memory.entries == 1
    assert (status.online, status.trusted, status.problem) == (True, True, "")
    assert re.match(r"sqlite:.*c\.db$", status.shared_name)
    assert alone().status().shared is None


async def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    """Closing finishes the queue; the next one judges by the marks."""
    path = tmp_path / "cache.db"
    first = Cache(MemoryStore(max_size=1 << 20), SqliteStore(path), spawn=spawn)
    await first.start()
    entry = stored(b"kept", tags=("*",), born=first.position, lifetime=1e9)
    assert first.keep(KEY, entry, NOW) is None
    await first.close()
    second = Cache(MemoryStore(max_size=1 << 20), SqliteStore(path), spawn=spawn)
    await second.start()
    found = await second.find(KEY, NOW)
    await second.close()
    assert isinstance(found, Found)
    assert found.entry == entry


# The end of a process, while the shared store is away.


@pytest.mark.parametrize("ended", ["orderly", "killed"])
async def test_what_waits_for_the_shared_store_is_passed_on_by_the_next_process(
    tmp_path: Path, ended: str
) -> None:
    """1. Redis is away.  2. `t` is invalidated.  3. The process ends.  4. Another starts here."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    file = FactFile(tmp_path / "var", url)
    first = Cache(MemoryStore(max_size=1 << 20), RedisStore(url), spawn=spawn, fact_file=file)
    await first.start()
    assert is_local(await first.invalidate([TAG, prefix(1)]))
    if ended == "killed":
        file.close()  # as the kernel does; nothing else of the end happens
    else:
        assert await first.close() == 0
    again = FactFile(tmp_path / "var", url)
    second = Cache(MemoryStore(max_size=1 << 20), RedisStore(url), spawn=spawn, fact_file=again)
    await second.start()
    assert second.status().pending_facts == 2
    await second.close()
    await first.close()


async def test_an_invalidation_given_up_half_way_waits(cache: Cache) -> None:
    """Its caller is cut off while it is appended: it may be in the journal, or not."""
    entry = stored(tags=("*", "t"), born=cache.position)
    stating = spawn(cache.invalidate([TAG]), "cut off")
    await asyncio.sleep(0)
    stating.cancel()
    await asyncio.wait([stating])
    assert stating.cancelled()
    assert cache.status().pending_facts == 1
    assert not cache.alive(entry)


# Notes


async def test_notes_are_shared_where_answers_are(cache: Cache, tmp_path: Path) -> None:
    await cache.notes.put("due", "k", b"v", 60)
    other = SqliteStore(tmp_path / "c.db")
    assert await other.notes.get("due", "k") == b"v"
    await other.close()
    await cache.invalidate([Fact(FactKind.TAG, "*")])
    assert await cache.notes.get("due", "k") == b"v"


async def test_notes_of_a_cache_alone_are_its_own() -> None:
    cache = alone()
    await cache.notes.put("due", "k", b"v", 60)
    assert await cache.notes.get("due", "k") == b"v"
    assert await alone().notes.get("due", "k") is None


async def test_notes_out_of_reach_are_an_error_and_open_the_breaker(unreachable: Cache) -> None:
    for _ in range(1000):
        with pytest.raises(StoreError):
            await unreachable.notes.claim("claim", "k", b"v", 60)
        if unreachable.status().breaker_open:
            return
    pytest.fail("the breaker stayed closed")
