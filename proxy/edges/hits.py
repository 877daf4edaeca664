"""How often each stored response was served, on all instances, also before a restart.

An observer of exchanges. Counts in a plain table, which `fold` empties into a tally. Invariant:
bounded; where there are more entries than the tally remembers, a count may be unknown (None),
never wrong by more than what instances have not told yet.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

from proxy.errors import StoreError
from proxy.observing import Repeats
from proxy.outcomes import SERVED, ExchangeRecord, Outcome
from proxy.store.base import Spawn
from proxy.store.notes import Notes
from proxy.store.tally import MAX_KEYS, Tally

_HITS: Final = "hits"
_HIT: Final = Outcome.HIT
_KEPT_S: Final = 30 * 86_400.0
_EVERY_S: Final = 5.0


class Hits:
    """Hit counts by the key under which an answer is stored; kept for 30 days after the last."""

    def __init__(self, notes: Notes, spawn: Spawn) -> None:
        self._tally = Tally(notes, _HITS, spawn, _EVERY_S, ttl_s=_KEPT_S)
        self._new: dict[bytes, int] = {}

    def start(self) -> None:
        """Begin to pass on what is counted."""
        self._tally.start()

    def observe(self, record: ExchangeRecord) -> None:
        """Count a hit."""
        place = record.place
        outcome = record.outcome
        if place and (outcome is _HIT or outcome in SERVED) and not record.background:
            new = self._new
            if place in new:
                new[place] += 1
            elif len(new) < MAX_KEYS:
                new[place] = 1

    def repeat(self, repeats: Repeats, places: Sequence[bytes]) -> None:
        """Count more hits of these answers."""
        new = self._new
        for place, times in zip(places, repeats.times, strict=True):
            if place in new:
                new[place] += times
            elif len(new) < MAX_KEYS:
                new[place] = times

    def fold(self) -> None:
        """Hand what is new to the tally."""
        new, self._new = self._new, {}
        for place, count in new.items():
            self._tally.add(place.hex(), {_HITS: float(count)})

    async def of(self, keys: Collection[bytes]) -> dict[bytes, int | None]:
        """How often the entry under each key was served, as far as instances have told."""
        if not keys:
            return {}
        self.fold()
        for told in (self._tally.flush, self._tally.read):
            with suppress(StoreError):
                await told()
        unknown = 0 if len(self._tally.totals()) < MAX_KEYS else None
        found = {key: self._tally.sums(key.hex()).get(_HITS) for key in keys}
        return {key: unknown if hits is None else int(hits) for key, hits in found.items()}

    async def close(self) -> None:
        """Pass on what waits."""
        self.fold()
        await self._tally.close()
