from __future__ import annotations

import asyncio

from proxy.errors import StoreError
from proxy.flow.tasks import spawn
from proxy.messages import Stored, StoredResponse
from proxy.store.writer import WriteBehind
from tests.support.build import stored

KEY, OTHER = b"k" * 32, b"o" * 32


class Held:
    """Does jobs once it is let go, and remembers them."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.done: list[tuple[bytes, bytes | None]] = []
        self.error: Exception | None = None

    async def __call__(self, key: bytes, entry: Stored | None) -> None:
        await self.go.wait()
        if self.error is not None:
            raise self.error
        self.done.append((key, entry.body if isinstance(entry, StoredResponse) else None))


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


async def test_an_error_is_a_dropped_write_and_the_lane_goes_on() -> None:
    do = Held()
    do.error = StoreError("down")
    do.go.set()
    writes = WriteBehind(do, spawn)
    writes.start()
    await writes.delete(KEY)
    do.error = None
    await writes.delete(KEY)
    assert (writes.dropped, do.done) == (1, [(KEY, None)])
    await writes.close(5.0)


async def test_an_entry_that_cannot_be_written_ends_no_writing() -> None:
    """Whatever it was: what comes after it is written, and who waits for a deletion goes on."""
    do = Held()
    do.error = OverflowError("a number that no store holds")
    do.go.set()
    writes = WriteBehind(do, spawn)
    writes.start()
    await writes.delete(KEY)
    do.error = None
    writes.write(KEY, stored(b"2"))
    assert await writes.close(5.0) == 0
    assert (do.done, writes.dropped) == ([(KEY, b"2")], 1)
