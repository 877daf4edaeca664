"""What waits for the shared store, kept on the disk: written when it has changed, by a thread.

Knows nothing of what waits, nor of files. Invariants: one write at a time, of what waits as
it begins, which all share who wait for it; a disk that fails is told of once and tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sized
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting", bound=Sized)

_log = logging.getLogger(__name__)


class Keeping(Generic[Waiting]):
    """`write` lets the disk have exactly this, under a version; None: nothing is kept.

    `what` waits, in words, for people.
    """

    def __init__(self, write: Callable[[Waiting, int], None] | None, what: str) -> None:
        self._write = write
        self._what = what
        self._version = 0
        self._kept = 0
        self._writing = asyncio.Lock()
        self._failing = False

    def changed(self) -> None:
        """What waits is no longer what is kept."""
        self._version += 1

    async def keep(self, waiting: Callable[[], Waiting]) -> bool:
        """Once the disk has what waits now; False if it does not take it."""
        if self._write is None:
            return not waiting()
        wanted = self._version
        async with self._writing:
            if self._kept < wanted:
                version = self._version
                try:
                    await asyncio.to_thread(self._write, waiting(), version)
                except OSError as error:
                    self._report(error)
                else:
                    self._kept, self._failing = version, False
            return self._kept >= wanted

    def _report(self, error: OSError) -> None:
        if not self._failing:
            _log.error(
                "%s that wait for the shared store cannot be kept on the disk and would be lost "
                "if the process ended: %s",
                self._what,
                error,
            )
        self._failing = True
