"""One body for many readers; its laws under any interleaving are in tests/property."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import UpstreamError
from proxy.fields import Fields
from proxy.flow import tasks
from proxy.flow.broadcast import Abandoned, Broadcast, CutOff, Reader
from proxy.flow.budget import Budget


def joined(body: Broadcast) -> Reader:
    """A new reader of it."""
    reader = body.reader()
    assert reader is not None
    return reader


async def read_all(reader: Reader) -> bytes:
    return b"".join([chunk async for chunk in reader.chunks()])


async def test_a_reader_that_joins_late_reads_from_the_first_byte() -> None:
    body = Broadcast(100)
    early = tasks.spawn(read_all(joined(body)), "early")
    await body.write(b"one ")
    late = tasks.spawn(read_all(joined(body)), "late")
    await body.write(b"two")
    body.end(Fields([("T", "1")]))
    after = joined(body)
    assert [await early, await late, await read_all(after)] == [b"one two"] * 3
    assert (body.body(), body.size, body.trailers.get("t")) == (b"one two", 7, "1")


async def test_writing_what_is_recorded_never_waits_for_a_slow_reader() -> None:
    body = Broadcast(1000, window=10)
    slow = joined(body)
    async with asyncio.timeout(1):
        for _ in range(10):
            await body.write(b"x" * 100)
    body.end()
    assert await read_all(slow) == b"x" * 1000


async def test_past_the_limit_nobody_joins_and_the_slowest_reader_is_waited_for() -> None:
    body = Broadcast(10, window=20)
    slow = joined(body).chunks()
    await body.write(b"x" * 20)
    writing = tasks.spawn(body.write(b"y" * 5), "write")
    await asyncio.sleep(0)
    assert (writing.done(), body.whole, body.reader()) == (False, False, None)
    assert await anext(slow) == b"x" * 20
    asking = tasks.spawn(anext(slow), "next")
    await writing
    assert await asking == b"y" * 5


async def test_a_reader_that_leaves_lets_the_writer_on() -> None:
    body = Broadcast(0, window=10)
    slow, quick = joined(body), joined(body).chunks()
    writing = tasks.spawn(body.write(b"x" * 20), "write")
    await asyncio.sleep(0)
    assert await anext(quick) == b"x" * 20
    asking = tasks.spawn(anext(quick), "next")
    await asyncio.sleep(0)
    assert not writing.done()
    slow.close()
    await writing
    body.end()
    with pytest.raises(StopAsyncIteration):
        await asking


async def test_what_nobody_reads_or_records_is_abandoned() -> None:
    body = Broadcast(10)
    await body.write(b"x" * 10)
    with pytest.raises(Abandoned):
        await body.write(b"y")


async def test_the_last_reader_to_leave_wakes_the_writer_to_give_up() -> None:
    body = Broadcast(0, window=0)
    reader = joined(body)
    writing = tasks.spawn(body.write(b"x"), "write")
    await asyncio.sleep(0)
    reader.close()
    with pytest.raises(Abandoned):
        await writing


async def test_recording_can_be_given_up_half_way() -> None:
    body = Broadcast(1000)
    reader = joined(body).chunks()
    await body.write(b"one")
    body.stop_recording()
    assert await anext(reader) == b"one"
    await body.write(b"two")
    assert (body.whole, await anext(reader)) == (False, b"two")


async def test_readers_of_a_broken_body_get_what_there_is_and_then_the_error() -> None:
    body = Broadcast(100)
    chunks = joined(body).chunks()
    await body.write(b"half")
    body.fail(UpstreamError("broke off"))
    assert await anext(chunks) == b"half"
    with pytest.raises(UpstreamError, match="broke off"):
        await anext(chunks)


async def test_a_reader_knows_whether_it_would_have_to_wait() -> None:
    body = Broadcast(100)
    reader = joined(body)
    seen = [reader.ready]
    await body.write(b"x")
    seen.append(reader.ready)
    chunks = reader.chunks()
    assert await anext(chunks) == b"x"
    asking = tasks.spawn(anext(chunks), "next")
    await asyncio.sleep(0)
    seen.append(reader.ready)
    body.end()
    seen.append(reader.ready)
    await asyncio.wait([asking])
    assert seen == [False, True, False, True]


async def test_a_reader_cancelled_while_it_waits_leaves() -> None:
    body = Broadcast(0, window=0)
    reading = tasks.spawn(read_all(joined(body)), "read")
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    with pytest.raises(Abandoned):
        await body.write(b"x")


async def test_a_reader_that_waits_is_woken_by_a_failure() -> None:
    body = Broadcast(100)
    reading = tasks.spawn(read_all(joined(body)), "read")
    await asyncio.sleep(0)
    body.fail(UpstreamError("broke off"))
    async with asyncio.timeout(1):
        await asyncio.wait([reading])
    assert isinstance(reading.exception(), UpstreamError)


async def test_a_reader_that_holds_up_one_that_has_read_all_is_cut_off() -> None:
    told: list[str] = []
    body = Broadcast(0, window=10, patience=0)
    slow, quick = joined(body), tasks.spawn(read_all(joined(body)), "quick")
    slow.on_cut = lambda: told.append("cut off")
    async with asyncio.timeout(1):
        for _ in range(3):
            await body.write(b"x" * 20)
        body.end()
        assert await quick == b"x" * 60
    assert (slow.was_cut, slow.ready, told) == (True, True, ["cut off"])
    with pytest.raises(CutOff):
        await read_all(slow)


async def test_a_reader_that_nobody_waits_behind_may_be_as_slow_as_it_likes() -> None:
    body = Broadcast(0, window=10, patience=0)
    slow = joined(body)
    writing = tasks.spawn(body.write(b"x" * 20), "write")
    await asyncio.wait([writing], timeout=0.01)
    assert (writing.done(), slow.was_cut) == (False, False)
    slow.close()
    with pytest.raises(Abandoned):
        await writing


async def test_of_readers_that_are_all_behind_none_is_cut_off() -> None:
    """None of them waits for the others: there is more to read for each."""
    body = Broadcast(0, window=10, patience=0)
    readers = [joined(body), joined(body)]
    writing = tasks.spawn(body.write(b"x" * 20), "write")
    await asyncio.wait([writing], timeout=0.01)
    assert [writing.done(), *(reader.was_cut for reader in readers)] == [False] * 3
    for reader in readers:
        reader.close()
    await asyncio.wait([writing])


async def test_without_room_in_the_budget_recording_stops_and_readers_get_it_all() -> None:
    budget = Budget(100)
    body = Broadcast(1000, window=10, budget=budget)
    reading = tasks.spawn(read_all(joined(body)), "read")
    async with asyncio.timeout(1):
        for _ in range(10):
            await body.write(b"x" * 30)
        body.end()
        assert await reading == b"x" * 300
    assert (body.whole, body.lost, body.crowded, budget.held) == (False, True, True, 0)


async def test_past_the_limit_it_is_lost_but_not_for_want_of_room() -> None:
    body = Broadcast(10)
    reader = joined(body)
    await body.write(b"x" * 11)
    assert (body.lost, body.crowded, reader.ready) == (True, False, True)


async def test_a_stored_body_is_retained_once_for_all_who_still_read_it() -> None:
    budget = Budget(100)
    body = Broadcast(100, budget=budget)
    slow = joined(body)
    await body.write(b"one ")
    await body.write(b"two")
    whole = body.body()
    body.share(whole)
    body.end()
    body.close()
    chunks = [chunk async for chunk in slow.chunks()]
    assert [bytes(chunk) for chunk in chunks] == [b"one ", b"two"]
    assert all(isinstance(chunk, memoryview) and chunk.obj is whole for chunk in chunks)
    assert budget.held == 0


async def test_what_is_closed_is_let_go_as_the_last_reader_passes_it() -> None:
    budget = Budget(100)
    body = Broadcast(100, budget=budget)
    chunks = joined(body).chunks()
    await body.write(b"x" * 10)
    await body.write(b"y" * 10)
    body.end()
    held = [budget.held]
    body.close()
    assert body.reader() is None
    await anext(chunks)
    await anext(chunks)
    held.append(budget.held)
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)
    assert [*held, budget.held] == [20, 10, 0]


PIECES = {"none": ([], b""), "one": ([b"ab"], b"ab"), "two": ([b"a", b"b"], None)}


@pytest.mark.parametrize(("pieces", "whole"), PIECES.values(), ids=PIECES)
async def test_a_body_in_one_piece_is_had_at_once_after_its_end(
    pieces: list[bytes], whole: bytes | None
) -> None:
    body = Broadcast(10)
    reader = body.reader()
    assert reader is not None
    for piece in pieces:
        await body.write(piece)
    before = reader.whole()
    body.end()
    body.close()
    assert (before, reader.whole()) == (None, whole)
    reader.close()
