"""Which keys carry a tag.

Most tags (a URL, an id) are of one entry: those hold its key itself, not a set of
one, which would cost more than the rest of the entry's place. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable


class TagIndex:
    """Keys by tag."""

    def __init__(self) -> None:
        self._keys: dict[str, bytes | set[bytes]] = {}

    def add(self, tags: Iterable[str], key: bytes) -> None:
        """Note that `key` carries these."""
        for tag in tags:
            known = self._keys.get(tag)
            if known is None:
                self._keys[tag] = key
            elif isinstance(known, set):
                known.add(key)
            elif known != key:
                self._keys[tag] = {known, key}

    def remove(self, tags: Iterable[str], key: bytes) -> None:
        """Note that `key` carries them no more."""
        for tag in tags:
            known = self._keys.get(tag)
            if isinstance(known, set):
                known.discard(key)
                if not known:
                    del self._keys[tag]
            elif known == key:
                del self._keys[tag]

    def keys(self, tag: str) -> tuple[bytes, ...]:
        """Those that carry it now."""
        known = self._keys.get(tag, ())
        return (known,) if isinstance(known, bytes) else tuple(known)

    def clear(self) -> None:
        """Forget all."""
        self._keys.clear()

    def __len__(self) -> int:
        return len(self._keys)
