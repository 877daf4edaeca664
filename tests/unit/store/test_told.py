"""Answers told to callbacks: once each, and what goes wrong in one reaches no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from proxy.errors import StoreError
from proxy.flow.tasks import spawn
from proxy.store.told import Told, awaited, nobody, tell, tell_made, told_of

ERROR = StoreError("as it is")


async def test_a_defect_in_a_callback_is_the_loops_to_report() -> None:
    reported: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))

    def broken(_: object) -> None:
        raise ERROR

    tell(broken, 1)
    assert reported == [ERROR]


def failing(_: int) -> int:
    raise ERROR


MADE: list[tuple[Callable[[int], int], int | Exception, object]] = [
    (abs, -1, 1),
    (abs, ERROR, ERROR),
    (failing, 1, ERROR),
]


@pytest.mark.parametrize(("make", "outcome", "made"), MADE)
def test_what_is_made_of_an_answer_is_told(
    make: Callable[[int], int], outcome: int | Exception, made: object
) -> None:
    told: list[object] = []
    tell_made(told.append, make, outcome)
    assert told == [made]


@pytest.mark.parametrize("at_once", [True, False])
async def test_who_awaits_is_given_the_value_or_the_error(at_once: bool) -> None:
    loop = asyncio.get_running_loop()

    def ask(outcome: int | Exception) -> Callable[[Told[int]], object]:
        return lambda told: told(outcome) if at_once else loop.call_soon(told, outcome)

    assert await awaited(ask(1)) == 1
    with pytest.raises(StoreError, match="as it is"):
        await awaited(ask(ERROR))


@pytest.mark.parametrize("outcome", [1, ERROR])
async def test_who_waits_no_longer_is_told_nothing(outcome: int | Exception) -> None:
    asked: list[Told[int]] = []
    answer = awaited(asked.append)
    answer.cancel()
    asked[0](outcome)
    assert answer.cancelled()


async def test_what_is_awaited_by_a_task_is_told() -> None:
    told: list[object] = []

    async def value() -> int:
        return 1

    async def error() -> int:
        raise ERROR

    await told_of(value(), told.append)
    await told_of(error(), told.append)
    assert told == [1, ERROR]


async def test_a_task_that_is_cancelled_tells_so() -> None:
    told: list[object] = []
    never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = spawn(told_of(never, told.append), "test-told")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert [type(outcome) for outcome in told] == [StoreError]


def test_nobody_is_told_nothing() -> None:
    nobody(1)
