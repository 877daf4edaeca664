"""Tasks: the only place that starts one, so that none is lost.

The event loop keeps only a weak reference to a task, and an exception nobody
awaits is never told. `spawn` keeps the reference and logs the exception;
`drain` is how the process ends without cutting work short needlessly.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

GRACE_S: Final = 5.0
"""How long a cancelled task may take to clean up."""

_LOG: Final = logging.getLogger("larder.tasks")
_running: Final[set[asyncio.Task[Any]]] = set()


def spawn(coro: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Start a task that is referenced until it ends and whose exception is logged."""
    task = asyncio.create_task(coro, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


async def drain(timeout: float) -> int:  # noqa: ASYNC109 - it shares the time out, it never raises
    """Wait `timeout` seconds at most for this loop's tasks, then cancel the rest.

    Returns how many it cancelled. Tasks that start meanwhile are waited for too.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    while (tasks := _others()) and (left := deadline - clock()) > 0:
        await asyncio.wait(tasks, timeout=left)
    late = _others()
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=GRACE_S)
    return len(late)


def _others() -> set[asyncio.Task[Any]]:
    loop, current = asyncio.get_running_loop(), asyncio.current_task()
    return {task for task in _running if task.get_loop() is loop and task is not current}


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("task %s failed", task.get_name(), exc_info=error)
