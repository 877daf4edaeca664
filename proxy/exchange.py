"""The driver: one client request from its head to its last byte (RFC 9111 §4).

The only file that sees everything. It carries out plans and decides nothing itself: route,
look up, plan, serve or join or begin a flight, deliver, tell the story once. A client's
cancellation ends its visit and never the flight it began.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, assert_never

from proxy.admitting import TurnedAway, admitted, turn_away
from proxy.begun import Begun, failed
from proxy.calling import Calling
from proxy.client import finish
from proxy.decisions import cors
from proxy.decisions.lookup import Fetch, LookupPlan, Refuse, Serve
from proxy.deduping import Deduper
from proxy.delivering import deliver_stored, refuse
from proxy.dressing import Dressed
from proxy.extending import slide_used
from proxy.flow import tasks
from proxy.flow.budget import Lease
from proxy.hastening import Hastening
from proxy.identifying import identified, identified_now
from proxy.messages import CacheKey, Request
from proxy.observing import Counts, Observer, tell
from proxy.outcomes import Bypass, Outcome, Refusal
from proxy.room import with_room
from proxy.sessions import Sessions
from proxy.sight import Sight, at_hand, see
from proxy.spending import Spending, known_digest
from proxy.turn import Turn
from proxy.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.client import BodySource, Reply, Rest
    from proxy.fetching import Fetcher
    from proxy.flow.flights import Flights
    from proxy.outcomes import ExchangeRecord
    from proxy.rules.route import Identity
    from proxy.rules.settings import Upstream
    from proxy.store.cache import Cache
    from proxy.turn import Landing, World


RETRY_S: Final = 5
"""When to come again, for a client whose answer there was no room for."""


class Exchange:
    """Carries requests through. One per process; `adopt` gives it new rules at any time."""

    def __init__(
        self,
        world: World,
        *,
        cache: Cache,
        flights: Flights[Landing],
        fetcher: Fetcher,
        clock: Callable[[], float],
        timer: Callable[[], float],
        observers: Sequence[Callable[[ExchangeRecord], None]] = (),
        spending: Spending | None = None,
    ) -> None:
        self._world = world
        self._cache = cache
        self._clock = clock
        self._timer = timer
        self.calling = Calling(
            *(cache, flights, fetcher, spending or Spending()),
            clock=clock,
            timer=timer,
            tell=self._tell,
        )
        self._deduper = Deduper(cache.notes, clock, self.calling.send)
        self.sessions = Sessions(cache.notes, tasks.spawn)
        self._hastening = Hastening()
        self._parsing = asyncio.Lock()
        self.observers: list[Observer] = [Counts(self.sessions.count), *observers]
        self.on_served: Callable[[Turn, CacheKey, Sight, Serve], None] = lambda *_: None

    @property
    def world(self) -> World:
        """The rules and clients in force."""
        return self._world

    def adopt(self, world: World) -> None:
        """Use these rules for every request that begins from now on."""
        self._world = world

    def observe(self, observer: Callable[[ExchangeRecord], None]) -> None:
        """Tell this one, too, of every exchange."""
        self.observers.append(observer)

    async def handle(self, request: Request, body: BodySource, reply: Reply) -> None:
        """Answer one request, and tell every observer what became of it."""
        begun = self.begin(request, body, reply)
        if begun is not None:
            await begun.finish()

    def begin(self, request: Request, body: BodySource, reply: Reply) -> Begun | None:
        """The same as far as nothing has to be waited for; None if that was all."""
        at, began = self._clock(), self._timer()
        if body.sent is not None:
            at, began = body.sent.at, body.sent.began
        visit = Visit(request=request, began_at=at, began=began, background=request.own)
        rest = None
        try:
            rest = self._visit(visit, body, reply)
        except BaseException as error:
            failed(visit, error)
            raise
        finally:
            if rest is None:
                self._over(visit, body, reply)
        return None if rest is None else Begun(visit, rest, partial(self._over, visit, body, reply))

    def _over(self, visit: Visit, body: BodySource, reply: Reply) -> None:
        self._tell(visit.record(self._timer(), received=body.received, sent=reply.sent))

    def refused(self, status: int) -> None:
        """Tell every observer of a request so malformed that it never came to a visit."""
        request = Request(method="-", target="-")
        visit = Visit(request=request, began_at=self._clock(), began=self._timer())
        visit.ended(status, Outcome.REFUSED, Refusal.BAD_REQUEST)
        self._tell(visit.record(self._timer(), received=0, sent=0))

    def _tell(self, record: ExchangeRecord) -> None:
        tell(self.observers, record)

    def _visit(self, visit: Visit, body: BodySource, reply: Reply) -> Rest | None:
        world = self._world
        config = world.config
        if config.cors is not None:
            dressed = partial(cors.dressed, config.cors, visit.request)
            reply = Dressed(reply, dressed, repeats=True)
        found = admitted(visit, config)
        if isinstance(found, TurnedAway):
            return partial(turn_away, visit, reply, found, visit.began_at)
        upstream, request = found
        found_now = identified_now(config, upstream, request, body)
        if found_now is None:
            return partial(self._read_on, visit, world, upstream, request, body, reply)
        match, identity = found_now
        return self._identified(Turn(visit, world, upstream, match, body, reply), identity)

    async def _read_on(
        self,
        visit: Visit,
        world: World,
        upstream: Upstream,
        request: Request,
        body: BodySource,
        reply: Reply,
    ) -> None:
        match, identity = await identified(world.config, upstream, request, body, self._parsing)
        turn = Turn(visit, world, upstream, match, body, reply)
        await finish(self._identified(turn, identity))

    def _identified(self, turn: Turn, identity: Identity | Bypass) -> Rest | None:
        visit, match, sessions = turn.visit, turn.match, turn.world.config.sessions
        visit.route = match.route
        visit.credential = known_digest(match.subject, "credential")
        if match.route.reads_session:
            visit.session = match.subject.session_digest or ""
            visit.counted = sessions.counted(match.subject)
            if sessions.attended:
                return partial(self._attend, turn, identity)
        return self._answer(turn, identity)

    async def _attend(self, turn: Turn, identity: Identity | Bypass) -> None:
        sessions = turn.world.config.sessions
        match, reply = await self.sessions.attend(sessions, turn.visit, turn.match, turn.reply)
        await finish(self._answer(replace(turn, match=match, reply=reply), identity))

    def _answer(self, turn: Turn, identity: Identity | Bypass) -> Rest | None:
        if turn.match.route.deduping is not None:
            return partial(self._deduper.answer, turn, identity)
        if isinstance(identity, Bypass):
            return partial(self.calling.relay, turn, identity)
        key, now = identity.key, self._clock()
        turn.visit.key = key.digest
        seen = at_hand(self._cache, turn.match, key, now)
        if seen is None:
            return partial(self._cached, turn, key)
        return self._serve(turn, key, *seen, now)

    # -- answers that are stored ------------------------------------------------------------

    async def _cached(self, turn: Turn, key: CacheKey) -> None:
        """Look up, plan, and carry the plan out."""
        lease = Lease(self.calling.budget)
        try:
            looking = partial(
                see, self._cache, turn.match, key, self._clock, self.calling.under_way
            )
            seen = await with_room(lease, looking)
            if seen is not None:
                await self._carry_out(turn, key, *seen)
            else:
                visit, now = turn.visit, self._clock()
                await refuse(visit, turn.reply, 503, Refusal.NO_ROOM, now, retry_after=RETRY_S)
        finally:
            lease.end()

    async def _carry_out(self, turn: Turn, key: CacheKey, sight: Sight, plan: LookupPlan) -> None:
        match plan:
            case Serve():
                await finish(self._serve(turn, key, sight, plan, self._clock()))
            case Refuse(status, reason):
                await refuse(turn.visit, turn.reply, status, reason, self._clock())
            case Fetch(ranged=False) if "range" in turn.request.fields and not turn.is_judged:
                await self.calling.relay(turn, Bypass.RANGE)
            case Fetch():
                turn.visit.forward, turn.visit.reason = plan.forward, plan.reason
                await self.calling.fetch(turn, key, sight.place, plan)
            case _:
                assert_never(plan)

    def _serve(
        self, turn: Turn, key: CacheKey, sight: Sight, plan: Serve, now: float
    ) -> Rest | None:
        visit = turn.visit
        visit.outcome, visit.tier = plan.outcome, sight.tier
        visit.place = (sight.reached or sight.place).digest
        plan = self._hastening.heed(turn.match, sight, plan, now)
        if plan.refresh:
            self.calling.refresh(turn, key, sight.place, plan)
        elif plan.outcome is Outcome.HIT:
            stored, place = sight.stored or plan.stored, sight.reached or sight.place
            slide_used(self._cache, turn.match.route, place, stored, now)
        rest = deliver_stored(visit, plan.stored, turn.reply, now)
        self.on_served(turn, key, sight, plan)
        return rest
