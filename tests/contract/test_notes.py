"""One body over all notes: this process's memory, the SQLite file, a real Redis, and guarded."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest

from proxy.errors import StoreError
from proxy.flow.tasks import spawn
from proxy.messages import START
from proxy.store.base import SharedStore
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore
from proxy.store.memory_notes import MemoryNotes
from proxy.store.notes import MAX_AMOUNT, MAX_VALUE_BYTES, Notes
from proxy.store.redis import RedisStore
from proxy.store.sqlite import SqliteStore
from tests.support.larder import until
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer

ODD = "κ:*?[\ud800]\x00 {a}"
"""A key of all that a pattern, a separator or an encoding could trip over."""

Open = Callable[[], Awaitable[Notes]]


@asynccontextmanager
async def place(kind: str, folder: Path) -> AsyncIterator[Open]:
    """Where notes are; each call is one more client of it, as another process would be."""
    memory = MemoryNotes()
    async with AsyncExitStack() as stack:
        server = stack.enter_context(closing(RedisServer(folder / "redis")))
        if kind == "redis":
            await server.start()

        async def client() -> Notes:
            if kind == "memory":
                return memory
            store: SharedStore = SqliteStore(folder / "cache.db")
            if kind == "redis":
                store = RedisStore(server.url, deadline_s=5.0, patience_s=5.0)
            if kind != "guarded":
                stack.push_async_callback(store.close)
                return store.notes
            cache = Cache(MemoryStore(max_size=1 << 20), store, spawn=spawn)
            stack.push_async_callback(cache.close)
            return cache.notes

        yield client


@pytest.fixture(params=["memory", "sqlite", "redis", "guarded"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    async with place(request.param, tmp_path) as opened:
        yield opened


@pytest.fixture
async def notes(client: Open) -> Notes:
    return await client()


async def values(notes: Notes, space: str) -> dict[str, bytes]:
    found = [pair async for pair in notes.list(space)]
    assert len(found) == len(dict(found)), "one is listed twice"
    return dict(found)


async def sums(notes: Notes, space: str) -> dict[str, dict[str, float]]:
    return {key: found async for key, found in notes.counters(space)}


async def gone(notes: Notes, space: str, key: str) -> None:
    """Redis counts in milliseconds: a life of nothing is one of them there."""

    async def absent() -> bool:
        return await notes.get(space, key) is None

    await until(absent)


async def all_gone(notes: Notes, space: str) -> None:
    """No counters are left."""

    async def absent() -> bool:
        return not await sums(notes, space)

    await until(absent)


@pytest.mark.parametrize("value", [b"", b"\x00\xff", b"v" * MAX_VALUE_BYTES])
@pytest.mark.parametrize("key", ["", "k", ODD, "k" * 5000])
async def test_what_is_put_is_there_for_everybody(client: Open, key: str, value: bytes) -> None:
    one, two = await client(), await client()
    assert await one.get("due", key) is None
    await one.put("due", key, value, 60)
    assert await two.get("due", key) == value
    assert await values(two, "due") == {key: value}
    assert await two.delete("due", key)
    assert await one.get("due", key) is None
    assert not await one.delete("due", key)


async def test_a_later_value_takes_the_place_of_the_first(notes: Notes) -> None:
    await notes.put("due", "k", b"1", 60)
    await notes.put("due", "k", b"2", 60)
    assert await values(notes, "due") == {"k": b"2"}


async def test_spaces_and_keys_do_not_mix(notes: Notes) -> None:
    for space, key in [("a", "b:c"), ("a", "b"), ("b", "c"), ("a-b", "c")]:
        await notes.put(space, key, f"{space}/{key}".encode(), 60)
    assert await values(notes, "a") == {"b:c": b"a/b:c", "b": b"a/b"}
    assert await values(notes, "b") == {"c": b"b/c"}
    assert await values(notes, "c") == {}


async def test_a_claim_is_the_first_one_s(client: Open) -> None:
    one, two = await client(), await client()
    assert await one.claim("claim", "k", b"one", 60) is None
    assert await two.claim("claim", "k", b"two", 60) == b"one"
    assert await one.claim("claim", "k", b"again", 60) == b"one"
    assert await one.delete("claim", "k")
    assert await two.claim("claim", "k", b"two", 60) is None
    assert await values(one, "claim") == {"k": b"two"}


async def test_of_claims_at_once_exactly_one_wins(client: Open) -> None:
    clients = [await client() for _ in range(2)]
    for key in map(str, range(20)):
        claims = [(n, f"{n}".encode()) for n in range(8)]
        answers = await asyncio.gather(
            *(clients[n % 2].claim("claim", key, value, 60) for n, value in claims)
        )
        (winner,) = (n for n, answer in enumerate(answers) if answer is None)
        assert {answer for answer in answers if answer is not None} == {claims[winner][1]}
        assert await clients[0].get("claim", key) == claims[winner][1]


async def test_replacing_needs_what_is_there(notes: Notes) -> None:
    assert not await notes.replace("claim", "k", b"", b"new", 60)
    await notes.put("claim", "k", b"old", 60)
    assert not await notes.replace("claim", "k", b"other", b"new", 60)
    assert not await notes.replace("claim", "k", b"other", None)
    assert await notes.get("claim", "k") == b"old"
    assert await notes.replace("claim", "k", b"old", b"new", 60)
    assert await values(notes, "claim") == {"k": b"new"}
    assert await notes.replace("claim", "k", b"new", None)
    assert await notes.get("claim", "k") is None
    assert not await notes.replace("claim", "k", b"new", None)


async def test_of_replacements_at_once_exactly_one_is_done(client: Open) -> None:
    one, two = await client(), await client()
    await one.put("claim", "k", b"old", 60)
    done = await asyncio.gather(
        *(n.replace("claim", "k", b"old", None) for n in (one, two, one, two))
    )
    assert sorted(done) == [False, False, False, True]


@pytest.mark.parametrize("life_s", [0.0, -5.0, 0.0001])
async def test_what_has_expired_is_absent_for_every_operation(notes: Notes, life_s: float) -> None:
    await notes.put("due", "k", b"old", life_s)
    await gone(notes, "due", "k")
    assert await values(notes, "due") == {}
    assert not await notes.replace("due", "k", b"old", b"new", 60)
    assert not await notes.delete("due", "k")
    assert await notes.claim("due", "k", b"mine", 60) is None
    assert await notes.replace("due", "k", b"mine", b"short", life_s)
    await gone(notes, "due", "k")


async def test_a_life_longer_than_anybody_s_is_taken(notes: Notes) -> None:
    await notes.put("due", "k", b"kept", 1e15)
    assert await values(notes, "due") == {"k": b"kept"}


async def test_counters_add_up_for_everybody(client: Open) -> None:
    one, two = await client(), await client()
    assert await one.add("ledger", ODD, {"spent": 20, "hits": 1}) == {"spent": 20, "hits": 1}
    assert await two.add("ledger", ODD, {"spent": -0.5}) == {"spent": 19.5}
    await two.add("ledger", "other", {"日本": 1})
    assert await sums(one, "ledger") == {ODD: {"spent": 19.5, "hits": 1}, "other": {"日本": 1}}
    assert await one.delete("ledger", ODD)
    assert await sums(two, "ledger") == {"other": {"日本": 1}}
    assert await one.add("ledger", ODD, {"spent": 1}) == {"spent": 1}
    assert set(await sums(two, "ledger")) == {"other", ODD}


AMOUNTS = [
    pytest.param([1] * 100, 100, id="integers are exact"),
    pytest.param([2**53 - 2, 1], 2**53 - 1, id="as far as floats are"),
    pytest.param([0.1, 0.2], pytest.approx(0.3), id="fractions"),
    pytest.param([1.5e-7, 1e-7], pytest.approx(2.5e-7), id="the price of one token"),
    pytest.param([-3, 1], -2, id="negative"),
]


@pytest.mark.parametrize(("amounts", "total"), AMOUNTS)
async def test_sums(notes: Notes, amounts: list[float], total: float) -> None:
    said = [await notes.add("ledger", "k", {"f": amount}) for amount in amounts]
    assert said[-1] == {"f": total}
    assert await sums(notes, "ledger") == {"k": {"f": total}}


async def test_nothing_is_lost_of_additions_at_once(client: Open) -> None:
    clients = [await client(), await client()]
    await asyncio.gather(*(clients[n % 2].add("hits", "k", {"n": 1, "m": 2}) for n in range(100)))
    assert await sums(clients[0], "hits") == {"k": {"n": 100, "m": 200}}


async def test_counters_expire_together_and_begin_anew(notes: Notes) -> None:
    await notes.add("budget", "k", {"a": 1, "b": 2}, 60)
    await notes.add("budget", "k", {"a": 1}, 0)
    await all_gone(notes, "budget")
    assert await notes.add("budget", "k", {"b": 5}, 60) == {"b": 5}
    assert await sums(notes, "budget") == {"k": {"b": 5}}


async def test_an_addition_without_a_life_leaves_it_as_it_is(notes: Notes) -> None:
    await notes.add("budget", "k", {"a": 1}, 0.2)
    await notes.add("budget", "k", {"a": 1, "b": 1})
    await all_gone(notes, "budget")


async def test_adding_nothing_makes_nothing(notes: Notes) -> None:
    assert await notes.add("ledger", "k", {}) == {}
    assert await sums(notes, "ledger") == {}


async def test_a_listing_names_all_of_many_and_no_more(notes: Notes) -> None:
    many = {f"key {n}": b"%d" % n for n in range(700)}
    await asyncio.gather(*(notes.put("due", key, value, 60) for key, value in many.items()))
    await asyncio.gather(*(notes.add("hits", key, {"n": len(key)}) for key in many))
    assert await values(notes, "due") == many
    assert await sums(notes, "hits") == {key: {"n": len(key)} for key in many}


async def test_notes_may_come_and_go_during_a_listing(notes: Notes) -> None:
    for n in range(300):
        await notes.put("due", f"{n}", b"v", 60)
    seen = set()
    async for key, _ in notes.list("due"):
        seen.add(key)
        await notes.delete("due", key)
        await notes.put("other", key, b"v", 60)
    assert seen == set(map(str, range(300)))
    assert await values(notes, "due") == {}


REFUSED = [
    pytest.param(lambda n: n.put("due", "k", b"v" * (MAX_VALUE_BYTES + 1), 60), id="large"),
    pytest.param(lambda n: n.claim("due", "k", b"v" * (MAX_VALUE_BYTES + 1), 60), id="claimed"),
    pytest.param(
        lambda n: n.replace("due", "k", b"", b"v" * (MAX_VALUE_BYTES + 1), 60), id="replaced"
    ),
    pytest.param(lambda n: n.put("a:b", "k", b"v", 60), id="no word"),
    pytest.param(lambda n: n.get("", "k"), id="no space"),
    pytest.param(lambda n: n.put("due", "k", b"v", math.nan), id="no life"),
    pytest.param(lambda n: n.put("due", "k", b"v", math.inf), id="no end"),
    pytest.param(lambda n: n.add("due", "k", {"f": math.nan}), id="no number"),
    pytest.param(lambda n: n.add("due", "k", {"g": 1, "f": math.inf}), id="infinite"),
    pytest.param(lambda n: n.add("due", "k", {"f": 2 * MAX_AMOUNT}), id="too much"),
]


@pytest.mark.parametrize("operation", REFUSED)
async def test_what_no_store_may_hold_is_refused_by_name(
    notes: Notes, operation: Callable[[Notes], Awaitable[object]]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        await operation(notes)
    assert await values(notes, "due") == {}
    assert await sums(notes, "due") == {}


async def test_a_value_where_counters_are_meant_is_an_error_or_nothing(notes: Notes) -> None:
    await notes.put("mixed", "value", b"v", 60)
    await notes.add("mixed", "counters", {"f": 1})
    for operation in (notes.add("mixed", "value", {"f": 1}), notes.get("mixed", "counters")):
        try:
            await operation
        except StoreError:
            continue
    assert (await values(notes, "mixed"))["value"] == b"v"
    assert (await sums(notes, "mixed"))["counters"] == {"f": 1}
    assert await notes.delete("mixed", "value")
    assert await notes.get("mixed", "value") is None


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_notes_outlive_the_process_and_a_new_epoch(kind: str, tmp_path: Path) -> None:
    with closing(RedisServer(tmp_path / "redis")) as server:
        if kind == "redis":
            await server.start()

        def made() -> SharedStore:
            if kind == "redis":
                return RedisStore(server.url, deadline_s=5.0, patience_s=5.0)
            return SqliteStore(tmp_path / "cache.db")

        store = made()
        await store.open(START)
        await store.notes.put("due", "k", b"v", 60)
        await store.notes.add("ledger", "k", {"f": 1})
        await store.close()
        store = made()
        assert await values(store.notes, "due") == {"k": b"v"}
        assert await sums(store.notes, "ledger") == {"k": {"f": 1}}
        await store.close()


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_out_of_reach_is_a_store_error(kind: str, tmp_path: Path) -> None:
    store: SharedStore = RedisStore(f"redis://127.0.0.1:{free_port()}/0")
    if kind == "sqlite":
        (tmp_path / "file").write_bytes(b"")
        store = SqliteStore(tmp_path / "file" / "cache.db")
    with pytest.raises(StoreError):
        await store.notes.get("due", "k")
    with pytest.raises(StoreError):
        await store.notes.claim("due", "k", b"v", 60)
    with pytest.raises(StoreError):
        await values(store.notes, "due")
    with pytest.raises(StoreError):
        await sums(store.notes, "due")
    await store.close()
