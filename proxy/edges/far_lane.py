"""The far lane: requests like those answered out of the shared store, which is asked at once.

As the hot lane for what memory does not hold: the driver notes a hit out of the shared store, the
connection offers the bytes of the request, and for requests that say the same (recurring.py) only
the store is asked from then on; what it has is judged as the driver would (reach.py).
Invariants: what is sent is what the driver would send; anything but a plain fresh hit is the
driver's, who begins anew; each is told of once; nothing of it outlives the rules.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from proxy.decisions.lookup import Serve
from proxy.decisions.repeating import repeats
from proxy.dressing import Dressed
from proxy.edges.reach import FoundAlike, Reach, Turns
from proxy.edges.recurring import LaneStatus, Recurring, size_of
from proxy.outcomes import Outcome, Tier
from proxy.rules.heeded import heeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.flow.budget import Budget
    from proxy.messages import CacheKey, Request
    from proxy.observing import Observer
    from proxy.sight import Sight
    from proxy.store.cache import Cache
    from proxy.turn import Turn, World

_TAKES: Final = 5 << 10
"""Bytes it takes to know a request and the head of its answer, besides what it has itself."""


class FarLane:
    """At most `max_bytes` of what is known. `clock` is epoch seconds, `timer` counts seconds.

    To be made within a running loop.
    """

    def __init__(
        self,
        max_bytes: int,
        observers: Sequence[Observer],
        cache: Cache,
        budget: Budget,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._turns = Turns(observers, budget, loop=loop, clock=clock, timer=timer)
        self._cache = cache
        self._clock = clock
        self._world: World | None = None
        self._known = Recurring[FoundAlike](max_bytes)
        self._noted: tuple[Turn, CacheKey] | None = None

    def status(self) -> LaneStatus:
        """Its numbers."""
        return self._known.status(self._turns.count)

    def adopt(self, world: World) -> None:
        """These rules are in force now: forget all that was learnt under others."""
        self._world = world
        self._known.adopt(heeded(world.config))
        self._noted = None

    # -- looking

    def take(self, _peer: str, request: bytes) -> Reach | None:
        """Ask the shared store, if such requests are known and memory has nothing; else None."""
        known = self._known.find("", request)
        if known is None or not self._cache.breaker.is_spotless:
            return None  # while the store fails, it is asked once for each request
        if not known.begins <= (now := self._clock()) < known.ends:
            return None
        if self._cache.peek(known.key.digest, now) is not None:
            return None  # the driver serves it, and the hot lane may learn it
        reach = Reach(self._turns, known, request, now)
        self._cache.seek(known.key.digest, now, reach.told)
        return None if reach.is_told else reach

    # -- what it learns

    def note(self, turn: Turn, key: CacheKey, sight: Sight, plan: Serve) -> None:
        """The driver has served this; the connection offers the request behind it, or does not."""
        plain = plan.outcome is Outcome.HIT and not plan.refresh and sight.reached is None
        far = sight.tier is Tier.SHARED and sight.place.digest == key.digest
        if plain and far and turn.world is self._world and not isinstance(turn.reply, Dressed):
            sessions, request = turn.world.config.sessions, turn.visit.request
            if repeats(turn.match.route, sessions, request, plan.stored):
                self._noted = (turn, key)

    def offer(self, _peer: str, data: bytes, request: Request) -> None:
        """`data` was all of `request`, which has been answered."""
        noted, self._noted = self._noted, None
        if noted is None or noted[0].visit.request is not request:
            return
        place = self._known.sighted("", data)
        if place is not None:
            size = size_of(data, _TAKES)
            forget, takes = self._known.drop, self._known.resize
            known = FoundAlike(
                *noted,
                forget=lambda: forget(place),
                takes_more=lambda more: takes(place, size + more),
            )
            self._known.keep(place, known, size)
