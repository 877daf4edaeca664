"""Notes in this process's memory: where there is no shared store, nothing else survives either.

No method awaits, so each is atomic on the event loop. Bounded per space, so that
one of many notes cannot crowd out another; what is full refuses, for a claim
that was dropped to make room would be broken in silence. Only of answers that
claims name the oldest make room: that one is gone is seen, and said.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.decisions.claim import PARTS
from proxy.errors import CorruptEntryError
from proxy.store.base import Clock
from proxy.store.notes import NotesFullError, check, check_amounts, check_value

MAX_NOTES: Final = 100_000
MAX_BYTES: Final = 64 << 20
_FIRST_SWEEP: Final = 1024


@dataclass(frozen=True, slots=True)
class _Note:
    held: bytes | Mapping[str, float]
    until: float
    size: int


class MemoryNotes:
    """`max_notes` and `max_bytes` (of keys and values) bound each space."""

    def __init__(
        self,
        clock: Clock = time.monotonic,
        *,
        max_notes: int = MAX_NOTES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._clock = clock
        self._max_notes = max_notes
        self._max_bytes = max_bytes
        self._spaces: dict[str, _Space] = {}

    async def get(self, space: str, key: str) -> bytes | None:
        """The value of a note that is there."""
        return self._value(self._space(space), key)

    async def put(self, space: str, key: str, value: bytes, ttl_s: float) -> None:
        """Leave a note; StoreError if the space is full."""
        check_value(value)
        self._keep(self._space(space, ttl_s), key, value, self._clock() + ttl_s)

    async def claim(self, space: str, key: str, value: bytes, ttl_s: float) -> bytes | None:
        """Leave a note unless one is there."""
        check_value(value)
        notes = self._space(space, ttl_s)
        there = self._value(notes, key)
        if there is None:
            self._keep(notes, key, value, self._clock() + ttl_s)
        return there

    async def replace(
        self, space: str, key: str, old: bytes, new: bytes | None, ttl_s: float = 0.0
    ) -> bool:
        """Put `new` in place of exactly `old`, or remove it."""
        check_value(new or b"")
        notes = self._space(space, ttl_s)
        if self._value(notes, key) != old:
            return False
        if new is None:
            notes.remove(key)
        else:
            self._keep(notes, key, new, self._clock() + ttl_s)
        return True

    async def delete(self, space: str, key: str) -> bool:
        """Remove a note or counters; whether there was any."""
        notes = self._space(space)
        there = notes.find(key, self._clock()) is not None
        notes.remove(key)
        return there

    async def list(self, space: str) -> AsyncIterator[tuple[str, bytes]]:
        """Every value with its key."""
        for key, held in self._space(space).alive(self._clock):
            if isinstance(held, bytes):
                yield key, held

    async def add(
        self, space: str, key: str, amounts: Mapping[str, float], ttl_s: float | None = None
    ) -> dict[str, float]:
        """Add to counters, all or none; the new sums of the fields given."""
        check_amounts(amounts)
        notes, now = self._space(space, ttl_s), self._clock()
        note = notes.find(key, now)
        if note is None and not amounts:
            return {}
        known = {} if note is None else note.held
        if isinstance(known, bytes):
            raise CorruptEntryError("a note holds a value, no counters")
        sums = {field: known.get(field, 0.0) + amount for field, amount in amounts.items()}
        before = math.inf if note is None else note.until
        self._keep(notes, key, {**known, **sums}, before if ttl_s is None else now + ttl_s)
        return sums

    async def counters(self, space: str) -> AsyncIterator[tuple[str, dict[str, float]]]:
        """Every key with all its sums."""
        for key, held in self._space(space).alive(self._clock):
            if not isinstance(held, bytes):
                yield key, dict(held)

    def _space(self, space: str, ttl_s: float | None = None) -> _Space:
        check(space, ttl_s)
        if space not in self._spaces:
            yields = space == PARTS
            self._spaces[space] = _Space(self._max_notes, self._max_bytes, yields=yields)
        return self._spaces[space]

    def _value(self, notes: _Space, key: str) -> bytes | None:
        note = notes.find(key, self._clock())
        if note is None:
            return None
        if not isinstance(note.held, bytes):
            raise CorruptEntryError("a note holds counters, no value")
        return note.held

    def _keep(
        self, notes: _Space, key: str, held: bytes | Mapping[str, float], until: float
    ) -> None:
        size = len(key) + (len(held) if isinstance(held, bytes) else sum(map(len, held)))
        if not notes.keep(key, _Note(held, until, size), self._clock()):
            raise NotesFullError("there is no room for more notes in memory")


class _Space:
    """The notes of one space, the expired among them until a sweep; `yields`: the oldest go."""

    def __init__(self, max_notes: int, max_bytes: int, *, yields: bool) -> None:
        self._notes: OrderedDict[str, _Note] = OrderedDict()
        self._yields = yields
        self._max_notes = max_notes
        self._max_bytes = max_bytes
        self._bytes = 0
        self._sweep_at = _FIRST_SWEEP
        self._first_end = math.inf

    def find(self, key: str, now: float) -> _Note | None:
        note = self._notes.get(key)
        return None if note is None or note.until <= now else note

    def alive(self, clock: Clock) -> Iterator[tuple[str, bytes | Mapping[str, float]]]:
        for key, note in tuple(self._notes.items()):
            if note.until > clock():
                yield key, note.held

    def keep(self, key: str, note: _Note, now: float) -> bool:
        """Whether there was room for it; if not, what was there stays."""
        many = len(self._notes) >= min(self._sweep_at, self._max_notes)
        if (many or self._bytes + note.size > self._max_bytes) and self._first_end <= now:
            self._sweep(now)
        while not self._fits(key, note):
            if not self._yields or note.size > self._max_bytes:
                return False
            self.remove(next(iter(self._notes)))
        there = self._notes.get(key)
        self._bytes += note.size - (there.size if there else 0)
        self._first_end = min(self._first_end, note.until)
        self._notes[key] = note
        return True

    def _fits(self, key: str, note: _Note) -> bool:
        there = self._notes.get(key)
        many = there is None and len(self._notes) >= self._max_notes
        return (
            not many and self._bytes - (there.size if there else 0) + note.size <= self._max_bytes
        )

    def remove(self, key: str) -> None:
        note = self._notes.pop(key, None)
        self._bytes -= note.size if note else 0

    def _sweep(self, now: float) -> None:
        """Remove what has expired; next when there is twice as much, so each costs little."""
        for key, note in tuple(self._notes.items()):
            if note.until <= now:
                self.remove(key)
        self._sweep_at = max(_FIRST_SWEEP, 2 * len(self._notes))
        self._first_end = min((note.until for note in self._notes.values()), default=math.inf)
