"""Which of many path patterns a path may match: a tree of their segments.

Floor 2. Pure. It leaves out what cannot match and decides nothing more: the patterns themselves
do. A step goes down to the branch of the segment's own text and to that of any text, so what a
look-up costs hangs on the path and on those that match it, not on how many patterns there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.rules.patterns import Pattern

T = TypeVar("T")


class RouteTree(Generic[T]):
    """A node: what `ends` here, what takes any `rests`, and where `fixed` and `others` lead.

    What is added keeps its place in the order of adding.
    """

    __slots__ = ("ends", "fixed", "others", "rests")

    def __init__(self) -> None:
        self.ends: list[tuple[int, T]] = []
        self.rests: list[tuple[int, T]] = []
        self.fixed: dict[str, RouteTree[T]] = {}
        self.others: RouteTree[T] | None = None

    def add(self, place: int, pattern: Pattern | None, item: T) -> None:
        """Add what stands at this place in the order; no pattern: it takes every path."""
        node = self
        for segment in () if pattern is None else pattern.segments:
            if isinstance(segment, str):
                node = node.fixed.setdefault(segment, RouteTree())
            else:
                node.others = node.others or RouteTree()
                node = node.others
        takes_rest = pattern is None or pattern.rest is not None
        (node.rests if takes_rest else node.ends).append((place, item))

    def find(self, segments: Sequence[str]) -> list[T]:
        """What a path of these decoded segments may match, in order."""
        found = self._found(segments)
        if len(found) > 1:
            found.sort(key=_place)
        return [item for _, item in found]

    def _found(self, segments: Sequence[str]) -> list[tuple[int, T]]:
        found = [*self.rests]
        nodes = [self]
        for segment in segments:
            below: list[RouteTree[T]] = []
            for node in nodes:
                named = node.fixed.get(segment)
                if named is not None:
                    below.append(named)
                if node.others is not None:
                    below.append(node.others)
            if not below:
                return found
            for node in below:
                found += node.rests
            nodes = below
        for node in nodes:
            found += node.ends
        return found


def _place(found: tuple[int, object]) -> int:
    return found[0]
