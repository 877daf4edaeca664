"""A circuit breaker for a store: after some failures in a row nobody waits for it.

Pure but for the clock it is given. Closed, it lets everyone through; open, no
one; after `open_s` a single probe, whose outcome closes it or opens it again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from proxy.store.base import Clock


@dataclass(slots=True)
class Breaker:
    """`failures` in a row open it; time-outs count like errors."""

    clock: Clock
    failures: int = 5
    open_s: float = 2.0
    _failed: int = 0
    _failed_at: float = -math.inf
    _opened_at: float | None = None
    _probing: bool = False

    def allows(self) -> bool:
        """Whether to try; if it is open, True makes the caller the probe, who must report."""
        if self._opened_at is None:
            return True
        if self._probing or self.clock() < self._opened_at + self.open_s:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """A try came back: closed."""
        self._failed = 0
        self._opened_at = None
        self._probing = False

    def failed(self, began: float = math.inf) -> None:
        """A try failed or took too long; `began` on the clock, just now if it is not said.

        Those that were under way when one failed are one with it: a stall fails hundreds at once.
        """
        if began < self._failed_at:
            return
        self._failed, self._failed_at = self._failed + 1, self.clock()
        if self._probing or self._failed >= self.failures:
            self._opened_at = self.clock()
            self._probing = False

    def abandoned(self) -> None:
        """A try was cancelled and says nothing: another may probe."""
        self._probing = False

    @property
    def is_spotless(self) -> bool:
        """Whether nothing has failed since the last success."""
        return not self._failed and self._opened_at is None

    @property
    def is_open(self) -> bool:
        """Whether the store is left alone just now."""
        return self._opened_at is not None
