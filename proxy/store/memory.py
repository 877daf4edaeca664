"""The memory tier: entries by key, bounded in bytes, least recently used out first.

Synchronous at heart, so that a hit costs a look-up and a comparison. It knows
which of its keys carry a tag and nothing of why they die: `drop_*` and
`soften_*` are told what was invalidated. Not safe across threads.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from cachetools import LRUCache

from proxy.messages import Position, Stored, StoredResponse
from proxy.outcomes import Tier
from proxy.store.base import Clock, EntryInfo, Found, Record, TierStatus, is_local

_INDEX_BYTES: Final = 200
"""What an entry costs besides itself: slot, LRU links, key."""
_TAG_BYTES: Final = 120
"""What one tag of one entry costs in the index."""


class Slot:
    """An entry in place, with the answer to a look-up ready made."""

    __slots__ = ("expires_at", "found", "record", "size")

    def __init__(self, record: Record, *, soft: bool) -> None:
        entry = record.entry
        self.record = record
        self.found = Found(entry, Tier.MEMORY, soft)
        self.expires_at = entry.expires_at
        self.size = entry.size + _INDEX_BYTES + _TAG_BYTES * len(entry.tags)


class _Slots(LRUCache[bytes, Slot]):
    """An LRU that says whom it puts out."""

    def __init__(self, maxsize: int, evicted: Callable[[bytes, Slot], None]) -> None:
        super().__init__(maxsize, getsizeof=lambda slot: slot.size)
        self._evicted = evicted

    def popitem(self) -> tuple[bytes, Slot]:
        key, slot = super().popitem()
        self._evicted(key, slot)
        return key, slot


class MemoryStore:
    """`max_size` bounds all of it, `max_object` one body; both in bytes."""

    def __init__(
        self, *, max_size: int, max_object: int | None = None, clock: Clock = time.time
    ) -> None:
        self._max_object = max_size if max_object is None else max_object
        self._clock = clock
        self._tags: dict[str, set[bytes]] = {}
        self._slots = _Slots(max_size, self._on_evicted)
        self._evictions = 0

    def look(self, key: bytes, now: float) -> Found | None:
        """What is under `key`; an expired entry is removed."""
        try:
            slot = self._slots[key]
        except KeyError:
            return None
        if now < slot.expires_at:
            return slot.found
        self.drop(key)
        return None

    def place(self, key: bytes, record: Record, *, soft: bool = False) -> bool:
        """Put an entry in place of what was there; if it is too large, nothing is, and False."""
        self.drop(key)
        slot = Slot(record, soft=soft)
        entry = record.entry
        body = len(entry.body) if isinstance(entry, StoredResponse) else 0
        if body > self._max_object or slot.size > self._slots.maxsize:
            return False
        self._slots[key] = slot
        for tag in entry.tags:
            self._tags.setdefault(tag, set()).add(key)
        return True

    def drop(self, key: bytes) -> bool:
        """Remove one entry; whether it was there."""
        slot = self._slots.pop(key, None)
        if slot is None:
            return False
        self._unindex(key, slot)
        return True

    def clear(self) -> None:
        """Remove all."""
        self._slots.clear()
        self._tags.clear()

    def invalidate_tag(self, tag: str, position: Position, *, soft: bool) -> None:
        """Remove (or soften) the entries under `tag` born before `position`."""
        self._invalidate(tuple(self._tags.get(tag, ())), position, soft=soft)

    def invalidate_where(
        self, holds: Callable[[Stored], bool], position: Position, *, soft: bool
    ) -> None:
        """Remove (or soften) the entries born before `position` of which `holds` is true."""
        keys = tuple(key for key, slot in self._slots.items() if holds(slot.record.entry))
        self._invalidate(keys, position, soft=soft)

    def drop_local(self) -> None:
        """Remove the entries fetched under a position of this instance's own making."""
        for key in [k for k, slot in self._slots.items() if is_local(slot.record.entry.born)]:
            self.drop(key)

    def entries(self, now: float) -> Iterator[EntryInfo]:
        """A listing of the moment."""
        for key, slot in tuple(self._slots.items()):
            if now < slot.expires_at:
                yield EntryInfo.of(key, slot.record.entry, Tier.MEMORY)

    def sweep(self) -> int:
        """Remove what has expired; how many that were."""
        now = self._clock()
        expired = [key for key, slot in self._slots.items() if now >= slot.expires_at]
        for key in expired:
            self.drop(key)
        return len(expired)

    def status(self) -> TierStatus:
        """Its numbers."""
        return TierStatus(
            entries=len(self._slots),
            size_bytes=int(self._slots.currsize),
            max_bytes=int(self._slots.maxsize),
            evictions=self._evictions,
        )

    def _invalidate(self, keys: tuple[bytes, ...], position: Position, *, soft: bool) -> None:
        for key in keys:
            slot = self._slots.get(key)
            if slot is None or slot.record.entry.born >= position:
                continue
            if soft:
                slot.found = Found(slot.record.entry, Tier.MEMORY, soft=True)
            else:
                self.drop(key)

    def _on_evicted(self, key: bytes, slot: Slot) -> None:
        self._evictions += 1
        self._unindex(key, slot)

    def _unindex(self, key: bytes, slot: Slot) -> None:
        for tag in slot.record.entry.tags:
            keys = self._tags.get(tag)
            if keys is None:
                continue
            keys.discard(key)
            if not keys:
                del self._tags[tag]

    # -- the Store protocol, for whoever takes stores as they come

    async def get(self, key: bytes) -> Record | None:
        """The record under `key`, unless it has expired."""
        found = self.look(key, self._clock())
        return None if found is None else self._slots[key].record

    async def put(self, key: bytes, record: Record) -> None:
        """Keep `record`; one that is too large is not kept."""
        self.place(key, record)

    async def delete(self, key: bytes) -> bool:
        """Remove `key`; whether it was there."""
        return self.drop(key)

    async def scan(self) -> AsyncIterator[EntryInfo]:
        """Every entry not expired."""
        for listed in self.entries(self._clock()):
            yield listed

    async def close(self) -> None:
        """Forget all."""
        self.clear()
