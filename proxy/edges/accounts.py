"""All that is kept of money and use beside the statistics: ledger, hits, budgets, alerts.

A part of the composition root: it makes them, tells them of exchanges and upstream calls, and
ticks. Invariant: nothing here is waited for by a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from operator import attrgetter
from typing import Final

from proxy.budgeting import EVERY_S, Budgets
from proxy.edges.alerts import Alerts
from proxy.edges.hits import Hits
from proxy.edges.ledger import Ledger
from proxy.edges.metrics import Sample
from proxy.edges.stats import Statistics
from proxy.observing import Counts, Observer, Retells
from proxy.rules.compiled import Config
from proxy.rules.prices import MICROS
from proxy.spending import Spending
from proxy.store.base import Spawn
from proxy.store.notes import Notes

TICK_S: Final = EVERY_S


class Accounts:
    """Needs a running loop. `clock` is epoch seconds; `stats` are reset with the ledger."""

    def __init__(
        self, notes: Notes, spawn: Spawn, clock: Callable[[], float], stats: Statistics
    ) -> None:
        self._spawn = spawn
        self._clock = clock
        self._stats = stats
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.ledger = Ledger(notes, spawn, clock, self._reset)
        self.hits = Hits(notes, spawn)
        self.budgets = Budgets(notes, spawn, clock)
        self.alerts = Alerts(self.ledger.rows)
        self.spending = Spending(self.budgets, self.ledger.spent)

    @property
    def observers(self) -> tuple[Observer, ...]:
        """What counts each exchange."""
        hits = Retells(
            tell=self.hits.observe,
            form=attrgetter("place"),
            retell=self.hits.repeat,
        )
        return Counts(self.ledger.count), hits

    def adopt(self, config: Config) -> None:
        """Go by these rules from now on."""
        self.budgets.adopt(config.budgets)
        self.alerts.adopt(config, self._clock())

    def start(self) -> None:
        """Begin to tick."""
        self.ledger.start()
        self.hits.start()
        self._task = self._spawn(self._run(), "accounts")

    async def close(self) -> None:
        """End, and pass on what waits."""
        self._closing.set()
        if self._task is not None:
            await asyncio.wait((self._task,))  # which a neighbour's end may have cancelled
        await self.ledger.close()
        await self.hits.close()
        await self.budgets.close()

    def _reset(self) -> None:
        now = self._clock()
        self._stats.reset(now)
        self.alerts.reset(now)

    async def _run(self) -> None:
        while not self._closing.is_set():
            self.alerts.tick(self._clock())
            self.hits.fold()
            await self.ledger.fold()
            await self.budgets.refresh()
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._closing.wait()

    def samples(self) -> Iterator[Sample]:
        """What a scrape reads: what this process has spent and saved, and which alerts fire."""
        for (route, unit), row in self.ledger.rows.items():
            if unit:
                yield "larder_cost_total", (route, unit), row.spent / MICROS
                yield "larder_saved_total", (route, unit), row.saved / MICROS
                yield "larder_unpriced_total", (route, unit), row.unpriced
        for name, fires in self.alerts.firing():
            yield "larder_alert_firing", (name,), fires
