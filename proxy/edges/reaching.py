"""The far lane: requests like those answered out of the shared store, which is asked at once.

As the hot lane (lane.py) for what memory does not hold: the driver notes a hit out of the shared
store, the connection offers the bytes of the request, and for requests that say the same
(folding.py) only the store is asked from then on; what it has is judged as the driver would.
Invariants: what is sent is what the driver would send; anything but a plain fresh hit is the
driver's, who begins anew; each is told of once; nothing of it outlives the rules.
"""

from __future__ import annotations

from collections import OrderedDict
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from proxy.decisions.lookup import Serve
from proxy.decisions.repeating import LARGEST, repeats
from proxy.delivering import composed
from proxy.dressing import Dressed
from proxy.edges.folding import Folding
from proxy.edges.lane import LONGEST
from proxy.edges.sightings import Sightings
from proxy.edges.wire import WITHOUT_BODY, counted_head
from proxy.flow import tasks
from proxy.observing import tell
from proxy.outcomes import NotServed, Outcome, Tier
from proxy.rules.heeded import heeded
from proxy.rules.jwt import spell
from proxy.sight import plan_for, sighted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.messages import CacheKey, Request
    from proxy.observing import Observer
    from proxy.sight import Sight
    from proxy.store.base import Found
    from proxy.store.cache import Cache
    from proxy.turn import Turn, World

_MOST: Final = 8192
"""Requests that are known, each in two or three KiB; the one used last is kept."""

_VARYING: Final = ("outcome", "tier", "place", "status", "age_s", "ttl_s", "cost", "saved")
"""What of a visit one look-up after the other changes."""

_NOTHING: Final = (Outcome.ERROR, None, b"", 0, None, None, None, None)
_varying_of: Final = attrgetter(*_VARYING)


class _Known:
    """Whose answer such requests want, from `begins` until `ends` (epoch seconds)."""

    __slots__ = ("begins", "ends", "key", "match", "received", "visit")

    def __init__(self, turn: Turn, key: CacheKey) -> None:
        self.key = key
        self.match = turn.match
        self.visit = turn.visit
        self.received = turn.body.received
        fields = turn.visit.request.fields
        self.begins, self.ends = spell(fields.get("authorization"), turn.visit.began_at)


class Reach:
    """A look-up under way. `at` is epoch seconds, `began` on the timer. Implements `Pending`."""

    __slots__ = (
        *("_found", "_heard", "_known", "_reaches", "_task", "_told", "at", "began"),
        *("request", "size"),
    )

    sent: Final = None

    def __init__(self, reaches: Reaches, known: _Known, request: bytes, at: float) -> None:
        self._reaches = reaches
        self._known = known
        self._found: Found | NotServed = NotServed.ABSENT
        self._heard: Callable[[], None] | None = None
        self.request = request
        self.at, self.began = at, reaches.timer()
        self.size = 0
        self._told = _NOTHING
        self._task = tasks.spawn(self._look(), "look-up")

    async def _look(self) -> None:
        reaches = self._reaches
        try:
            self._found = await reaches.cache.find(self._known.key.digest, reaches.clock())
        finally:
            if self._heard is not None:
                self._heard()

    def listen(self, heard: Callable[[], None]) -> None:
        """Call this when the store has answered."""
        self._heard = heard

    def answer(self) -> bytes | None:
        """The answer as its client gets it; None: what was found is no plain fresh hit."""
        known, now = self._known, self._reaches.clock()
        match, visit = known.match, known.visit
        sight = sighted(match.route, known.key, self._found, match.since)
        plan = plan_for(match, sight, now)
        if not isinstance(plan, Serve) or plan.outcome is not Outcome.HIT or plan.refresh:
            return None
        if len(plan.stored.body) > LARGEST or plan.stored.status in WITHOUT_BODY:
            return None
        visit.outcome, visit.tier, visit.place = Outcome.HIT, sight.tier, known.key.digest
        status, reason, fields, body = composed(visit, plan.stored, now)
        self.size, self._told = len(body), _varying_of(visit)
        return counted_head(status, reason, fields, len(body)) + body

    def over(self, *, aborted: bool) -> None:
        """Its answer was sent, or its client left."""
        known, visit = self._known, self._known.visit
        for name, value in zip(_VARYING, self._told, strict=True):
            setattr(visit, name, value)
        visit.began_at, visit.began, visit.aborted = self.at, self.began, aborted
        record = visit.record(self._reaches.timer(), received=known.received, sent=self.size)
        self._reaches.answered += not aborted
        tell(self._reaches.observers, record)

    def hand_over(self) -> None:
        """The driver looks for itself."""
        self._heard = None
        self._task.cancel()

    def give_up(self) -> None:
        """Its client left."""
        self.hand_over()
        self.over(aborted=True)


class Reaches:
    """`clock` is epoch seconds, `timer` counts seconds from anywhere."""

    def __init__(
        self,
        observers: Sequence[Observer],
        cache: Cache,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
    ) -> None:
        self.answered = 0
        """Requests that were answered so, since the start."""
        self.observers = observers
        self.cache = cache
        self.clock = clock
        self.timer = timer
        self._world: World | None = None
        self._table: OrderedDict[bytes, _Known] = OrderedDict()
        self._folding = Folding(())
        self._sightings = Sightings()
        self._noted: tuple[Turn, CacheKey] | None = None

    def adopt(self, world: World) -> None:
        """These rules are in force now: forget all that was learnt under others."""
        self._world = world
        self._folding = Folding(heeded(world.config.router))
        self._table.clear()
        self._noted = None

    # -- looking

    def take(self, _peer: str, request: bytes) -> Reach | None:
        """Ask the shared store, if such requests are known and memory has nothing; else None."""
        if not self._table or len(request) > LONGEST:
            return None
        folded = self._folding.fold(request)
        known = self._table.get(folded)
        now = self.clock()
        if known is None or not known.begins <= now < known.ends:
            return None
        if self.cache.peek(known.key.digest, now) is not None:
            return None  # the driver serves it, and the hot lane may learn it
        self._table.move_to_end(folded)
        return Reach(self, known, request, now)

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
        if self._folding.learn(data):
            folded = self._folding.fold(data)
            if folded not in self._table and self._sightings.before(folded):
                self._table[folded] = _Known(*noted)
                if len(self._table) > _MOST:
                    self._table.popitem(last=False)
