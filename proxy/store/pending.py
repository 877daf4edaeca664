"""The facts applied here that the journal has not taken yet: in memory, and kept on the disk.

`add` and `settle` are at once; `kept` is when the disk has what they made of it.
A disk that fails is told of once and tried again; the facts hold and wait all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Final

from proxy.store.base import EVERYTHING, Fact, FactKind
from proxy.store.fact_file import FactFile
from proxy.store.keeping import Keeping

MAX_PENDING: Final = 10_000

_log = logging.getLogger(__name__)


class Pending:
    """Too many become one `*`. Without a `file` they end with the process.

    Each has a number, so that one stated again while it is being appended waits again:
    1. `t` is appended at P.  2. Another instance fetches, born P.  3. `t` is stated anew.
    4. The append of (1) is confirmed: only the statement of (1) is settled.
    """

    def __init__(self, limit: int = MAX_PENDING, file: FactFile | None = None) -> None:
        self._limit = limit
        self._file = file
        self._facts: dict[Fact, int] = {}
        self._stated = 0
        write = None if file is None else file.write
        self._disk: Keeping[tuple[Fact, ...]] = Keeping(write, "invalidations")

    def add(self, facts: Iterable[Fact]) -> None:
        """Queue them; one that waits already takes no more room."""
        for fact in facts:
            if fact not in self._facts:
                self._disk.changed()
            self._stated += 1
            self._facts[fact] = self._stated
        if len(self._facts) > self._limit:
            self._facts = {Fact(FactKind.TAG, EVERYTHING): self._stated}

    def snapshot(self) -> dict[Fact, int]:
        """All that wait, with their numbers."""
        return dict(self._facts)

    def settle(self, snapshot: Mapping[Fact, int]) -> None:
        """The journal and the marks have these, as they were stated then."""
        for fact, stated in snapshot.items():
            if self._facts.get(fact) == stated:
                del self._facts[fact]
                self._disk.changed()

    def __len__(self) -> int:
        return len(self._facts)

    async def adopt(self) -> None:
        """Queue what processes before this one left behind."""
        if self._file is None:
            return
        try:
            left = await asyncio.to_thread(self._file.adopt)
        except OSError as error:
            # What they invalidated is unknown, so all of it has to go.
            _log.error("invalidations of an earlier run cannot be read: %s; all is purged", error)
            left = (Fact(FactKind.TAG, EVERYTHING),)
        if left:
            _log.warning("%d invalidation(s) of an earlier run are passed on", len(left))
        elif not await asyncio.to_thread(self._file.may_write):
            _log.warning(
                "%s cannot be written: invalidations that wait for the shared store would be "
                "lost if the process ended meanwhile",
                self._file.path.parent,
            )
        self.add(left)

    async def kept(self) -> bool:
        """Once the disk has all that waits now; False if it does not take it. Shares writes."""
        return await self._disk.keep(lambda: tuple(self._facts))

    async def close(self) -> int:
        """Let the next process have them; how many are lost, because no disk took them."""
        kept, waiting = await self.kept(), len(self)
        if self._file is not None:
            await asyncio.to_thread(self._file.close)
            if waiting and kept:
                _log.warning(
                    "%d invalidation(s) wait for the shared store in %s: other instances serve "
                    "what they are about until the next start here passes them on",
                    waiting,
                    self._file.path,
                )
        if waiting and not kept:
            _log.error(
                "%d invalidation(s) are lost: neither the shared store nor the disk took them; "
                "purge what they were about, or everything",
                waiting,
            )
        return 0 if kept else waiting
