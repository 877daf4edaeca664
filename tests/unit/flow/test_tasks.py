"""Tasks: none is lost, none fails silently, and draining ends."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from proxy.flow.tasks import drain, spawn


async def test_a_task_nobody_holds_runs_to_its_end() -> None:
    gate, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await gate.wait()
        done.set()

    spawn(work(), "work")
    await asyncio.sleep(0)
    gc.collect()
    gate.set()
    await asyncio.wait_for(done.wait(), 1)


async def test_the_result_is_the_coroutines_and_the_name_ours() -> None:
    async def work() -> int:
        return 7

    task = spawn(work(), "seven")
    assert task.get_name() == "seven"
    assert await task == 7


async def test_an_exception_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ValueError("boom")

    task = spawn(work(), "doomed")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "task doomed failed")
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


async def test_a_cancelled_task_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    task = spawn(asyncio.Event().wait(), "idle")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert not caplog.records


async def test_drain_waits_for_tasks_and_for_those_they_start() -> None:
    ended: list[str] = []

    async def second() -> None:
        await asyncio.sleep(0)
        ended.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        spawn(second(), "second")
        ended.append("first")

    spawn(first(), "first")
    assert await drain(5) == 0
    assert ended == ["first", "second"]


async def test_drain_cancels_what_does_not_end_in_time_and_counts_it() -> None:
    cleaned: list[str] = []

    async def stuck() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("stuck")

    task = spawn(stuck(), "stuck")
    await asyncio.sleep(0)
    assert await drain(0) == 1
    assert task.cancelled()
    assert cleaned == ["stuck"]


async def test_drain_does_not_wait_for_the_task_that_calls_it() -> None:
    assert await spawn(drain(5), "drainer") == 0


async def test_drain_of_nothing_is_at_once() -> None:
    assert await drain(5) == 0
