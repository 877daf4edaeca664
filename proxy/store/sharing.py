"""Equal small parts of many stored responses kept once, and what an entry takes in memory.

Most field lines, tags and route names are the same in entry after entry; as
objects of their own they would cost more than a small body. The table begins
anew when it is full: what is held already stays shared. Not safe across threads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeVar

from proxy.fields import Fields
from proxy.messages import Stored, StoredResponse, Variants

MAX_PARTS: Final = 4096
_LONGEST: Final = 256
"""A longer line is hardly ever found twice, and the table shall stay small."""
_ANSWER: Final = 410
"""A StoredResponse, its times, its place in memory: everything but its parts and body."""
_MARKER: Final = 640
"""A Variants or an Alias, likewise."""
_FIELDS: Final = 160
"""Fields of which no equal ones are here, besides their lines."""
_LINE: Final = 56
_POINTER: Final = 8
_TAG: Final = 40
"""What a tag's place in the index costs, on average over tags of one, of some and of most."""

Part = TypeVar("Part")


class Sharing:
    """`max_parts` bounds the table."""

    def __init__(self, max_parts: int = MAX_PARTS) -> None:
        self._max_parts = max_parts
        self._parts: dict[object, object] = {}
        self._numbers: dict[int, int] = {}
        self._added = 0

    def admit(self, entry: Stored) -> tuple[Stored, int]:
        """An equal entry whose parts are shared, and the bytes it adds."""
        self._added = 0
        if isinstance(entry, StoredResponse):
            admitted, size = self._answer(entry)
            return admitted, self._added + size
        tags = tuple(map(self.part, entry.tags))
        texts: list[str | bytes] = [entry.url, entry.head]
        if isinstance(entry, Variants):
            texts += (*entry.names, *entry.places)
        else:
            texts.append(entry.target)
        size = _MARKER + _taken(texts) + (_POINTER + _TAG) * len(tags)
        return replace(entry, tags=tags), self._added + size

    def number(self, number: int) -> int:
        """The one int that equals it: many entries take as much."""
        if len(self._numbers) >= self._max_parts:
            self._numbers.clear()
        return self._numbers.setdefault(number, number)

    def _answer(self, entry: StoredResponse) -> tuple[StoredResponse, int]:
        admitted = entry.kept(self._fields(entry.fields), self.part)
        size = _ANSWER + sys.getsizeof(entry.body) + _TAG * len(entry.tags)
        if isinstance(admitted.own_tags, tuple):
            size += sys.getsizeof(admitted.own_tags)
        own = admitted.seldom
        if not own.is_nothing:
            texts = [text for text in (own.url, own.head) if text is not None]
            texts += [text for pair in (*own.params, *own.validators) for text in pair]
            size += sys.getsizeof(own) + _taken((*texts, *own.aliases))
            size += _LINE * len((*own.params, *own.validators))
        return admitted, size

    def _fields(self, fields: Fields) -> Fields:
        known = self._parts.get(fields)
        if isinstance(known, Fields):
            return known
        shared = Fields(map(self._line, fields))
        self._added += _FIELDS + 2 * _POINTER * len(shared)
        self._note(shared)
        return shared

    def _line(self, line: tuple[str, str]) -> tuple[str, str]:
        name, value = line
        if len(name) + len(value) > _LONGEST:
            self._added += _LINE + sys.getsizeof(name) + sys.getsizeof(value)
            return line
        made = (self.part(name), value)
        shared = self.part(made)
        if shared is made:
            self._added += sys.getsizeof(value)
        return shared

    def part(self, part: Part) -> Part:
        """The one object that stands for all that equal this."""
        known: Part | None = self._parts.get(part)  # type: ignore[assignment]  # equal, so alike
        if known is not None:
            return known
        self._added += sys.getsizeof(part)
        self._note(part)
        return part

    def _note(self, part: object) -> None:
        if len(self._parts) >= self._max_parts:
            self._parts.clear()
        self._parts[part] = part


def _taken(texts: Iterable[str | bytes]) -> int:
    return sum(_POINTER + sys.getsizeof(text) for text in texts)
