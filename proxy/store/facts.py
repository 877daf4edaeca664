"""What an instance knows of recent invalidations, and the judging of entries by it.

Pure. The table is complete for all positions after `complete_since`: an entry
born there or later is judged by it alone. It is bounded; what it forgets moves
`complete_since` forward. Prefixes and patterns are kept whole: a `*` fact
replaces them when they become too many.
"""

from __future__ import annotations

import fnmatch
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Final, assert_never

from proxy.messages import START, Position, Stored
from proxy.store.base import EVERYTHING, Fact, FactKind, Mark
from proxy.store.entry_info import EntryInfo

MAX_TAGS: Final = 100_000
MAX_WIDE: Final = 4096
"""Prefix and pattern facts an epoch remembers; one more and a `*` fact takes their place."""


class Verdict(Enum):
    """What the known facts say of an entry."""

    ALIVE = auto()
    SOFT = auto()
    DEAD = auto()


@dataclass(frozen=True, slots=True)
class _Latest:
    hard: Position = START
    soft: Position = START

    def raised(self, position: Position, *, soft: bool) -> _Latest:
        if soft:
            return _Latest(self.hard, max(self.soft, position))
        return _Latest(max(self.hard, position), self.soft)

    def verdict(self, born: Position) -> Verdict:
        if self.hard > born:
            return Verdict.DEAD
        return Verdict.SOFT if self.soft > born else Verdict.ALIVE


class FactTable:
    """Recent tag facts, latest last, and every wide fact of the epoch."""

    def __init__(self, max_tags: int = MAX_TAGS) -> None:
        self._max_tags = max_tags
        self._tags: OrderedDict[str, _Latest] = OrderedDict()
        self._wide: dict[Fact, Position] = {}
        self.complete_since: Position = START

    def reset(self, complete_since: Position) -> None:
        """Know nothing up to `complete_since`."""
        self._tags.clear()
        self._wide.clear()
        self.complete_since = complete_since

    def add(self, fact: Fact, position: Position) -> None:
        """Note a fact; in any order, and as often as one likes."""
        match fact.kind:
            case FactKind.TAG:
                self._add_tag(fact.value, position, soft=fact.soft)
            case FactKind.PREFIX | FactKind.MATCH:
                self._wide[fact] = max(self._wide.get(fact, START), position)
            case _:
                assert_never(fact.kind)

    def wide_count(self) -> int:
        """How many prefix and pattern facts are active."""
        return len(self._wide)

    def judge(self, entry: Stored | EntryInfo) -> Verdict:
        """By the facts in the table alone; whether they are all is `proves`."""
        born = entry.born
        verdict = Verdict.ALIVE
        for tag in entry.tags:
            latest = self._tags.get(tag)
            if latest is not None:
                verdict = worse(verdict, latest.verdict(born))
        for fact, position in self._wide.items():
            if position > born and holds(fact)(entry):
                verdict = worse(verdict, Verdict.SOFT if fact.soft else Verdict.DEAD)
        return verdict

    def proves(self, born: Position) -> bool:
        """Whether the table has every fact later than `born` that this instance followed."""
        return born >= self.complete_since

    def _add_tag(self, tag: str, position: Position, *, soft: bool) -> None:
        self._tags[tag] = self._tags.get(tag, _Latest()).raised(position, soft=soft)
        self._tags.move_to_end(tag)
        if tag == EVERYTHING and not soft:
            self._wide = {fact: at for fact, at in self._wide.items() if at > position}
        while len(self._tags) > self._max_tags:
            _, oldest = self._tags.popitem(last=False)
            self.complete_since = max(self.complete_since, oldest.hard, oldest.soft)


def worse(one: Verdict, other: Verdict) -> Verdict:
    """The graver of two."""
    return max(one, other, key=lambda verdict: verdict.value)


def judge_by_marks(
    entry: Stored, generations: tuple[int, ...], marks: Iterable[Mark | None]
) -> Verdict:
    """By the marks of all its tags. One that is missing or was made anew proves nothing: dead."""
    marks = tuple(marks)
    if not len(marks) == len(generations) == len(entry.tags):
        return Verdict.DEAD
    verdict = Verdict.ALIVE
    for generation, mark in zip(generations, marks, strict=True):
        if mark is None or mark.generation != generation:
            return Verdict.DEAD
        verdict = worse(verdict, _Latest(mark.hard, mark.soft).verdict(entry.born))
    return verdict


@lru_cache(maxsize=2 * MAX_WIDE)
def holds(fact: Fact) -> Callable[[Stored | EntryInfo], bool]:
    """The test whether a fact speaks of an entry."""
    value = fact.value
    match fact.kind:
        case FactKind.TAG:
            return lambda entry: value in entry.tags
        case FactKind.PREFIX:
            return lambda entry: entry.head.startswith(value) or entry.url.startswith(value)
        case FactKind.MATCH:
            pattern = re.compile(fnmatch.translate(value))
            return lambda entry: bool(pattern.match(entry.head) or pattern.match(entry.url))
        case _:
            assert_never(fact.kind)
