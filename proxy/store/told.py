"""Answers that are told to a callback: what a look-up costs least as.

Whoever asks hands over a `Told`, which is called once, at once or later, with the value or
the error. Knows nothing of what is asked. Invariants: what goes wrong in one callback
reaches none of the others; a future that nobody waits for any more takes no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from proxy.errors import StoreError

Value = TypeVar("Value")
Made = TypeVar("Made")
Told = Callable[[Value | Exception], None]
"""Called with what was found, or with the error in place of raising it."""


def tell(told: Told[Value], outcome: Value | Exception) -> None:
    """Call it; a defect in it is the loop's to report, as it would be of a future's callback."""
    try:
        told(outcome)
    except Exception as error:  # noqa: BLE001  others wait for answers that came with this one
        context = {"message": "a defect where an answer was told", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


def tell_made(told: Told[Made], make: Callable[[Value], Made], outcome: Value | Exception) -> None:
    """Tell what `make` makes of the value, or what it raises."""
    made: Made | Exception
    if isinstance(outcome, Exception):
        made = outcome
    else:
        try:
            made = make(outcome)
        except Exception as error:  # noqa: BLE001  it is told to whoever asked
            made = error
    told(made)


def awaited(ask: Callable[[Told[Value]], object]) -> asyncio.Future[Value]:
    """The same for who awaits: what `ask` is to tell."""
    answer: asyncio.Future[Value] = asyncio.get_running_loop().create_future()

    def settle(outcome: Value | Exception) -> None:
        if answer.done():
            return
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
            answer.exception()  # whoever asked may have left: then nobody is to be told of it
        else:
            answer.set_result(outcome)

    ask(settle)
    return answer


async def told_of(asked: Awaitable[Value], told: Told[Value]) -> None:
    """Tell what comes of `asked`, also if its task is cancelled."""
    outcome: Value | Exception = StoreError("the shared store was not waited for")
    try:
        outcome = await asked
    except Exception as error:  # noqa: BLE001  it is told to whoever asked
        outcome = error
    finally:
        told(outcome)


def nobody(_outcome: object) -> None:
    """In place of one who has been told."""
