"""The memory tier: entries by key, bounded in bytes, least recently used out first.

Synchronous at heart, so that a hit costs a look-up and a comparison. It knows
which of its keys carry a tag and nothing of why they die: it is told what was
invalidated. What speaks of many is dead at once and removed in slices, so that
no purge holds up the loop. Not safe across threads.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Final

from proxy.messages import Position, Stored, StoredResponse
from proxy.outcomes import Tier
from proxy.store.base import EVERYTHING, Clock, Found, Record, TierStatus, is_local
from proxy.store.entry_info import EntryInfo
from proxy.store.sharing import Sharing
from proxy.store.tag_index import TagIndex

SLICE: Final = 500
"""How many entries an invalidation or a `reclaim` looks at in one go: a millisecond or two."""

_MAX_SWEEPINGS: Final = 32


class Slot(Found):
    """An entry in place, which is the answer to a look-up as it is.

    Until the second `lasts` it surely has not expired; 0: unknown.
    """

    __slots__ = ("__weakref__", "lasts", "size")

    def __init__(self, entry: Stored, size: int, *, soft: bool, lasts: float = 0.0) -> None:
        super().__init__(entry, Tier.MEMORY, soft)
        self.lasts = lasts
        self.size = size


class _Sweeping:
    """An invalidation whose entries are still being removed: until then it is asked each time."""

    __slots__ = ("_holds", "_position", "left", "soft")

    def __init__(
        self,
        keys: Iterable[bytes],
        holds: Callable[[Stored], bool],
        position: Position,
        *,
        soft: bool,
    ) -> None:
        self.left = iter(keys)
        self.soft = soft
        self._holds = holds
        self._position = position

    def reaches(self, entry: Stored) -> bool:
        return entry.born < self._position and self._holds(entry)


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
        self._sweepings: list[_Sweeping] = []
        self._cleared: list[OrderedDict[bytes, Slot]] = []
        self.backlog = asyncio.Event()

    def look(self, key: bytes, now: float) -> Found | None:
        """What is under `key`; an expired entry is removed."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        left = self._unswept(key, slot) if self._sweepings else slot
        if left is not None and (now < left.lasts or now < left.entry.expires_at):
            self._slots.move_to_end(key)
            return left
        self.drop(key)
        return None

    def standing(self, key: bytes) -> Slot | None:
        """The slot under `key`, expired or not; None if more than a look is needed to use it."""
        slot = self._slots.get(key)
        return None if slot is None or self._sweepings or slot.soft else slot

    def touch(self, keys: Iterable[bytes]) -> None:
        """They were used, as by a `look` each."""
        slots = self._slots
        for key in keys:
            if key in slots:
                slots.move_to_end(key)

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
        lasts = self._sharing.part(shared.expires_at // 1)
        self._slots[key] = Slot(shared, self._sharing.number(size), soft=soft, lasts=lasts)
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
        self._sweepings.clear()
        if len(self._slots) > SLICE:  # to free so many takes its time
            self._cleared.append(self._slots)
            self.backlog.set()
        self._slots = OrderedDict()
        self._tags = TagIndex()
        self._size = self._local = 0

    def invalidate_tag(
        self,
        tag: str,
        position: Position,
        *,
        soft: bool,
        spared: Callable[[Stored], bool] | None = None,
    ) -> None:
        """Remove (or soften) the entries under `tag` born before `position`, but the `spared`."""

        def holds(entry: Stored) -> bool:
            return tag in entry.tags and not (spared is not None and spared(entry))

        keys = None if tag == EVERYTHING else self._tags.keys(tag)
        self._invalidate(self._slots if keys is None else keys, holds, position, soft=soft)

    def invalidate_where(
        self, holds: Callable[[Stored], bool], position: Position, *, soft: bool
    ) -> None:
        """Remove (or soften) the entries born before `position` of which `holds` is true."""
        self._invalidate(self._slots, holds, position, soft=soft)

    def reclaim(self) -> bool:
        """Remove a slice of what is dead; whether there is more. `backlog` is set until then."""
        if self._cleared:
            for _ in range(min(SLICE, len(self._cleared[-1]))):
                self._cleared[-1].popitem()
            if not self._cleared[-1]:
                self._cleared.pop()
        elif self._sweepings and not self._sweep_some(self._sweepings[0]):
            del self._sweepings[0]
        if not self._cleared and not self._sweepings:
            self.backlog.clear()
        return self.backlog.is_set()

    def drop_local(self) -> None:
        """Remove the entries fetched under a position of this instance's own making."""
        slots = self._slots.items() if self._local else ()
        for key in [k for k, slot in slots if is_local(slot.entry.born)]:
            self._remove(key)

    def entries(self, now: float) -> Iterator[EntryInfo]:
        """A listing of the moment."""
        for key, slot in tuple(self._slots.items()):
            if now < slot.entry.expires_at and self._unswept(key, slot) is not None:
                yield EntryInfo.of(key, slot.entry, Tier.MEMORY)

    def sweep(self) -> int:
        """Remove what has expired; how many that were."""
        now = self._clock()
        expired = [key for key, slot in self._slots.items() if now >= slot.entry.expires_at]
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

    def _invalidate(
        self,
        keys: Collection[bytes],
        holds: Callable[[Stored], bool],
        position: Position,
        *,
        soft: bool,
    ) -> None:
        sweeping = _Sweeping(tuple(keys), holds, position, soft=soft)
        if len(keys) <= SLICE:
            self._sweep_some(sweeping)
            return
        self._sweepings.append(sweeping)
        self.backlog.set()
        if len(self._sweepings) > _MAX_SWEEPINGS:  # each costs every look-up a test
            oldest = self._sweepings.pop(0)
            while self._sweep_some(oldest):
                pass

    def _sweep_some(self, sweeping: _Sweeping) -> bool:
        """Remove (or soften) a slice of those it reaches; whether there may be more."""
        keys = tuple(islice(sweeping.left, SLICE))
        for key in keys:
            slot = self._slots.get(key)
            if slot is None or not sweeping.reaches(slot.entry):
                continue
            if sweeping.soft:
                self._soften(key, slot)
            else:
                self._remove(key)
        return len(keys) == SLICE

    def _unswept(self, key: bytes, slot: Slot) -> Slot | None:
        """What is left of it if what is under way reaches it; it is removed later."""
        for sweeping in self._sweepings:
            if sweeping.reaches(slot.entry):
                if not sweeping.soft:
                    return None
                slot = self._soften(key, slot)
        return slot

    def _soften(self, key: bytes, slot: Slot) -> Slot:
        if not slot.soft:
            slot = self._slots[key] = Slot(slot.entry, slot.size, soft=True, lasts=slot.lasts)
        return slot

    def _remove(self, key: bytes) -> None:
        slot = self._slots.pop(key)
        self._size -= slot.size
        self._local -= is_local(slot.entry.born)
        self._tags.remove(_indexed(slot.entry), key)

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


def _indexed(entry: Stored) -> set[str]:
    """Its tags but `*`, which needs no index: all carry it."""
    return {*entry.tags}.difference((EVERYTHING,))
