"""Budgets: what upstream calls have cost in this window, and whether one more may be made.

Floor 6, beside the driver. Sums are counted here at once and are all instances' within a second
or two (store/tally). Invariants: what is under way counts as spent, by the least it may cost, so
that requests at once do not all pass; hits are never asked; a store that is away makes a budget
this instance's own, it never stops a request.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from proxy.decisions.costing import least, shown
from proxy.errors import StoreError
from proxy.store.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from proxy.rules.budgets import Budget
    from proxy.rules.route import Route
    from proxy.rules.subject import Subject
    from proxy.store.base import Spawn
    from proxy.store.notes import Notes

SPENT: Final = "spent"
EVERY_S: Final = 1.0
"""How often instances tell each other what they have spent."""

_WINDOWS_KEPT: Final = 2


@dataclass(frozen=True, slots=True)
class Over:
    """A budget that is spent; the next window begins in `retry_after` seconds."""

    budget: Budget
    retry_after: int

    @property
    def detail(self) -> str:
        """What the client is told."""
        limit = f"{shown(self.budget.limit)} {self.budget.unit} in {self.budget.per:g} seconds"
        return f"the budget {self.budget.name} is spent: {limit}; what is cached is still served"


@dataclass(slots=True)
class Hold:
    """What one upstream call under way may cost at least, in each of its budgets."""

    purses: tuple[tuple[_Purse, str], ...] = ()
    amount: int = 0

    def end(self, cost: int = 0) -> None:
        """The call is over and has cost so much."""
        purses, self.purses = self.purses, ()
        for purse, key in purses:
            purse.release(key, self.amount)
            if cost:
                purse.tally.add(key, {SPENT: cost})


@dataclass(slots=True)
class _Purse:
    """One budget: what is spent of it by window and sharer, and what is under way."""

    budget: Budget
    tally: Tally
    held: dict[str, int] = field(default_factory=dict)

    def key(self, route: Route, subject: Subject, now: float) -> str:
        return f"{self.budget.window(now)} {self.budget.sharer(route, subject)}"

    def spent(self, key: str) -> int:
        return int(self.tally.sums(key).get(SPENT, 0.0)) + self.held.get(key, 0)

    def release(self, key: str, amount: int) -> None:
        left = self.held.get(key, 0) - amount
        if left > 0:
            self.held[key] = left
        else:
            self.held.pop(key, None)


class Budgets:
    """The budgets in force. `clock` is epoch seconds."""

    def __init__(self, notes: Notes, spawn: Spawn, clock: Callable[[], float]) -> None:
        self._notes = notes
        self._spawn = spawn
        self._clock = clock
        self._purses: dict[str, _Purse] = {}
        self._retired: list[Tally] = []

    def adopt(self, budgets: Iterable[Budget]) -> None:
        """Keep to these from now on; what was spent of those that stay is spent."""
        before, self._purses = self._purses, {}
        for budget in budgets:
            known = before.pop(_space(budget), None)
            if known is None:
                known = _Purse(budget, self._tally(budget))
                known.tally.start()
            known.budget = budget
            self._purses[_space(budget)] = known
        self._retired += [purse.tally for purse in before.values()]

    def _tally(self, budget: Budget) -> Tally:
        ttl_s = _WINDOWS_KEPT * budget.per
        return Tally(self._notes, _space(budget), self._spawn, EVERY_S, ttl_s=ttl_s)

    def over(self, route: Route, subject: Subject) -> Over | None:
        """The budget that forbids one more upstream call, if any; of several the last to end."""
        if route.cost is None or not self._purses:
            return None
        now, more = self._clock(), least(route.cost)
        over = [
            Over(purse.budget, max(1, math.ceil(purse.budget.ends(now))))
            for purse in self._of(route)
            if more and purse.spent(purse.key(route, subject, now)) + more > purse.budget.limit
        ]
        return max(over, key=lambda each: each.retry_after, default=None)

    def hold(self, route: Route, subject: Subject) -> Hold:
        """Count a call that begins now as under way, until the hold ends."""
        if route.cost is None or not self._purses:
            return Hold()
        now, amount = self._clock(), least(route.cost)
        purses = tuple((purse, purse.key(route, subject, now)) for purse in self._of(route))
        for purse, key in purses:
            purse.held[key] = purse.held.get(key, 0) + amount
        return Hold(purses, amount)

    def _of(self, route: Route) -> list[_Purse]:
        return [purse for purse in self._purses.values() if route.name in purse.budget.routes]

    async def refresh(self) -> None:
        """Learn what other instances have spent; let go of budgets that are no more."""
        retired, self._retired = self._retired, []
        for tally in retired:
            await tally.close()
        for purse in tuple(self._purses.values()):
            with suppress(StoreError):  # the next time
                await purse.tally.read()

    async def close(self) -> None:
        """Pass on what waits."""
        for tally in (*self._retired, *(purse.tally for purse in self._purses.values())):
            await tally.close()


def _space(budget: Budget) -> str:
    """The notes of a budget: another length of its window, or unit, makes another budget."""
    name = f"{budget.name} {budget.unit} {budget.per}"
    return f"budget-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
