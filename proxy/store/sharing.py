"""Equal small parts of many stored responses kept once, and what an entry takes in memory.

Most field lines, tags and route names are the same in entry after entry; as
objects of their own they would cost more than a small body. The table begins
anew when it is full: what is held already stays shared. Not safe across threads.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Final, TypeVar

from proxy.fields import Fields
from proxy.messages import Alias, Position, Stored, Variants

MAX_PARTS: Final = 4096
_LONGEST: Final = 256
"""A longer line is hardly ever found twice, and the table shall stay small."""
_ANSWER: Final = 750
"""A StoredResponse, its numbers, its place in memory: everything but texts and body."""
_VARIANTS: Final = 400
_LINE: Final = 72
_POINTER: Final = 8
_TAG: Final = 90
"""What a tag's place in the index costs, on average over tags of one and of many entries."""
_INDEXED_LINE: Final = 130
"""What a line costs more once `Fields` has been asked for a field by name."""

Part = TypeVar("Part", str, tuple[str, str], Position)


class Sharing:
    """`max_parts` bounds the table."""

    def __init__(self, max_parts: int = MAX_PARTS) -> None:
        self._max_parts = max_parts
        self._parts: dict[object, object] = {}

    def admit(self, entry: Stored) -> tuple[Stored, int]:
        """An equal entry whose parts are shared, and the bytes it adds."""
        if isinstance(entry, Variants):
            tags, size = self._texts(entry.tags)
            parts = (*entry.names, *entry.places, entry.url, entry.head)
            size += _POINTER * len(entry.places) + sum(map(sys.getsizeof, parts))
            return replace(entry, tags=tags), _VARIANTS + size
        if isinstance(entry, Alias):
            tags, size = self._texts(entry.tags)
            parts = (entry.target, entry.url, entry.head)
            return replace(entry, tags=tags), _VARIANTS + size + sum(map(sys.getsizeof, parts))
        lines, line_bytes = self._lines(entry.fields)
        tags, tag_bytes = self._texts(entry.tags)
        admitted = replace(
            entry,
            fields=Fields(lines),
            tags=tags,
            reason=self._part(entry.reason),
            route=self._part(entry.route),
            route_digest=self._part(entry.route_digest),
            method=self._part(entry.method),
            born=self._part(entry.born),
        )
        own = sum(map(sys.getsizeof, (entry.body, entry.url, entry.head)))
        own += sum(_POINTER + sys.getsizeof(place) for place in entry.aliases)
        pairs = (*entry.params, *entry.validators)
        own += sum(_LINE + sum(map(sys.getsizeof, pair)) for pair in pairs)
        return admitted, _ANSWER + own + line_bytes + tag_bytes

    def _lines(self, fields: Fields) -> tuple[list[tuple[str, str]], int]:
        lines, size = [], 0
        for line in fields:
            name, value = line
            size += _POINTER + _INDEXED_LINE
            if len(name) + len(value) > _LONGEST:
                size += _LINE + sys.getsizeof(name) + sys.getsizeof(value)
                lines.append(line)
                continue
            made = (self._part(name), value)
            shared = self._part(made)
            if shared is made:
                size += _LINE + sys.getsizeof(value)
            lines.append(shared)
        return lines, size

    def _texts(self, texts: tuple[str, ...]) -> tuple[tuple[str, ...], int]:
        shared = tuple(map(self._part, texts))
        new = (one for one, was in zip(shared, texts, strict=True) if one is was)
        return shared, sum(map(sys.getsizeof, new)) + (_POINTER + _TAG) * len(texts)

    def _part(self, part: Part) -> Part:
        known: Part | None = self._parts.get(part)  # type: ignore[assignment]  # equal, so alike
        if known is not None:
            return known
        if len(self._parts) >= self._max_parts:
            self._parts.clear()
        self._parts[part] = part
        return part
