"""Which names come often, of those that anybody may send (folding.py).

Names in, names out. What comes once gets no more than half of the places, what is counted is
bounded, and once all places are taken, others are chosen seldom, however many come. Invariant: a
name that goes on coming more often than most is chosen in the end.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST: Final = 32
"""Names that are chosen."""

_MOST_AT_SIGHT: Final = _MOST // 2
"""Of these, what is chosen before it came again: few clients send names that nobody knows."""

_MOST_COUNTED: Final = 512
_MOST_AT_ONCE: Final = 16
"""Names of one sighting that are counted: the first."""

_PERIOD: Final = 1024
"""Sightings from one choice to the next while there is no room."""


class Frequent:
    """`names` are the chosen ones: the first that came, later those that come most."""

    def __init__(self) -> None:
        self.names = frozenset[str]()
        self._counts: dict[str, int] = {}
        self._left = _PERIOD

    def sighted(self, names: Iterable[str]) -> bool:
        """Count these; whether others are chosen now."""
        before = self.names
        for name in islice(names, _MOST_AT_ONCE):
            self._count(name)
        self._left -= 1
        if self._left <= 0:
            self._left = _PERIOD
            self._choose_again()
        return self.names != before

    def _count(self, name: str) -> None:
        count = self._counts[name] = self._counts.get(name, 0) + 1
        if len(self.names) < (_MOST if count > 1 else _MOST_AT_SIGHT):
            self.names |= {name}
        if len(self._counts) > _MOST_COUNTED:
            self._halve()

    def _choose_again(self) -> None:
        """The most frequent; what is chosen makes room for nothing that came no more often."""
        counts = {**dict.fromkeys(self.names, 0), **self._counts}
        often = [name for name, count in counts.items() if count > 1 or name in self.names]
        often.sort(key=lambda name: (-counts[name], name not in self.names, name))
        self.names = frozenset(often[:_MOST])
        self._halve()

    def _halve(self) -> None:
        """What came long ago counts less, and what came once not at all."""
        self._counts = {name: count // 2 for name, count in self._counts.items() if count > 1}
