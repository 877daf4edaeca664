"""Budget: how many bytes the process may hold of bodies on their way, and who holds them.

It counts and knows nothing of what is counted. What the stores hold is theirs to bound; this
is for the rest: bodies that are being recorded, or were read for a key. Invariants: what is
held is what was taken and not yet given back; nobody takes more than is then left for all
the others, so that a few who hold much always leave room for what is small.
"""

from __future__ import annotations

import asyncio
from typing import Final

DEFAULT_TOTAL: Final = 256 * 1024 * 1024


def total_for(memory: int, *bodies: int) -> int:
    """As much again as the memory tier; at least what the largest body takes that is allowed.

    One holder gets half at most, hence twice the largest of `bodies`.
    """
    return max(memory, *(2 * body for body in bodies))


class Budget:
    """`total` bytes that may be held, and `held` that are."""

    def __init__(self, total: int = DEFAULT_TOTAL) -> None:
        self.total = total
        self.held = 0
        self.freed = asyncio.Event()
        """Set when something was given back."""

    def take(self, size: int, having: int = 0) -> bool:
        """Hold `size` more, for one who has `having` already; False if that is too much."""
        if having + size > self.total - self.held:
            return False
        self.held += size
        return True

    def hold(self, size: int) -> None:
        """Hold them in any case: what is passed on has to be somewhere, a window of it at most."""
        self.held += size

    def give(self, size: int) -> None:
        """Hold so many less."""
        if not 0 <= size <= self.held:
            raise AssertionError(size, self.held)  # more was given back than was taken
        self.held -= size
        if size:
            self.freed.set()


class Lease:
    """What one body holds of a budget, until each of its owners has ended it."""

    __slots__ = ("_budget", "_owners", "size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._owners = 1
        self.size = 0

    def take(self, size: int) -> bool:
        """Hold `size` more, if the budget has them."""
        if not self._budget.take(size, self.size):
            return False
        self.size += size
        return True

    @property
    def most(self) -> int:
        """What one body can ever hold, when nothing else is held."""
        return self._budget.total // 2

    async def take_in_time(self, size: int, within_s: float) -> bool:
        """Hold `size` more as soon as the budget has them; False if it has not within `within_s`.

        Whoever is woken and finds no room waits on: what was given back is taken once.
        """
        try:
            async with asyncio.timeout(within_s):
                while not self.take(size):
                    self._budget.freed.clear()
                    await self._budget.freed.wait()
        except TimeoutError:
            return False
        return True

    def hold(self, size: int) -> None:
        """Hold `size` more in any case."""
        self._budget.hold(size)
        self.size += size

    def give(self, size: int) -> None:
        """Hold so many less; what an ended lease held was given back before."""
        given = min(size, self.size)
        self._budget.give(given)
        self.size -= given

    def share(self) -> Lease:
        """One owner more."""
        self._owners += 1
        return self

    def end(self) -> None:
        """One owner less; the last one gives everything back."""
        self._owners -= 1
        if self._owners <= 0 and self.size:
            self.give(self.size)
