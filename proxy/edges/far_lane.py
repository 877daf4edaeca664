"""The far lane: requests like those answered out of the shared store, which is asked at once.

As the hot lane for what memory does not hold: the driver notes a hit out of the shared store, the
connection offers the bytes of the request, and for requests that say the same (recurring.py) only
the store is asked from then on; what it has is sent if it is what the driver served (reach.py).
Invariants: what is sent is what the driver would send; anything but a plain fresh hit is the
driver's, who begins anew; each is told of once; nothing of it outlives the rules.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from proxy.decisions.lookup import Serve
from proxy.decisions.repeating import repeats
from proxy.dressing import Dressed
from proxy.edges.hot import Template, form_of
from proxy.edges.reach import FoundAlike, Reach, Turns
from proxy.edges.recurring import LaneStatus, Recurring
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

_TAKES: Final = 1 << 10
"""Bytes it takes to know a request, besides thrice its own, and its answer's head."""
_HEADS: Final = 4
"""How often that is there: as it is stored, with holes, and what observers make of it."""


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
        self._noted: tuple[Turn, Sight] | None = None

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
        template = known.template
        if not template.begins <= (now := self._clock()) < template.ends:
            return None
        if self._cache.peek(template.place, now) is not None:
            return None  # the driver serves it, and the hot lane may learn it
        reach = Reach(self._turns, known, request, now, self._known.drop)
        self._cache.seek(template.place, now, reach.told)
        return None if reach.is_told else reach

    # -- what it learns

    def note(self, turn: Turn, key: CacheKey, sight: Sight, plan: Serve) -> None:
        """The driver has served this; the connection offers the request behind it, or does not."""
        plain = plan.outcome is Outcome.HIT and not plan.refresh and sight.reached is None
        far = sight.tier is Tier.SHARED and sight.place.digest == key.digest and sight.head
        if plain and far and turn.world is self._world and not isinstance(turn.reply, Dressed):
            route, sessions = turn.match.route, turn.world.config.sessions
            if route.serve_if is None and repeats(route, sessions, turn.visit.request, plan.stored):
                self._noted = (turn, sight)

    def offer(self, _peer: str, data: bytes, request: Request, sent: bytes) -> None:
        """`data` was all of `request`, which has been answered; `sent` was the head."""
        noted, self._noted = self._noted, None
        if noted is None or noted[0].visit.request is not request:
            return
        place = self._known.sighted("", data)
        template = None if place is None else self._template(*noted)
        if place is None or template is None:
            return
        if template.head_at(self._clock()) == sent:  # else it was edited, and nobody told of it
            known = FoundAlike(place, noted[1].head, template)
            self._known.keep(place, known, _TAKES + 3 * len(data) + _HEADS * len(known.head))

    def _template(self, turn: Turn, sight: Sight) -> Template | None:
        visit, stored = turn.visit, sight.stored
        if stored is None:
            return None
        form = form_of(visit, stored, (), self._clock())
        if form is None:
            return None
        record = visit.record(visit.began, received=turn.body.received, sent=len(stored.body))
        template = Template(sight.place.digest, stored, form, visit, record)
        template.alike = self._turns.groups.of(record)
        return template
