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
from dataclasses import dataclass, replace
from enum import IntEnum, auto
from functools import lru_cache
from typing import Final, assert_never

from proxy.messages import START, Position, Stored
from proxy.store.base import EVERYTHING, Fact, FactKind, Mark, Sparing
from proxy.store.entry_info import EntryInfo, etag_of

MAX_TAGS: Final = 100_000
MAX_WIDE: Final = 4096
"""Prefix and pattern facts an epoch remembers; one more and a `*` fact takes their place."""


class Verdict(IntEnum):
    """What the known facts say of an entry; the greater, the graver."""

    ALIVE = auto()
    SOFT = auto()
    DEAD = auto()


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest positions of a tag: of facts that kill, that soften, that kill but for an ETag.

    Of two that spare different ETags the earlier spares nobody: what it spares the later kills,
    what the later spares it killed. So one `sparing` says it all, in whatever order facts come.
    """

    hard: Position = START
    soft: Position = START
    sparing: Sparing | None = None

    def raised(self, fact: Fact, position: Position) -> Latest:
        """With one more fact about the tag."""
        if fact.soft:
            return replace(self, soft=max(self.soft, position))
        if not fact.unless:
            return replace(self, hard=max(self.hard, position))
        made, known = Sparing(position, fact.unless), self.sparing
        if known is None:
            return replace(self, sparing=made)
        earlier, later = sorted((known, made), key=lambda each: each.position)
        hard = self.hard if known.etag == made.etag else max(self.hard, earlier.position)
        return Latest(hard, self.soft, later)

    @property
    def last(self) -> Position:
        """The latest of all."""
        return max(self.hard, self.soft, START if self.sparing is None else self.sparing.position)

    def verdict(self, entry: Stored | EntryInfo) -> Verdict:
        """What they say of an entry under the tag."""
        born, sparing = entry.born, self.sparing
        if self.hard > born:
            return Verdict.DEAD
        if sparing is not None and sparing.position > born and not is_spared(entry, sparing.etag):
            return Verdict.DEAD
        return Verdict.SOFT if self.soft > born else Verdict.ALIVE


def is_spared(entry: Stored | EntryInfo, etag: str) -> bool:
    """Whether a fact that spares this ETag spares the entry; it does what only leads to answers."""
    own = etag_of(entry)
    return own is None or own == etag


class FactTable:
    """Recent tag facts, latest last, and every wide fact of the epoch."""

    def __init__(self, max_tags: int = MAX_TAGS) -> None:
        self._max_tags = max_tags
        self._tags: OrderedDict[str, Latest] = OrderedDict()
        self._wide: dict[Fact, Position] = {}
        self.complete_since: Position = START
        self.forgotten: Position = START
        """The latest tag fact that was known and had to make room."""

    def reset(self, complete_since: Position) -> None:
        """Know nothing up to `complete_since`."""
        self._tags.clear()
        self._wide.clear()
        self.complete_since = complete_since
        self.forgotten = START

    def add(self, fact: Fact, position: Position) -> None:
        """Note a fact; in any order, and as often as one likes."""
        match fact.kind:
            case FactKind.TAG:
                self._add_tag(fact, position)
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
        if self._tags and not self._tags.keys().isdisjoint(entry.tags):
            for latest in filter(None, map(self._tags.get, entry.tags)):
                verdict = worse(verdict, latest.verdict(entry))
        for fact, position in self._wide.items():
            if position > born and holds(fact)(entry):
                verdict = worse(verdict, Verdict.SOFT if fact.soft else Verdict.DEAD)
        return verdict

    def proves(self, born: Position) -> bool:
        """Whether the table has every fact later than `born` that this instance followed."""
        return born >= self.complete_since

    def _add_tag(self, fact: Fact, position: Position) -> None:
        tag = fact.value
        self._tags[tag] = self._tags.get(tag, Latest()).raised(fact, position)
        self._tags.move_to_end(tag)
        if kills_all(fact):
            self._wide = {fact: at for fact, at in self._wide.items() if at > position}
        while len(self._tags) > self._max_tags:
            _, oldest = self._tags.popitem(last=False)
            self.forgotten = max(self.forgotten, oldest.last)
            self.complete_since = max(self.complete_since, oldest.last)


def kills_all(fact: Fact) -> bool:
    """Whether nothing that is older can be alive after it."""
    everything = fact.kind is FactKind.TAG and fact.value == EVERYTHING
    return everything and not fact.soft and not fact.unless


def worse(one: Verdict, other: Verdict) -> Verdict:
    """The graver of two."""
    return max(other, one)


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
        verdict = worse(verdict, Latest(mark.hard, mark.soft, mark.sparing).verdict(entry))
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
