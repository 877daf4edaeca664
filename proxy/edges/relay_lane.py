"""The relay lane: requests like those relayed before go up at once, and their answers come down.

As the hot lane (hot_lane.py) for hits: what it may do is decided on the slow path alone. The driver
notes a relay from which nothing follows, the connection offers the bytes of the request, and
requests that say the same (recurring.py) go the same way up (ways.py) from then on, with no task
and no parsed head; nor is the head of an answer read that is like one before (restating.py).
Invariants: what goes up and what comes down are the lines that the driver would send; all that is
unusual is the driver's, with what has been begun; each is told of once; nothing of it outlives the
rules.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from proxy.decisions.repeating import passes_alike
from proxy.decisions.requesting import touched
from proxy.dressing import Dressed
from proxy.edges.recounting import Recounting
from proxy.edges.recurring import LaneStatus, Recurring, size_of
from proxy.edges.relay import Relay, RelayedAlike
from proxy.edges.restating import Restating, Seen
from proxy.edges.ways import way_up
from proxy.rules.heeded import heeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.flow.background import Background
    from proxy.flow.call import Call
    from proxy.messages import Request
    from proxy.observing import Observer
    from proxy.turn import Turn, World
    from proxy.visit import Visit

_TAKES: Final = 3 << 10
"""Bytes it takes to know a request, besides what it has itself."""


class RelayLane:
    """At most `max_bytes` of what is known. `clock` is epoch seconds, `timer` counts seconds.

    To be made within a running loop.
    """

    def __init__(
        self,
        max_bytes: int,
        observers: Sequence[Observer],
        background: Background,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._told = Recounting(observers, loop=loop, clock=clock, timer=timer)
        self._background = background
        self._clock = clock
        self._world: World | None = None
        self._known = Recurring[RelayedAlike](max_bytes)
        self._restating: dict[tuple[object, ...], Restating] = {}
        self._seen = Seen()
        self._noted: tuple[Turn, bytes] | None = None

    def status(self) -> LaneStatus:
        """Its numbers."""
        return self._known.status(self._told.count)

    def adopt(self, world: World) -> None:
        """These rules are in force now: forget all that was learnt under others."""
        config = world.config
        read = (name for upstream in config.upstreams for name in touched(upstream))
        self._world = world
        self._known.adopt(heeded(config).union(read))
        self._restating.clear()
        self._seen = Seen()
        self._noted = None

    # -- relaying

    def take(self, peer: str, request: bytes) -> Relay | None:
        """Send it up, if such requests are known and a connection is idle; None: ask the driver."""
        known = self._known.find(peer, request)
        if known is None or not known.begins <= (now := self._clock()) < known.ends:
            return None
        relay = Relay(self._told, known, request, now)
        asked = known.client.ask(known.way.on(request), relay.came)
        if asked is None:
            return None
        relay.asked = asked
        known.behind.begin()
        return relay

    # -- what it learns

    def note(self, turn: Turn, call: Call) -> None:
        """The driver has passed this on; the connection offers the request, or does not."""
        self._noted = (turn, call.request.head) if turn.world is self._world else None

    def offer(self, peer: str, data: bytes, request: Request, _sent: bytes = b"") -> None:
        """`data` was all of `request`, which has been answered."""
        noted, self._noted = self._noted, None
        if noted is None:
            return
        turn, up = noted
        if turn.visit.request is not request or not _is_alike(turn):
            return
        place = self._known.sighted(peer, data)
        way = None if place is None else way_up(data, place[1], up)
        if place is not None and way is not None and self._known.heeds(way.named):
            behind = self._background.behind(turn.upstream.name)
            known = RelayedAlike(
                way, turn.visit, turn.client, behind, self._restating_of(turn.visit)
            )
            self._known.keep(place, known, size_of(data, _TAKES))

    def _restating_of(self, visit: Visit) -> Restating | None:
        """What answers with the same story to the same route have in common."""
        route = visit.route
        if route is None or route.edits_answers:
            return None
        of = (visit.upstream and visit.upstream.name, route.name, visit.outcome)
        story = (*of, visit.forward, visit.reason)
        restating = self._restating.get(story)
        if restating is None:
            restating = self._restating[story] = Restating(self._seen)
        return restating


def _is_alike(turn: Turn) -> bool:
    """Whether requests that say the same are relayed the same."""
    config, upstream = turn.world.config, turn.upstream
    simple = len(upstream.urls) == 1 and not config.budgets and not isinstance(turn.reply, Dressed)
    if not simple or (config.sessions.attended and turn.match.route.reads_session):
        return False
    return passes_alike(turn.match.route, turn.visit.request)
