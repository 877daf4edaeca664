"""The memory tier: entries by key, bounded in bytes, least recently used out first.

Synchronous at heart, so that a hit costs a look-up and a comparison. It knows
which of its keys carry a tag and nothing of why they die: `drop_*` and
`soften_*` are told what was invalidated. Not safe across threads.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator

from proxy.messages import Position, Stored, StoredResponse
from proxy.outcomes import Tier
from proxy.store.base import (
    EVERYTHING,
    Clock,
    EntryInfo,
    Found,
    Record,
    TierStatus,
    is_local,
)
from proxy.store.sharing import Sharing
from proxy.store.tag_index import TagIndex


class Slot:
    """An entry in place, with the answer to a look-up ready made."""

    __slots__ = ("expires_at", "found", "size")

    def __init__(self, entry: Stored, size: int, *, soft: bool) -> None:
        self.found = Found(entry, Tier.MEMORY, soft)
        self.expires_at = entry.expires_at
        self.size = size


class MemoryStore:
    """`max_size` bounds all of it, `max_object` one body; both in bytes."""

    def __init__(
        self, *, max_size: int, max_object: int | None = None, clock: Clock = time.time
    ) -> None:
        self._max_object = max_size if max_object is None else max_object
        self._clock = clock
        self._max_size = max_size
        self._size = 0
        self._tags = TagIndex()
        self._sharing = Sharing()
        self._slots: OrderedDict[bytes, Slot] = OrderedDict()
        self._evictions = 0
        self._local = 0

    def look(self, key: bytes, now: float) -> Found | None:
        """What is under `key`; an expired entry is removed."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        if now < slot.expires_at:
            self._slots.move_to_end(key)
            return slot.found
        self.drop(key)
        return None

    def place(self, key: bytes, record: Record, *, soft: bool = False) -> bool:
        """Put an entry in place of what was there; if it is too large, nothing is, and False."""
        self.drop(key)
        entry = record.entry
        if isinstance(entry, StoredResponse) and len(entry.body) > self._max_object:
            return False
        shared, size = self._sharing.admit(entry)
        if size > self._max_size:
            return False
        while self._size + size > self._max_size:
            self._remove(next(iter(self._slots)))
            self._evictions += 1
        self._slots[key] = Slot(shared, size, soft=soft)
        self._size += size
        self._local += is_local(shared.born)
        self._tags.add(_indexed(shared), key)
        return True

    def drop(self, key: bytes) -> bool:
        """Remove one entry; whether it was there."""
        if key not in self._slots:
            return False
        self._remove(key)
        return True

    def clear(self) -> None:
        """Remove all."""
        self._slots.clear()
        self._tags.clear()
        self._size = self._local = 0

    def invalidate_tag(self, tag: str, position: Position, *, soft: bool) -> None:
        """Remove (or soften) the entries under `tag` born before `position`."""
        if tag == EVERYTHING:
            self.invalidate_where(lambda entry: EVERYTHING in entry.tags, position, soft=soft)
        else:
            self._invalidate(self._tags.keys(tag), position, soft=soft)

    def invalidate_where(
        self, holds: Callable[[Stored], bool], position: Position, *, soft: bool
    ) -> None:
        """Remove (or soften) the entries born before `position` of which `holds` is true."""
        keys = tuple(key for key, slot in self._slots.items() if holds(slot.found.entry))
        self._invalidate(keys, position, soft=soft)

    def drop_local(self) -> None:
        """Remove the entries fetched under a position of this instance's own making."""
        if not self._local:
            return
        for key in [k for k, slot in self._slots.items() if is_local(slot.found.entry.born)]:
            self.drop(key)

    def entries(self, now: float) -> Iterator[EntryInfo]:
        """A listing of the moment."""
        for key, slot in tuple(self._slots.items()):
            if now < slot.expires_at:
                yield EntryInfo.of(key, slot.found.entry, Tier.MEMORY)

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
            size_bytes=self._size,
            max_bytes=self._max_size,
            evictions=self._evictions,
        )

    def _invalidate(self, keys: tuple[bytes, ...], position: Position, *, soft: bool) -> None:
        for key in keys:
            slot = self._slots.get(key)
            if slot is None or slot.found.entry.born >= position:
                continue
            if soft:
                slot.found = Found(slot.found.entry, Tier.MEMORY, soft=True)
            else:
                self.drop(key)

    def _remove(self, key: bytes) -> None:
        slot = self._slots.pop(key)
        self._size -= slot.size
        self._local -= is_local(slot.found.entry.born)
        self._tags.remove(_indexed(slot.found.entry), key)

    # -- the Store protocol, for whoever takes stores as they come

    async def get(self, key: bytes) -> Record | None:
        """The record under `key`, unless it has expired."""
        found = self.look(key, self._clock())
        return None if found is None else Record(found.entry)

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


def _indexed(entry: Stored) -> tuple[str, ...]:
    """Its tags but `*`, which needs no index: all carry it."""
    return tuple(tag for tag in entry.tags if tag != EVERYTHING)
