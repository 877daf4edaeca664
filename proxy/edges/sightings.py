"""What came before: whether something is seen for the second time (the lanes).

Bytes in, a yes or no out. What comes once, and carries a number of its own, need not be kept.
Invariant: bounded; what is forgotten is new again, what is mistaken for another is only kept
a sighting too early.
"""

from __future__ import annotations

from typing import Final

_MOST: Final = 8192
"""Marks in each of two sets, of which the older is forgotten when the newer is full."""


class Sightings:
    """The latest several thousand that came."""

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._old: set[int] = set()

    def before(self, seen: bytes) -> bool:
        """Whether it came before; it has now."""
        mark = hash(seen)
        if mark in self._new or mark in self._old:
            return True
        self._new.add(mark)
        if len(self._new) >= _MOST:
            self._old, self._new = self._new, set()
        return False
