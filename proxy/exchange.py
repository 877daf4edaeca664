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

from proxy.admitting import admitted
from proxy.decisions import cors
from proxy.decisions.lookup import Fetch, LookupPlan, Refuse, Serve
from proxy.deduping import Deduper
from proxy.delivering import deliver_landing, deliver_stored, let_go, refuse, unawaited
from proxy.dressing import Dressed
from proxy.errors import ClientError, ClientGone
from proxy.extending import slide_used
from proxy.flow import tasks
from proxy.flow.budget import Lease
from proxy.hastening import Hastening
from proxy.identifying import identified
from proxy.messages import CacheKey, Request
from proxy.observing import Counts, Observer, tell
from proxy.outcomes import Bypass, Forward, Outcome, Refusal
from proxy.room import with_room
from proxy.sessions import Sessions
from proxy.sight import Sight, see
from proxy.spending import Spending, known_digest
from proxy.translating import sendable
from proxy.turn import NOWHERE, Turn, errand_for
from proxy.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.client import BodySource, Reply
    from proxy.fetching import Fetcher
    from proxy.flow.flights import Flight, Flights
    from proxy.outcomes import ExchangeRecord
    from proxy.rules.route import Match
    from proxy.store.cache import Cache
    from proxy.turn import Errand, Landing, World


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
        self._flights = flights
        self._fetcher = fetcher
        self._clock = clock
        self._timer = timer
        self._spending = spending or Spending()
        self._deduper = Deduper(cache.notes, clock, self._send)
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
        began, own = self._timer(), request.own
        visit = Visit(request=request, began_at=self._clock(), began=began, background=own)
        try:
            await self._visit(visit, body, reply)
        except (ClientGone, asyncio.CancelledError):
            visit.aborted = True
            raise
        except ClientError as error:
            visit.ended(error.status, Outcome.REFUSED, Refusal.BAD_REQUEST)
            raise
        except Exception:
            visit.ended(500, Outcome.ERROR, Refusal.INTERNAL)
            raise
        finally:
            self._tell(visit.record(self._timer(), received=body.received, sent=reply.sent))

    def refused(self, status: int) -> None:
        """Tell every observer of a request so malformed that it never came to a visit."""
        request = Request(method="-", target="-")
        visit = Visit(request=request, began_at=self._clock(), began=self._timer())
        visit.ended(status, Outcome.REFUSED, Refusal.BAD_REQUEST)
        self._tell(visit.record(self._timer(), received=0, sent=0))

    def _tell(self, record: ExchangeRecord) -> None:
        tell(self.observers, record)

    async def _visit(self, visit: Visit, body: BodySource, reply: Reply) -> None:
        world = self._world
        if world.config.cors is not None:
            dressed = partial(cors.dressed, world.config.cors, visit.request)
            reply = Dressed(reply, dressed, repeats=True)
        found = await admitted(visit, world.config, reply, visit.began_at)
        if found is None:
            return
        upstream, request = found
        known = b"" if body.length == 0 else request.body
        request = replace(request, at=visit.began_at, body=known)
        match, identity = await identified(world.config, upstream, request, body, self._parsing)
        visit.route, sessions = match.route, world.config.sessions
        visit.credential = known_digest(match.subject, "credential")
        if match.route.reads_session:
            visit.session = match.subject.session_digest or ""
            visit.counted = sessions.counted(match.subject)
            if sessions.attended:
                match, reply = await self.sessions.attend(sessions, visit, match, reply)
        turn = Turn(visit, world, upstream, match, body, reply)
        if match.route.deduping is not None:
            await self._deduper.answer(turn, identity)
        elif isinstance(identity, Bypass):
            await self._relay(turn, identity)
        else:
            visit.key = identity.key.digest
            await self._cached(turn, identity.key)

    # -- answers that are stored ------------------------------------------------------------

    async def _cached(self, turn: Turn, key: CacheKey) -> None:
        """Look up, plan, and carry the plan out."""
        lease = Lease(self._fetcher.budget)
        try:
            looking = partial(see, self._cache, turn.match, key, self._clock, self._flights.find)
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
                await self._serve(turn, key, sight, plan)
            case Refuse(status, reason):
                await refuse(turn.visit, turn.reply, status, reason, self._clock())
            case Fetch(ranged=False) if "range" in turn.request.fields and not turn.is_judged:
                await self._relay(turn, Bypass.RANGE)
            case Fetch():
                turn.visit.forward, turn.visit.reason = plan.forward, plan.reason
                await self._fetch(turn, key, sight.place, plan)
            case _:
                assert_never(plan)

    async def _serve(self, turn: Turn, key: CacheKey, sight: Sight, plan: Serve) -> None:
        visit = turn.visit
        visit.outcome, visit.tier = plan.outcome, sight.tier
        visit.place = (sight.reached or sight.place).digest
        plan = self._hastening.heed(turn.match, sight, plan, self._clock())
        if plan.refresh:
            self._refresh(turn, key, sight.place, plan)
        elif plan.outcome is Outcome.HIT:
            stored, place = sight.stored or plan.stored, sight.reached or sight.place
            slide_used(self._cache, turn.match.route, place, stored, self._clock())
        await deliver_stored(visit, plan.stored, turn.reply, self._clock())
        self.on_served(turn, key, sight, plan)

    def _refresh(self, turn: Turn, key: CacheKey, place: CacheKey, plan: Serve) -> None:
        """Fetch a newer answer behind the stale one, once, and not right after a failure."""
        if self._flights.find(place.digest) is not None or self._flights.is_resting(place.digest):
            return
        errand = errand_for(turn, key, validate=plan.validate, fallback=plan.stored).as_get()
        if not self._spending.allows(errand):
            return
        visit, pay = turn.visit.behind(self._timer()), self._spending.paying(errand)

        async def fly(flight: Flight[Landing]) -> None:
            await pay(flight, self._fetcher.fly(flight, turn.client, errand))
            landing = await flight.landed()
            if not landing.renewed:
                self._flights.rest(flight.key)
            self._tell(unawaited(visit, landing, self._timer()))

        flight = self._flights.begin(place.digest, self._cache.position, fly)
        flight.leader_left = True  # it never had one

    # -- flights ----------------------------------------------------------------------------

    async def _fetch(self, turn: Turn, key: CacheKey, place: CacheKey, plan: Fetch) -> None:
        """Join the flight for this answer, or begin it."""
        shares = turn.match.route.collapse and turn.request.method != "HEAD"
        if shares and plan.joinable and not self._flights.is_unshared(place.digest):
            flight = self._flights.find(place.digest)
            if flight is not None and await self._follow(turn, flight, plan):
                return
        errand = errand_for(
            turn,
            key,
            validate=plan.validate,
            fallback=plan.fallback,
            ranged=plan.ranged,
            part=plan.part,
        )
        await self._send(turn, errand, place, shared=shares)

    async def _send(
        self, turn: Turn, errand: Errand, place: CacheKey = NOWHERE, *, shared: bool = False
    ) -> None:
        """Begin a flight and deliver what it lands with; `shared`: others may join it."""
        if await self._spending.refused(turn, errand, self._clock()):
            return
        pay = self._spending.paying(errand)  # nothing was awaited since it was allowed
        flight = self._flights.begin(
            place.digest,
            self._cache.position,
            lambda flight: pay(flight, self._fetcher.fly(flight, turn.client, errand)),
            shared=shared,
        )
        with flight.hearing(turn.circle, turn.reply.interim):
            landing = await flight.lead(let_go)
        await deliver_landing(turn.visit, landing, turn.reply, self._clock())

    async def _follow(self, turn: Turn, flight: Flight[Landing], plan: Fetch) -> bool:
        """Take the answer of a flight under way; False when it may not be shared.

        A stored response it landed with is only for those whose own look-up found one; and
        what went wrong with the leader's own request is no answer to another's.
        """
        with flight.hearing(turn.circle, turn.reply.interim):
            landing = await flight.landed()
        if isinstance(landing.error, ClientError | ClientGone) and landing.stored is None:
            return False
        if landing.stored is not None and plan.fallback is None:
            return False
        reader = None
        if landing.body is not None:
            if not landing.suits(turn.match):
                self._flights.mark_unshared(flight.key)
                return False
            if self._overtaken(turn.match, landing):
                return False
            reader = landing.body.reader()
            if reader is None:
                return False
        turn.visit.collapsed = True
        await deliver_landing(turn.visit, landing, turn.reply, self._clock(), follower=reader)
        return True

    def _overtaken(self, match: Match, landing: Landing) -> bool:
        """Whether the answer was invalidated since its flight began.

        1. the flight reads the old answer; 2. a write is acknowledged; 3. a request joins the
        flight and must not get it. So the answer's tags are judged once its head is here.
        """
        tags = match.route.tags(match.subject.with_response(landing.head, None))
        if tags is None:  # one is in the body: it may be any that was invalidated since
            return self._cache.position != landing.born
        return not self._cache.alive(landing.claim(tags))

    async def _relay(self, turn: Turn, reason: Bypass) -> None:
        """Forward a request whose answer is neither looked up nor stored."""
        visit = turn.visit
        visit.outcome, visit.reason = Outcome.BYPASS, reason
        sent = await sendable(turn, self._cache, self._clock())
        if sent is not None:
            visit.forward = Forward.METHOD if reason is Bypass.METHOD else Forward.BYPASS
            await self._send(sent, errand_for(sent, None))
