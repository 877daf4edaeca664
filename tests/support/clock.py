"""A clock that stands still until a test moves it."""

from __future__ import annotations

NOW = 1_800_000_000.0
"""The moment at which every test begins: Fri, 15 Jan 2027 08:00:00 GMT."""


class ManualClock:
    """Stands in wherever a `Callable[[], float]` gives the time, in epoch seconds."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        """Move forward, never back, and return the new now."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self.now += seconds
        return self.now
