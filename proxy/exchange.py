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

from proxy.caching.forwarding import hops_left, times_passed
from proxy.caching.partial import asks_one_range
from proxy.decisions.keeping import slide
from proxy.decisions.lookup import Fetch, Refuse, Serve
from proxy.decisions.requesting import PSEUDONYM
from proxy.delivering import (
    answer_last,
    deliver_landing,
    deliver_stored,
    let_go,
    refuse,
    unawaited,
)
from proxy.errors import ClientError, ClientGone
from proxy.identifying import identified
from proxy.messages import CacheKey, Request, StoredResponse
from proxy.outcomes import Bypass, Forward, Outcome, Refusal
from proxy.rules.lifetimes import TimedTtl
from proxy.rules.targets import climbs_out
from proxy.sight import Sight, glance, look, look_for_part, plan_for
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


MAX_PASSES: Final = 8
"""How often Via may name us: Larders may stand behind each other, but not in a circle."""


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
    ) -> None:
        self._world = world
        self._cache = cache
        self._flights = flights
        self._fetcher = fetcher
        self._clock = clock
        self._timer = timer
        self._parsing = asyncio.Lock()
        self._observers = list(observers)

    @property
    def world(self) -> World:
        """The rules and clients in force."""
        return self._world

    def adopt(self, world: World) -> None:
        """Use these rules for every request that begins from now on."""
        self._world = world

    def observe(self, observer: Callable[[ExchangeRecord], None]) -> None:
        """Tell this one, too, of every exchange."""
        self._observers.append(observer)

    async def handle(self, request: Request, body: BodySource, reply: Reply) -> None:
        """Answer one request, and tell every observer what became of it."""
        visit = Visit(request=request, began_at=self._clock(), began=self._timer())
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
        for observe in self._observers:
            observe(record)

    async def _visit(self, visit: Visit, body: BodySource, reply: Reply) -> None:
        world = self._world
        if times_passed(visit.request.fields, PSEUDONYM) > MAX_PASSES:
            await refuse(visit, reply, 508, Refusal.LOOP, self._clock())
            return
        if hops_left(visit.request) == 0:
            await answer_last(visit, reply, self._clock())
            return
        found = world.config.router.find(visit.request)
        if found is None:
            await refuse(visit, reply, 404, Refusal.NO_UPSTREAM, self._clock())
            return
        upstream, request = found
        visit.upstream = upstream
        if climbs_out(request.path):
            await refuse(visit, reply, 400, Refusal.CLIMBS, self._clock())
            return
        known = b"" if body.length == 0 else request.body
        request = replace(request, at=visit.began_at, body=known)
        match, identity = await identified(world.config, upstream, request, body, self._parsing)
        turn = Turn(visit, world, upstream, match, body, reply)
        visit.route = match.route
        if isinstance(identity, Bypass):
            await self._relay(turn, identity)
        else:
            visit.key = identity.key.digest
            await self._cached(turn, identity.key)

    # -- answers that are stored ------------------------------------------------------------

    async def _cached(self, turn: Turn, key: CacheKey) -> None:
        """Look up, plan, and carry the plan out."""
        match, now = turn.match, self._clock()
        sight = await look(self._cache, match, key, now)
        if sight.stored is None and self._flights.find(sight.place.digest) is None:
            # 1. the shared store has nothing; 2. while it says so, a flight for this answer
            # lands, stores and ends; 3. there is none to join: memory has the answer now.
            sight = glance(self._cache, match, key, now) or sight
        plan = plan_for(match, sight, self._clock())
        if not isinstance(plan, Serve) and asks_one_range(turn.request):
            sight, plan = await look_for_part(self._cache, match, sight, plan, self._clock())
        match plan:
            case Serve():
                await self._serve(turn, key, sight, plan)
            case Refuse(status, reason):
                await refuse(turn.visit, turn.reply, status, reason, self._clock())
            case Fetch(ranged=False) if "range" in turn.request.fields:
                await self._relay(turn, Bypass.RANGE)
            case Fetch():
                turn.visit.forward, turn.visit.reason = plan.forward, plan.reason
                await self._fetch(turn, key, sight.place, plan)
            case _:
                assert_never(plan)

    async def _serve(self, turn: Turn, key: CacheKey, sight: Sight, plan: Serve) -> None:
        visit = turn.visit
        visit.outcome, visit.tier = plan.outcome, sight.tier
        if plan.refresh:
            self._refresh(turn, key, sight.place, plan)
        elif isinstance(turn.match.route.ttl, TimedTtl) and plan.outcome is Outcome.HIT:
            self._slide(sight.place, sight.stored or plan.stored, turn.match.route.ttl)
        await deliver_stored(visit, plan.stored, turn.reply, self._clock())

    def _refresh(self, turn: Turn, key: CacheKey, place: CacheKey, plan: Serve) -> None:
        """Fetch a newer answer behind the stale one, once, and not right after a failure."""
        if self._flights.find(place.digest) is not None or self._flights.is_resting(place.digest):
            return
        errand = errand_for(turn, key, validate=plan.validate, fallback=plan.stored).as_get()
        visit = turn.visit.behind(self._timer())

        async def fly(flight: Flight[Landing]) -> None:
            await self._fetcher.fly(flight, turn.client, errand)
            landing = await flight.landed()
            if not landing.renewed:
                self._flights.rest(flight.key)
            self._tell(unawaited(visit, landing, self._timer()))

        flight = self._flights.begin(place.digest, self._cache.position, fly)
        flight.leader_left = True  # it never had one

    def _slide(self, place: CacheKey, stored: StoredResponse, ttl: TimedTtl) -> None:
        """Lengthen the life of an answer that is used."""
        now = self._clock()
        slid = slide(stored, ttl, now)
        if slid is not None:
            self._cache.keep(place.digest, slid, now)

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
        flight = self._begin(turn, place, errand, shared=shares)
        await self._lead(turn, flight)

    def _begin(
        self, turn: Turn, place: CacheKey, errand: Errand, *, shared: bool = True
    ) -> Flight[Landing]:
        return self._flights.begin(
            place.digest,
            self._cache.position,
            lambda flight: self._fetcher.fly(
                flight, turn.client, replace(errand, interim=partial(flight.tell, turn.circle))
            ),
            shared=shared,
        )

    async def _lead(self, turn: Turn, flight: Flight[Landing]) -> None:
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
        visit.forward = Forward.METHOD if reason is Bypass.METHOD else Forward.BYPASS
        flight = self._begin(turn, NOWHERE, errand_for(turn, None), shared=False)
        await self._lead(turn, flight)
