"""The learnt lifetimes of this process: what survives an entry that is gone, and the statistics.

Floor 6, beside the shelf. It knows places and numbers, no rule. Invariants: bounded, the least
recently fetched goes first; an entry that was invalidated counts as one that had changed, one
that was merely evicted teaches nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from proxy.decisions.adapting import Past
from proxy.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.messages import StoredResponse

MAX_PLACES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Span:
    """The learnt lifetimes of one route's entries now, in seconds."""

    entries: int
    least: float
    average: float
    most: float


class LearnedLifetimes:
    """By place; `alive` tells whether an entry was not invalidated."""

    def __init__(
        self, alive: Callable[[StoredResponse], bool], max_places: int = MAX_PLACES
    ) -> None:
        self._alive = alive
        self._max_places = max_places
        self._entries: OrderedDict[bytes, StoredResponse] = OrderedDict()

    def note(self, place: bytes, stored: StoredResponse) -> None:
        """An answer was stored there; its body is not kept."""
        self._entries.pop(place, None)
        if not stored.learned:
            return
        tags = Fields(("etag", value) for value in stored.fields.get_all("etag"))
        self._entries[place] = replace(stored, body=b"", fields=tags)
        if len(self._entries) > self._max_places:
            self._entries.popitem(last=False)

    def past(self, place: bytes, route_digest: str) -> Past | None:
        """What is known of an entry that is no longer there."""
        known = self._entries.get(place)
        if known is None or known.route_digest != route_digest:
            return None
        dead = not self._alive(known)
        return Past(known.learned, changed=dead, due=dead)

    def spans(self, now: float) -> dict[str, Span]:
        """The lifetimes in force by route: of what is not yet over."""
        routes: dict[str, list[float]] = {}
        for entry in self._entries.values():
            if entry.expires_at > now:
                routes.setdefault(entry.route, []).append(entry.learned)
        return {
            name: Span(len(found), min(found), sum(found) / len(found), max(found))
            for name, found in sorted(routes.items())
        }
