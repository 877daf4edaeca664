"""Which keys carry a tag.

Most tags (a URL, an id) are of one entry: those hold its key itself, not a set of one. What a
large part of all entries carries (an upstream, a route) is only counted: to name the keys would
cost more than the rest of an entry's place, and to ask all entries instead costs little more
than asking those. Pure. Invariant: a tag that is carried is known, by its keys or as such.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

FEW: Final = 1024
"""So many keys of a tag are always named."""

SHARE: Final = 32
"""Of more, those that are less than one in so many of all."""


class TagIndex:
    """Keys by tag."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes | set[bytes] | int] = {}
        self._entries = 0

    def add(self, tags: Iterable[str], key: bytes) -> None:
        """Note that `key`, which is not here yet, carries these; no tag twice."""
        self._entries += 1
        for tag in tags:
            known = self._keys.get(tag)
            if known is None:
                self._keys[tag] = key
            elif isinstance(known, set):
                known.add(key)
                if len(known) > FEW and len(known) * SHARE > self._entries:
                    self._keys[tag] = len(known)
            elif isinstance(known, int):
                self._keys[tag] = known + 1
            else:
                self._keys[tag] = {known, key}

    def remove(self, tags: Iterable[str], key: bytes) -> None:
        """Note that `key`, which is here, carries these no more: all that it did."""
        self._entries -= 1
        for tag in tags:
            known = self._keys[tag]
            if isinstance(known, set):
                known.discard(key)
            elif isinstance(known, int):
                known = self._keys[tag] = known - 1
            else:
                known = 0
            if not known:
                del self._keys[tag]

    def keys(self, tag: str) -> tuple[bytes, ...] | None:
        """Those that carry it now; None: many, ask all entries."""
        known = self._keys.get(tag, ())
        if isinstance(known, int):
            return None
        return (known,) if isinstance(known, bytes) else tuple(known)

    def __len__(self) -> int:
        return len(self._keys)
