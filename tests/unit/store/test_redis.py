"""What is Redis's own; what every shared store does is in tests/contract."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from proxy.errors import StoreError
from proxy.messages import START
from proxy.store.base import Fact, FactKind, JournalLostError, Record
from proxy.store.redis import RedisStore
from proxy.store.told import awaited
from tests.support.build import stored
from tests.support.redis_server import RedisServer
from tests.unit.store.real_redis import joined

KEY = b"k" * 32
Both = tuple[RedisServer, RedisStore]


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[Both]:
    async with joined(tmp_path) as made:
        yield made


def keys(server: RedisServer, pattern: str = "larder:*") -> list[bytes]:
    return cast("list[bytes]", server.ask("KEYS", pattern))


async def test_an_entry_and_its_marks_end_by_themselves(both: Both) -> None:
    server, store = both
    now = time.time()
    entry = stored(tags=("*", "t"), request_time=now, response_time=now, lifetime=60.0)
    reach = await store.reach(dict.fromkeys(entry.tags, entry.expires_at))
    await store.put(KEY, Record(entry, tuple(m.generation for m in reach.marks), reach.epoch))
    (key,) = keys(server, "larder:*:e:*")
    assert 0 < cast("int", server.ask("PTTL", key)) <= 60_000
    for mark in keys(server, "larder:*:m:*"):
        assert cast("int", server.ask("PTTL", mark)) > 60_000, "a mark outlives its entries"


async def test_a_shorter_life_does_not_shorten_a_mark(both: Both) -> None:
    server, store = both
    await store.reach({"t": time.time() + 7200})
    await store.reach({"t": time.time() + 1})
    await store.confirm([Fact(FactKind.TAG, "t")], await store.append([]))
    (mark,) = keys(server, "larder:*:m:*")
    assert cast("int", server.ask("PTTL", mark)) > 7_000_000


@pytest.mark.parametrize("command", [("DEL", "journal"), ("DEL", "wide")])
async def test_a_journal_that_lacks_a_part_is_begun_anew(
    both: Both, command: tuple[str, str]
) -> None:
    server, store = both
    before = await store.open(START)
    server.ask(command[0], f"larder:{before.epoch}:{command[1]}")
    after = await store.open(before.end)
    assert after.epoch != before.epoch
    assert after.end > before.end


async def test_without_its_journal_nothing_is_appended_reached_or_beaten(both: Both) -> None:
    """To make the journal here would be to hide that it was lost."""
    server, store = both
    server.ask("DEL", *keys(server, "larder:*:journal"))
    with pytest.raises(JournalLostError):
        await store.append([])
    with pytest.raises(JournalLostError):
        await store.reach({"t": time.time() + 60})
    server.ask("DEL", *keys(server, "larder:*:wide"))
    with pytest.raises(JournalLostError):
        await store.wide()
    assert keys(server, "larder:*:journal") == []


async def test_a_tail_that_was_trimmed_is_no_tail(both: Both) -> None:
    server, store = both
    first, last = await store.append([]), await store.append([])
    (journal,) = keys(server, "larder:*:journal")
    assert [record.position for record in await store.tail(60)][1:] == [first, last]
    server.ask("XTRIM", journal, "MAXLEN", "2")
    with pytest.raises(JournalLostError):
        await store.tail(60)
    assert await store.tail(-60) == (), "all of it is older"


async def test_many_look_ups_at_once_share_the_connections(both: Both) -> None:
    _, store = both
    now = time.time()
    entries = [stored(b"%d" % n, request_time=now, response_time=now) for n in range(100)]
    wanted = {bytes([n]) * 32: entry for n, entry in enumerate(entries)}
    for key, entry in wanted.items():
        await store.put(key, Record(entry))
    found = await asyncio.gather(*(store.get(key) for key in wanted))
    assert [record.entry for record in found if record] == list(wanted.values())


async def test_no_error_names_a_tag(both: Both) -> None:
    """It may name a person; the library puts the command into its errors."""
    server, store = both
    await store.reach({"patient:4711": time.time() + 60})
    (mark,) = keys(server, "larder:*:m:*")
    server.ask("DEL", mark)
    server.ask("RPUSH", mark, "no mark")
    end = await store.append([])
    for asking in (
        store.reach({"patient:4711": time.time() + 60}),
        store.confirm([Fact(FactKind.TAG, "patient:4711")], end),
    ):
        with pytest.raises(StoreError, match=r"Redis refused: .*WRONGTYPE") as failed:
            await asking
        assert not any(word in str(failed.value) for word in ("EVAL", "patient", mark.decode()))


async def test_what_is_sought_is_told_unless_no_connection_is_there(both: Both) -> None:
    _, store = both
    await store.reach({"t": time.time() + 60.0})
    marks = await awaited(partial(store.seek_marks, ["t", "u"]))
    assert marks == await store.marks(["t", "u"])
    assert await awaited(partial(store.seek, KEY)) is None
    await store.close()
    told: list[object] = []
    assert not store.seek(KEY, told.append)
    assert not store.seek_marks(["t"], told.append)
    assert told == []
