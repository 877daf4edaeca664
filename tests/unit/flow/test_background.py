"""Work behind: when a job starts, when it is given up, and what is counted of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine

import pytest

from proxy.flow import tasks
from proxy.flow.background import Background, Fate, JobFailedError
from tests.support.larder import until


class Work:
    """Jobs that tell when they began, and end when they are let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gate = asyncio.Event()

    def job(self, name: str) -> Callable[[], Coroutine[object, object, None]]:
        async def run() -> None:
            self.begun.append(name)
            await self.gate.wait()

        return run


async def turns(count: int = 5) -> None:
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


def counts(background: Background) -> dict[tuple[str, str], int]:
    return {(name, str(fate)): n for (name, fate), n in background.counts.items() if n}


async def test_no_more_run_than_the_limit_and_the_others_follow_in_order() -> None:
    background, work = Background(tasks.spawn, limit=2), Work()
    assert all(background.offer("db", name, work.job(name)) for name in "abcd")
    await turns()
    assert (work.begun, len(background)) == (["a", "b"], 4)
    work.gate.set()
    await turns(20)
    assert (work.begun, len(background)) == (["a", "b", "c", "d"], 0)
    assert counts(background) == {("db", "done"): 4}


async def test_one_upstream_does_not_wait_for_another() -> None:
    background, work = Background(tasks.spawn, limit=1), Work()
    with background.behind("db"):
        background.offer("db", "a", work.job("a"))
        background.offer("ai", "b", work.job("b"))
        background.offer("", "c", work.job("c"))
        await turns()
        assert work.begun == ["b", "c"]
    work.gate.set()
    await turns(20)
    assert work.begun == ["b", "c", "a"]


async def test_a_name_is_there_once_until_it_is_over() -> None:
    background, work = Background(tasks.spawn), Work()
    assert background.offer("db", "a", work.job("a"))
    assert not background.offer("db", "a", work.job("a"))
    assert background.offer("ai", "a", work.job("a"))
    work.gate.set()
    await turns(20)
    assert background.offer("db", "a", work.job("a"))
    await turns(20)
    assert work.begun == ["a"] * 3


async def test_what_there_is_no_room_for_is_refused_and_counted() -> None:
    background, work = Background(tasks.spawn, limit=1, waiting=1), Work()
    taken = [background.offer("db", name, work.job(name)) for name in "abc"]
    work.gate.set()
    await turns(20)
    assert (taken, work.begun) == ([True, True, False], ["a", "b"])
    assert counts(background) == {("db", "done"): 2, ("db", "refused"): 1}


async def test_nothing_starts_while_any_client_waits() -> None:
    background, work = Background(tasks.spawn), Work()
    work.gate.set()
    with background.behind("db"):
        with background.behind("db"):
            background.offer("db", "a", work.job("a"))
        await turns()
        assert work.begun == []
    await turns()
    assert work.begun == ["a"]


async def test_as_many_as_began_must_end() -> None:
    background, work = Background(tasks.spawn), Work()
    work.gate.set()
    behind = background.behind("db")
    assert background.behind("db") is behind
    for _ in range(3):
        behind.begin()
    assert background.offer("db", "a", work.job("a"))
    for _ in range(3):
        await turns()
        assert work.begun == []
        behind.end()
    await turns()
    assert work.begun == ["a"]
    behind.begin()
    assert background.offer("db", "b", work.job("b"))
    await turns()
    assert work.begun == ["a"]
    behind.end()
    await turns()
    assert work.begun == ["a", "b"]


async def test_what_waited_before_the_clients_came_is_dropped_in_time_too() -> None:
    background, work = Background(tasks.spawn, limit=1, patience_s=0), Work()
    background.offer("db", "runs", work.job("runs"))
    background.offer("db", "waits", work.job("waits"))
    behind = background.behind("db")
    behind.begin()
    await until(lambda: counts(background) == {("db", "dropped"): 1})
    behind.end()
    work.gate.set()
    await turns()
    assert work.begun == ["runs"]


async def test_a_failure_of_whoever_waits_ends_its_waiting() -> None:
    background, work = Background(tasks.spawn), Work()
    work.gate.set()

    def fails() -> None:
        with background.behind("db"):
            background.offer("db", "a", work.job("a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    await turns()
    assert work.begun == ["a"]


async def test_what_waits_too_long_for_clients_is_dropped_unless_it_waits_on() -> None:
    background, work = Background(tasks.spawn, patience_s=0), Work()
    work.gate.set()
    with background.behind("db"):
        background.offer("db", "prefetch", work.job("prefetch"))
        background.offer("db", "warm", work.job("warm"), wait_on=True)
        await until(lambda: len(background) == 1)
        assert counts(background) == {("db", "dropped"): 1}
        assert background.offer("db", "prefetch", work.job("again"), wait_on=True)
    await turns(20)
    assert work.begun == ["warm", "again"]


async def test_what_waits_for_its_own_kind_is_not_dropped() -> None:
    background, work = Background(tasks.spawn, limit=1, patience_s=0), Work()
    background.offer("db", "a", work.job("a"))
    background.offer("db", "b", work.job("b"))
    await asyncio.sleep(0.001)
    work.gate.set()
    await turns(20)
    assert work.begun == ["a", "b"]


async def failing() -> None:
    raise JobFailedError("no")


async def broken() -> None:
    raise ZeroDivisionError


async def test_a_job_that_came_to_nothing_is_counted_and_nobody_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    background = Background(tasks.spawn)
    background.offer("db", "a", failing)
    await turns(20)
    assert (counts(background), caplog.records) == ({("db", "failed"): 1}, [])


async def test_a_defect_in_a_job_is_logged_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    background, work = Background(tasks.spawn, limit=1), Work()
    work.gate.set()
    background.offer("db", "a", broken)
    background.offer("db", "b", work.job("b"))
    await turns(20)
    assert work.begun == ["b"]
    assert [record.message for record in caplog.records] == ["task background a failed"]


async def test_what_hangs_is_given_up_and_counted_and_others_have_its_place() -> None:
    background, work = Background(tasks.spawn, limit=1, run_s=0), Work()
    background.offer("db", "prefetch", work.job("prefetch"))
    background.offer("db", "warm", work.job("warm"), wait_on=True)
    await until(lambda: work.begun[-1:] == ["warm"])
    await turns()
    assert (len(background), counts(background)) == (1, {("db", "failed"): 1})
    work.gate.set()
    await turns()
    assert counts(background) == {("db", "failed"): 1, ("db", "done"): 1}


async def test_at_the_end_what_runs_is_finished_and_what_waits_dropped() -> None:
    background, work = Background(tasks.spawn, limit=1), Work()
    background.offer("db", "a", work.job("a"))
    background.offer("db", "b", work.job("b"))
    await turns()
    async with asyncio.TaskGroup() as group:
        group.create_task(background.drain(5))
        await turns()
        assert not background.offer("db", "c", work.job("c"))
        work.gate.set()
    await turns()
    assert work.begun == ["a"]
    assert background.counts["db", Fate.DROPPED] == 1


async def test_at_the_end_what_takes_too_long_is_given_up() -> None:
    background, work = Background(tasks.spawn), Work()
    background.offer("db", "a", work.job("a"))
    await turns()
    await background.drain(0)
    await turns()
    assert (len(background), counts(background)) == (0, {("db", "failed"): 1})
