"""The hot lane: requests like those seen before, whose answers are fresh in memory.

What it may answer is decided on the slow path alone: the driver notes a hit, the connection
offers the bytes of the request it was for, and the same bytes are answered from here on while
the same slots stand in memory; so are those that differ only in fields which matter to nobody
(folding.py). It knows no rule and no part of an HTTP request. Invariants: an answer is, byte
for byte, what the slow path would send now, and it is told of just the same (telling.py);
bounded in bytes; nothing of it outlives the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from proxy.decisions.repeating import LARGEST, repeats
from proxy.edges.folding import Folding
from proxy.edges.hot import Held, Hot, edits_of, form_of
from proxy.edges.recurring import LONGEST, LaneStatus
from proxy.edges.sightings import Sightings
from proxy.edges.telling import Groups, Telling
from proxy.messages import Variants
from proxy.outcomes import Outcome, Tier
from proxy.rules.heeded import heeded

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence

    from proxy.decisions.lookup import Serve
    from proxy.messages import CacheKey, Request, StoredResponse
    from proxy.observing import Observer
    from proxy.sight import Sight
    from proxy.store.cache import Cache
    from proxy.store.memory import Slot
    from proxy.turn import Turn, World

_KEPT: Final = 7 / 8
"""The share of its bytes that is left when there were too many."""

_MOST_EXACT: Final = 64
"""Requests of one Hot that are found as they came, without folding."""

_EXACT_TAKES: Final = 240
"""Bytes it takes to find one so, besides the request."""

_MOST_VARYING: Final = 64
"""Names of fields that answers vary by; what varies by more is left to the driver."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A hit that the driver has just delivered."""

    turn: Turn
    key: CacheKey
    sight: Sight
    stored: StoredResponse


class HotLane:
    """`max_bytes` bounds what is remembered; 0: nothing is. What was used last is kept.

    `clock` is epoch seconds, `timer` counts seconds from anywhere.
    """

    def __init__(
        self,
        max_bytes: int,
        *,
        cache: Cache,
        observers: Sequence[Observer],
        loop: AbstractEventLoop,
        clock: Callable[[], float],
        timer: Callable[[], float],
    ) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.telling = Telling(observers, self._used, loop=loop, timer=timer)
        self._cache = cache
        self._standing = cache.standing
        self._clock = clock
        self._table: dict[bytes, Hot] = {}  # by folded request
        self._exact: dict[bytes, Hot] = {}  # by those of them that came as they are before
        self._folding = Folding(())
        self._varying = frozenset[str]()
        self._sightings = Sightings()
        self._groups = Groups()
        self._noted: Noted | None = None
        self._world: World | None = None

    def status(self) -> LaneStatus:
        """Its numbers."""
        return LaneStatus(
            answered=self.telling.told,
            requests=len(self._table),
            size_bytes=self.bytes,
            waiting=self.telling.unsent,
        )

    def adopt(self, world: World) -> None:
        """These rules are in force now: forget all that was learnt under others."""
        self._world = world if self.max_bytes else None
        self._groups = Groups()
        self._noted = None
        self._fold_by(frozenset())

    def _fold_by(self, varying: frozenset[str]) -> None:
        """What answers vary by matters from here on; what was folded without is forgotten."""
        self._varying = varying
        if self._world is not None:
            self._folding = Folding(heeded(self._world.config) | varying)
        self._table.clear()
        self._exact.clear()
        self.bytes = 0

    # -- answering

    def take(self, request: bytes) -> Hot | None:
        """What answers this request now, counted as a hit; None: ask the driver."""
        hot = self._exact.get(request) or self._alike_of(request)
        if hot is None:
            return None
        now = self._clock()
        slot = self._standing(hot.place)
        if slot is None or slot is not hot.held() or (hot.marker and not self._led(hot, now)):
            return None
        if not hot.since <= now < hot.until and not self._renewed(hot, slot, now):
            return None
        if not hot.count:
            self.telling.first(hot, now)
        hot.count += 1
        return hot

    def _alike_of(self, request: bytes) -> Hot | None:
        """What answers requests that say the same."""
        if not self._table or len(request) > LONGEST:
            return None
        hot = self._table.get(self._folding.fold(request))
        if hot is not None and self._sightings.before(request):
            self._keep_exact(request, hot)
        return hot

    def _keep_exact(self, request: bytes, hot: Hot) -> None:
        if len(hot.exact) == _MOST_EXACT:
            self._forget_exact(hot)
        hot.exact.append(request)
        self._exact[request] = hot
        self._resize(hot, len(request) + _EXACT_TAKES)
        self._trim()

    def _forget_exact(self, hot: Hot) -> None:
        for request in hot.exact:
            del self._exact[request]
            self._resize(hot, -len(request) - _EXACT_TAKES)
        hot.exact.clear()

    def _resize(self, hot: Hot, change: int) -> None:
        hot.size += change
        self.bytes += change

    def _led(self, hot: Hot, now: float) -> bool:
        """Whether a look-up would still come to this variant."""
        if hot.marker is None:
            return True
        key, held = hot.marker
        slot = self._standing(key)
        return slot is not None and slot is held() and now < slot.entry.expires_at

    def _renewed(self, hot: Hot, slot: Slot, now: float) -> bool:
        if hot.render(slot.entry, now):  # type: ignore[arg-type]  # it was one, see _made
            return True
        self._drop(hot.held)
        return False

    # -- what it learns

    def note(self, turn: Turn, key: CacheKey, sight: Sight, plan: Serve) -> None:
        """The driver has served this; the connection offers the request behind it, or does not."""
        fresh = plan.outcome is Outcome.HIT and not plan.refresh
        small = len(plan.stored.body) <= LARGEST and turn.world is self._world
        if fresh and small and sight.tier is Tier.MEMORY and sight.reached is None:
            self._noted = Noted(turn, key, sight, plan.stored)

    def offer(self, data: bytes, request: Request, head: bytes) -> None:
        """`data` was all of `request`, and was answered with `head` and a stored body."""
        noted, self._noted = self._noted, None
        if noted is None or noted.turn.visit.request is not request or not self._heeds(noted):
            return
        folded = self._folding.fold(data) if self._folding.learn(data) else data
        if folded not in self._table and self._sightings.before(folded):
            hot = self._made(folded, noted)
            stored, now = noted.stored, self._clock()
            if hot is not None and hot.render(stored, now) and hot.head.startswith(head):
                self._keep(folded, hot)

    def _heeds(self, noted: Noted) -> bool:
        """Whether what told this answer from the others to its key is not folded away."""
        if noted.key.digest == noted.sight.place.digest:
            return True
        marker = self._standing(noted.key.digest)
        if marker is None or not isinstance(marker.entry, Variants):
            return False
        names = marker.entry.names
        if not self._folding.heeds(names):
            varying = self._varying.union(names)
            if len(varying) > _MOST_VARYING:
                return False
            self._fold_by(varying)
        return True

    def _made(self, data: bytes, noted: Noted) -> Hot | None:
        turn, place = noted.turn, noted.sight.place.digest
        edits = edits_of(turn.reply)
        route, sessions = turn.match.route, turn.world.config.sessions
        if edits is None or not repeats(route, sessions, turn.visit.request, noted.stored):
            return None
        slot = self._standing(place)
        form = form_of(turn.visit, noted.stored, edits, self._clock())
        if slot is None or slot.entry is not noted.stored or form is None:
            return None
        sent = len(noted.stored.body)
        record = turn.visit.record(0.0, received=turn.body.received, sent=sent)
        hot = Hot(place, Held(slot, self._drop, data), noted.stored, form, turn.visit, record)
        if noted.key.digest != place:
            marker = self._standing(noted.key.digest)
            if marker is None:
                return None
            hot.marker = (noted.key.digest, Held(marker, self._drop, data))
        return hot

    def _keep(self, data: bytes, hot: Hot) -> None:
        hot.alike, hot.used = self._groups.of(hot.record), self.telling.told
        self._table[data] = hot
        self.bytes += hot.size
        self._trim()

    def _trim(self) -> None:
        """Forget those used least recently: many at once, so that no hit has to keep an order."""
        if self.bytes <= self.max_bytes:
            return
        for hot in sorted(self._table.values(), key=attrgetter("used")):
            if self.bytes <= self.max_bytes * _KEPT:
                return
            self._drop(hot.held)

    def _used(self, hots: Sequence[Hot]) -> None:
        """They were hit: least recently used is something else, here and in memory."""
        told = self.telling.told
        for hot in hots:
            hot.used = told
        self._cache.touch([hot.marker[0] for hot in hots if hot.marker])
        self._cache.touch([hot.place for hot in hots])

    def _drop(self, held: Held) -> None:
        """Forget what needs a slot; the memory store may have let go of that."""
        hot = self._table.get(held.request)
        if hot is not None and (hot.held is held or (hot.marker and hot.marker[1] is held)):
            del self._table[held.request]
            self._forget_exact(hot)
            self.bytes -= hot.size
