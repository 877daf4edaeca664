"""A visit that has begun is told of once, however it ends."""

from __future__ import annotations

import asyncio

import pytest

from proxy.begun import Begun, failed
from proxy.errors import ClientError, ClientGone
from proxy.outcomes import Outcome, Refusal
from proxy.visit import Visit
from tests.support.build import request


def visit() -> Visit:
    """One of which nothing is known yet."""
    return Visit(request=request(), began_at=0.0, began=0.0, status=200, outcome=Outcome.HIT)


ENDS: list[tuple[BaseException, bool, int, Outcome]] = [
    (ClientGone(), True, 200, Outcome.HIT),
    (asyncio.CancelledError(), True, 200, Outcome.HIT),
    (ClientError(408, "late"), False, 408, Outcome.REFUSED),
    (ValueError(), False, 500, Outcome.ERROR),
    (KeyboardInterrupt(), False, 200, Outcome.HIT),
]


@pytest.mark.parametrize(("error", "aborted", "status", "outcome"), ENDS)
def test_what_went_wrong_is_noted(
    error: BaseException, aborted: bool, status: int, outcome: Outcome
) -> None:
    noted = visit()
    failed(noted, error)
    assert (noted.aborted, noted.status, noted.outcome) == (aborted, status, outcome)
    expected = {408: Refusal.BAD_REQUEST, 500: Refusal.INTERNAL}.get(status)
    assert noted.reason is expected


async def test_one_that_is_finished_is_told_of_behind_that() -> None:
    said: list[str] = []

    async def rest() -> None:
        said.append("done")

    await Begun(visit(), rest, lambda: said.append("told")).finish()
    assert said == ["done", "told"]


async def test_one_that_fails_is_told_of_and_fails() -> None:
    noted, said = visit(), list[str]()

    async def rest() -> None:
        raise ClientError(400, "no")

    with pytest.raises(ClientError):
        await Begun(noted, rest, lambda: said.append("told")).finish()
    assert (said, noted.status) == (["told"], 400)


def test_one_that_nobody_comes_to_finish_was_broken_off() -> None:
    noted, said = visit(), list[str]()

    async def rest() -> None:
        raise AssertionError

    Begun(noted, rest, lambda: said.append("told")).drop()
    assert (said, noted.aborted) == (["told"], True)
