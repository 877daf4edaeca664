from __future__ import annotations

import asyncio
from collections.abc import Sequence

from proxy.flow.tasks import spawn
from proxy.messages import Stored, StoredResponse
from proxy.store.writer import BATCH, BATCH_BYTES, WriteBehind
from tests.support.build import stored

KEY, OTHER = b"k" * 32, b"o" * 32


class Held:
    """Does jobs once it is let go, and remembers them; what `error` is about it does not do."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.done: list[tuple[bytes, bytes | None]] = []
        self.batches: list[int] = []
        self.error: Exception | None = None
        self.about: bytes | None = None

    async def __call__(self, jobs: Sequence[tuple[bytes, Stored | None]]) -> int:
        await self.go.wait()
        self.batches.append(len(jobs))
        if self.error is not None and self.about in {None, *(key for key, _ in jobs)}:
            raise self.error
        for key, entry in jobs:
            self.done.append((key, entry.body if isinstance(entry, StoredResponse) else None))
        return 0


class Dropping(Held):
    """Says that it could store none."""

    async def __call__(self, jobs: Sequence[tuple[bytes, Stored | None]]) -> int:
        await super().__call__(jobs)
        return len(jobs)


async def test_a_newer_write_takes_the_place_of_one_that_waits() -> None:
    do = Held()
    writes = WriteBehind(do, spawn)
    for body in (b"1", b"2", b"3"):
        assert writes.write(KEY, stored(body))
    writes.start()
    do.go.set()
    assert await writes.close(5.0) == 0
    assert do.done == [(KEY, b"3")]


async def test_a_deletion_comes_after_the_write_under_way() -> None:
    do = Held()
    writes = WriteBehind(do, spawn)
    writes.start()
    writes.write(KEY, stored(b"1"))
    await asyncio.sleep(0)
    deletion = spawn(writes.delete(KEY), "test-delete")
    await asyncio.sleep(0)
    do.go.set()
    await deletion
    assert do.done == [(KEY, b"1"), (KEY, None)]
    await writes.close(5.0)


async def test_a_full_queue_drops() -> None:
    writes = WriteBehind(Held(), spawn, max_jobs=1)
    assert writes.write(KEY, stored())
    assert not writes.write(OTHER, stored())
    assert writes.write(KEY, stored(b"newer"))
    assert not WriteBehind(Held(), spawn, max_bytes=100).write(KEY, stored())
    assert writes.dropped == 1


async def test_closing_leaves_what_does_not_end_in_time() -> None:
    do = Held()
    writes = WriteBehind(do, spawn)
    writes.write(KEY, stored(b"1"))
    assert await writes.close(0.0) == 1
    assert not writes.write(KEY, stored())


async def test_what_could_not_be_stored_is_a_dropped_write_and_the_next_goes_on() -> None:
    do = Dropping()
    do.go.set()
    writes = WriteBehind(do, spawn)
    writes.start()
    await writes.delete(KEY)
    await writes.delete(KEY)
    assert (writes.dropped, do.done) == (2, [(KEY, None)] * 2)
    await writes.close(5.0)


async def test_what_waits_is_done_together() -> None:
    """Up to so many and so much; what is larger goes alone."""
    do = Held()
    writes = WriteBehind(do, spawn)
    many = [number.to_bytes(32, "big") for number in range(BATCH + 10)]
    for key in many:
        assert writes.write(key, stored(b"x"))
    for key in (KEY, OTHER):
        assert writes.write(key, stored(bytes(BATCH_BYTES)))
    writes.start()
    do.go.set()
    assert await writes.close(5.0) == 0
    assert do.batches == [BATCH, 10, 1, 1]
    assert [key for key, _ in do.done] == [*many, KEY, OTHER]


async def test_what_comes_while_a_batch_is_under_way_is_the_next_one() -> None:
    """1. A write is under way.  2. The key is written anew, then deleted.  3. The first is done."""
    do = Held()
    writes = WriteBehind(do, spawn)
    writes.start()
    writes.write(KEY, stored(b"1"))
    await asyncio.sleep(0)
    writes.write(KEY, stored(b"2"))
    deletion = spawn(writes.delete(KEY), "test-delete")
    await asyncio.sleep(0)
    assert not deletion.done()
    do.go.set()
    await deletion
    assert do.done == [(KEY, b"1"), (KEY, None)]
    await writes.close(5.0)


async def test_an_entry_that_cannot_be_written_ends_no_writing_and_harms_no_other() -> None:
    """Whatever it was: what is written with it is written, and who waits for a deletion goes on."""
    do = Held()
    do.error, do.about = OverflowError("a number that no store holds"), KEY
    do.go.set()
    writes = WriteBehind(do, spawn)
    writes.write(OTHER, stored(b"1"))
    writes.write(b"3" * 32, stored(b"3"))
    writes.start()
    await writes.delete(KEY)
    assert (do.done, writes.dropped) == ([(OTHER, b"1"), (b"3" * 32, b"3")], 1)
    do.error = None
    writes.write(KEY, stored(b"2"))
    assert await writes.close(5.0) == 0
    assert (do.done[-1], writes.dropped) == ((KEY, b"2"), 1)
