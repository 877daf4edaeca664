"""The shared store's notes as an instance uses them: past the breaker, timed, counted.

Each operation is bounded by the store's own deadline. Knows nothing of what the
notes mean. A listing asks the breaker as it begins; what follows of it fails by
itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar

from proxy.store.guard import Guard
from proxy.store.notes import Notes

Item = TypeVar("Item")


class GuardedNotes:
    """`notes`, with BreakerOpenError at once while their store is left alone.

    Claims insist: to look up in vain is nothing, to do twice what was to be done once is not.
    """

    def __init__(self, notes: Notes, guard: Guard) -> None:
        self._notes = notes
        self._guard = guard

    async def get(self, space: str, key: str) -> bytes | None:
        """The value of a note that is there."""
        return await self._guard.run("note-get", lambda: self._notes.get(space, key))

    async def put(self, space: str, key: str, value: bytes, ttl_s: float) -> None:
        """Leave a note in place of what was there."""
        await self._guard.run("note-put", lambda: self._notes.put(space, key, value, ttl_s))

    async def claim(self, space: str, key: str, value: bytes, ttl_s: float) -> bytes | None:
        """Leave a note unless one is there."""
        return await self._guard.run(
            "note-claim", lambda: self._notes.claim(space, key, value, ttl_s), insist=True
        )

    async def replace(
        self, space: str, key: str, old: bytes, new: bytes | None, ttl_s: float = 0.0
    ) -> bool:
        """Put `new` in place of exactly `old`, or remove it."""
        return await self._guard.run(
            "note-replace",
            lambda: self._notes.replace(space, key, old, new, ttl_s),
            insist=True,
        )

    async def delete(self, space: str, key: str) -> bool:
        """Remove a note or counters; whether there was any."""
        return await self._guard.run("note-delete", lambda: self._notes.delete(space, key))

    async def list(self, space: str) -> AsyncIterator[tuple[str, bytes]]:
        """Every value with its key."""
        async for found in self._each(self._notes.list(space)):
            yield found

    async def add(
        self, space: str, key: str, amounts: Mapping[str, float], ttl_s: float | None = None
    ) -> dict[str, float]:
        """Add to counters, all or none; the new sums of the fields given."""
        return await self._guard.run(
            "note-add", lambda: self._notes.add(space, key, amounts, ttl_s)
        )

    async def counters(self, space: str) -> AsyncIterator[tuple[str, dict[str, float]]]:
        """Every key with all its sums."""
        async for found in self._each(self._notes.counters(space)):
            yield found

    async def _each(self, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
        async def first() -> Sequence[Item]:
            async for item in items:
                return [item]
            return []

        for item in await self._guard.run("note-list", first):
            yield item
        async for item in items:
            yield item
