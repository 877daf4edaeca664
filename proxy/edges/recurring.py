"""What a lane knows of requests that come again: found by what of them can matter.

Bytes in, what is known out. It knows neither what that is nor any rule: it is told which fields
matter (folding.py). Invariants: bounded in bytes, and what was used last is kept; what comes
once is not kept at all; nothing outlives the rules.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from proxy.edges.folding import Folding
from proxy.edges.sightings import Sightings

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST: Final = 16 << 10
"""Bytes of a request that may be remembered."""

Place = tuple[str, bytes]
"""A client's address, where that matters, and a folded request."""

_LINE: Final = 256
"""Bytes it takes to keep a field line that was parsed, besides its own."""

K = TypeVar("K")


def size_of(request: bytes, besides: int) -> int:
    """Bytes it takes to know a request, and so many `besides`."""
    return besides + 3 * len(request) + _LINE * request.count(b"\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStatus:
    """A lane in numbers: `requests` it knows take `size_bytes`; so many it has answered.

    Those that differ only in what does not matter are one. `waiting` clients do not read.
    """

    answered: int = 0
    requests: int = 0
    size_bytes: int = 0
    waiting: int = 0


class Recurring(Generic[K]):
    """`max_bytes` bounds it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._table: OrderedDict[Place, tuple[K, int]] = OrderedDict()
        self._folding = Folding(())
        self._sightings = Sightings()

    def __len__(self) -> int:
        return len(self._table)

    def status(self, answered: int) -> LaneStatus:
        """The numbers of a lane that knows what stands here."""
        return LaneStatus(answered=answered, requests=len(self), size_bytes=self._bytes)

    def adopt(self, names: Iterable[str]) -> None:
        """Only these fields may matter from here on: forget all that was known."""
        self._folding = Folding(names)
        self._sightings = Sightings()
        self._table.clear()
        self._bytes = 0

    def heeds(self, names: Iterable[str]) -> bool:
        """Whether all of these fields may matter."""
        return self._folding.heeds(names)

    def find(self, peer: str, request: bytes) -> K | None:
        """What is known of such requests."""
        if not self._table or len(request) > LONGEST:
            return None
        place = peer, self._folding.fold(request)
        known = self._table.get(place)
        if known is None:
            return None
        self._table.move_to_end(place)
        return known[0]

    def sighted(self, peer: str, data: bytes) -> Place | None:
        """Where to keep what is to be known of such requests, if this is not the first of them."""
        if not self._folding.learn(data):
            return None
        place = peer, self._folding.fold(data)
        if place in self._table or not self._sightings.before(
            b"%b\n%b" % (peer.encode(), place[1])
        ):
            return None
        return place

    def keep(self, place: Place, known: K, size: int) -> None:
        """Keep what takes so many bytes; it makes room by what was used longest ago."""
        self.drop(place)
        self._table[place] = known, size
        self._bytes += size
        self._trim()

    def _trim(self) -> None:
        while self._bytes > self._max_bytes:
            self._bytes -= self._table.popitem(last=False)[1][1]

    def drop(self, place: Place) -> None:
        """Forget what is known of such requests."""
        known = self._table.pop(place, None)
        if known is not None:
            self._bytes -= known[1]
