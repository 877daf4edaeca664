"""Calls to upstreams for clients: begun or joined, and what they land with delivered.

Floor 6, the driver's hand beyond the cache. Invariants: no call is begun that a budget forbids;
whoever joins one may have what it lands with; what was begun goes on without its client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.delivering import deliver_landing, let_go, unawaited
from proxy.errors import ClientError, ClientGone
from proxy.outcomes import Bypass, Forward, Outcome
from proxy.passing import is_inert, pass_on
from proxy.translating import sendable
from proxy.turn import NOWHERE, Turn, errand_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.decisions.lookup import Fetch, Serve
    from proxy.fetching import Fetcher
    from proxy.flow.call import Call
    from proxy.flow.flights import Flight, Flights
    from proxy.messages import CacheKey
    from proxy.outcomes import ExchangeRecord
    from proxy.rules.route import Match
    from proxy.spending import Spending
    from proxy.store.cache import Cache
    from proxy.turn import Errand, Landing


class Calling:
    """One per process. `tell` hears of calls that nobody waited for."""

    def __init__(
        self,
        cache: Cache,
        flights: Flights[Landing],
        fetcher: Fetcher,
        spending: Spending,
        *,
        clock: Callable[[], float],
        timer: Callable[[], float],
        tell: Callable[[ExchangeRecord], None],
    ) -> None:
        self._cache = cache
        self._flights = flights
        self._fetcher = fetcher
        self._spending = spending
        self._clock = clock
        self._timer = timer
        self._tell = tell
        self.on_passed: Callable[[Turn, Call], None] = lambda *_: None
        self.under_way = flights.find
        self.budget = fetcher.budget

    def refresh(self, turn: Turn, key: CacheKey, place: CacheKey, plan: Serve) -> None:
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

    async def fetch(self, turn: Turn, key: CacheKey, place: CacheKey, plan: Fetch) -> None:
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
        await self.send(turn, errand, place, shared=shares)

    async def send(
        self, turn: Turn, errand: Errand, place: CacheKey = NOWHERE, *, shared: bool = False
    ) -> None:
        """Begin a flight and deliver what it lands with; `shared`: others may join it."""
        if await self._spending.refused(turn, errand, self._clock()):
            return
        # Nothing was awaited since it was allowed.
        await self._lead(turn, self._fly(turn, errand, place, shared=shared))

    def _fly(
        self,
        turn: Turn,
        errand: Errand,
        place: CacheKey = NOWHERE,
        call: Call | None = None,
        *,
        shared: bool = False,
    ) -> Flight[Landing]:
        pay, fetcher = self._spending.paying(errand), self._fetcher
        return self._flights.begin(
            place.digest,
            self._cache.position,
            lambda flight: pay(flight, fetcher.fly(flight, turn.client, errand, call)),
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

    async def relay(self, turn: Turn, reason: Bypass) -> None:
        """Forward a request whose answer is neither looked up nor stored."""
        visit = turn.visit
        visit.outcome, visit.reason = Outcome.BYPASS, reason
        sent = await sendable(turn, self._cache, self._clock())
        if sent is not None:
            visit.forward = Forward.METHOD if reason is Bypass.METHOD else Forward.BYPASS
            if not is_inert(sent):
                await self.send(sent, errand_for(sent, None))
                return
            flight = await pass_on(
                sent,
                self._fetcher.deriving,
                self._clock,
                lambda call: self._fly(sent, errand_for(sent, None), call=call),
                self.on_passed,
            )
            if flight is not None:
                await self._lead(sent, flight)
