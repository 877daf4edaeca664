"""Rate limits that count calls in windows of wall-clock time.

Knows no clock: `now` is an argument. A call over a limit is not counted, as
with the APIs that refuse it before doing anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `calls` under one `key` in each window of `window_s` seconds."""

    key: Hashable
    calls: int
    window_s: float = 60.0


@dataclass(slots=True)
class Windows:
    """The counters of the windows under way."""

    _taken: Counter[tuple[Hashable, float, int]] = field(default_factory=Counter)

    def take(self, limits: Iterable[Limit], now: float) -> Limit | None:
        """Count one call under all limits, or under none and name the one that is used up."""
        slots = [
            ((limit.key, limit.window_s, int(now // limit.window_s)), limit) for limit in limits
        ]
        for slot, limit in slots:
            if self._taken[slot] >= limit.calls:
                return limit
        self._taken.update(slot for slot, _ in slots)
        return None
