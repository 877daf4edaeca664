"""One upstream call from its head to what is stored of it.

Floor 6: the part of the driver that belongs to the flight and not to any client. It does what
`decisions.answer` and `decisions.keeping` decide. Invariants: it always lands or fails its flight;
what it stores was complete and judged whole, and is in memory before the last byte is let go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from proxy.decisions.answer import Freshen, Keep, Relay, StandIn, is_of_another, plan_answer
from proxy.decisions.failure import may_stand_in
from proxy.decisions.invalidating import invalidated, invalidated_in_doubt
from proxy.decisions.requesting import upstream_fields
from proxy.decisions.sharing import selecting_fields
from proxy.decisions.switching import SWITCHING
from proxy.decisions.trailing import interim_fields
from proxy.errors import ClientError, ClientGone, UpstreamConnectError, UpstreamError
from proxy.extending import extend
from proxy.flow import collected
from proxy.flow.balance import UpstreamBreakerOpenError
from proxy.flow.broadcast import PATIENCE_S, Abandoned, Broadcast
from proxy.flow.budget import Budget, Lease
from proxy.outcomes import NotStored
from proxy.showing import show
from proxy.spending import price
from proxy.store.base import Fact, FactKind
from proxy.turn import Landing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from proxy.decisions.answer import AnswerPlan
    from proxy.deriving import Deriving
    from proxy.errors import LarderError
    from proxy.fields import Fields
    from proxy.flow.call import Call
    from proxy.flow.flights import Flight
    from proxy.flow.roundtrip import Answer
    from proxy.flow.upstream import UpstreamClient
    from proxy.messages import Position, Response, StoredResponse
    from proxy.rules.invalidations import Invalidation
    from proxy.shelf import Shelf
    from proxy.store.cache import Cache
    from proxy.store.delayed import Delayed
    from proxy.turn import Errand

ERROR_BODY = 64 * 1024
"""Bytes of an answer that is not stored which are retained for those who wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Runs errands. `clock` is epoch seconds; `max_object` bounds what is recorded, in bytes.

    `budget` bounds what all of them hold of the bodies they pass on; `patience` is how long,
    in seconds, one client may hold up others that wait for the same body.
    """

    cache: Cache
    delayed: Delayed
    shelf: Shelf
    deriving: Deriving
    clock: Callable[[], float]
    max_object: int
    budget: Budget = field(default_factory=Budget)
    patience: float = PATIENCE_S

    async def fly(
        self,
        flight: Flight[Landing],
        client: UpstreamClient,
        errand: Errand,
        call: Call | None = None,
    ) -> None:
        """Call the upstream, or go on with `call`; land, see the body to its end, store."""
        held = Lease(self.budget)
        try:
            await self._fly(flight, client, errand, call, held)
        finally:
            held.end()
            if errand.lease is not None:
                errand.lease.end()
            if errand.witness is not None:
                errand.witness.over()

    async def _fly(
        self,
        flight: Flight[Landing],
        client: UpstreamClient,
        errand: Errand,
        call: Call | None,
        lease: Lease,
    ) -> None:
        landing = Landing(errand=errand, born=flight.born)
        sent_at = self.clock() if call is None else call.began
        try:
            answer = await self._call(flight, client, errand, call)
        except (UpstreamError, ClientError, ClientGone) as error:  # the latter two from its body
            if not isinstance(error, UpstreamBreakerOpenError):  # then no call was made
                landing.upstream_s = self.clock() - sent_at
            if not isinstance(error, UpstreamConnectError):
                doubt = invalidated_in_doubt(errand.upstream, errand.route, errand.subject)
                await self._state(doubt)
            await errand.tell(None, None, error)
            self._land_failure(flight, landing, error)
            return
        landing.response, landing.answer = answer.response, answer
        landing.upstream_s = self.clock() - sent_at
        try:
            chunks: AsyncIterator[bytes] = answer.chunks()
            if answer.response.status == SWITCHING and errand.tunnel is not None:
                answer.switch(errand.tunnel())
            held = await self._invalidate(landing, answer.response, chunks, lease)
            if held:
                chunks = collected.chain(held, chunks, lease)
            await self._land(flight, landing, answer.response, chunks, lease)
        except UpstreamError as error:  # it broke while its body was needed before its head
            doubt = invalidated_in_doubt(errand.upstream, errand.route, errand.subject)
            await self._state(doubt)
            await errand.tell(answer.response, None, error)
            self._land_failure(flight, landing, error)
        finally:
            answer.abort()  # does nothing to an answer that was read to its end

    async def _call(
        self, flight: Flight[Landing], client: UpstreamClient, errand: Errand, call: Call | None
    ) -> Answer:
        """Call the upstream; once more, without conditions, if its 304 is about another answer."""

        def hear(status: int, fields: Fields) -> Awaitable[None]:
            return flight.tell(errand.subject.credential, status, interim_fields(fields))

        validate = errand.validate
        with self.deriving.awaited(errand.upstream, errand.subject.request):
            answer = await client.answer(call or self._begin(client, errand, validate), hear)
            if not is_of_another(validate, answer.response):
                return answer
            answer.abort()
            return await client.answer(self._begin(client, errand, None), hear)

    def _begin(
        self, client: UpstreamClient, errand: Errand, validate: StoredResponse | None
    ) -> Call:
        asked, ranged, once = errand.subject.request, errand.ranged, errand.witness is not None
        fields = upstream_fields(
            errand.upstream, errand.route, asked, validate, errand.key, ranged=ranged
        )
        return client.begin(asked.method, asked.target, fields, errand.body, once=once)

    async def _invalidate(
        self, landing: Landing, response: Response, chunks: AsyncIterator[bytes], lease: Lease
    ) -> list[bytes]:
        """State what this answer invalidates before anybody sees it; the chunks read for that."""
        errand, held = landing.errand, list[bytes]()
        if errand.route.is_inert(errand.subject.request.method):
            return held
        if errand.route.invalidates_by_body and response.status != SWITCHING:
            held = await collected.collect(chunks, self.max_object, lease)
        subject = errand.subject.with_response(response, b"".join(held) or None)
        state = partial(self._state, invalidated(errand.upstream, errand.route, subject))
        await self.deriving.settle(landing, subject, state)
        await extend(self.cache, errand.route, subject, self.clock())
        return held

    async def _state(self, found: Iterable[Invalidation]) -> Position:
        by_delay: dict[float, list[Fact]] = {}
        for each in found:
            fact = Fact(FactKind(each.kind), each.value, unless=each.unless)
            by_delay.setdefault(each.after, []).append(fact)
        stated = self.cache.position
        for after_s, facts in by_delay.items():
            if after_s > 0:
                await self.delayed.add(facts, after_s)
            else:
                stated = await self.cache.invalidate(facts)
        return stated

    def _land_failure(self, flight: Flight[Landing], landing: Landing, error: LarderError) -> None:
        errand = landing.errand
        landing.plan, landing.error = None, error
        fallback = errand.fallback
        if fallback is not None and may_stand_in(
            errand.route, errand.subject.request, fallback, self.clock(), reached=False
        ):
            landing.plan, landing.stored = StandIn(fallback), fallback
        flight.land(landing)

    async def _land(
        self,
        flight: Flight[Landing],
        landing: Landing,
        response: Response,
        chunks: AsyncIterator[bytes],
        lease: Lease,
    ) -> None:
        landing.plan = plan = self._plan(landing.errand, response)
        match plan:
            case StandIn(stored):
                landing.stored = stored
                flight.land(landing)
            case Freshen():
                await self.shelf.freshen(landing, plan)
                flight.land(landing)
                if landing.renewed:
                    self.deriving.follow(landing, plan.head, plan.stored.body)
            case Keep() | Relay():
                await self.shelf.heed_head(landing, response)
                chunks = await show(landing, response, chunks, self._limit(landing.errand), lease)
                await self._relay(flight, landing, response, chunks)
        await self.shelf.clear(landing)

    def _plan(self, errand: Errand, response: Response) -> AnswerPlan:
        if errand.key is None:
            return Relay(NotStored.METHOD)
        return plan_answer(
            errand.route,
            errand.subject,
            response,
            self.clock(),
            validate=errand.validate,
            fallback=errand.fallback,
            max_body=self._limit(errand),
            ranged=errand.ranged,
        )

    def _limit(self, errand: Errand) -> int:
        return min(self.max_object, errand.route.stream_max)

    async def _relay(
        self,
        flight: Flight[Landing],
        landing: Landing,
        response: Response,
        chunks: AsyncIterator[bytes],
    ) -> None:
        """Let everybody read along, and record the body where it may be kept."""
        errand, limit = landing.errand, ERROR_BODY
        if isinstance(landing.plan, Keep):
            limit = self._limit(errand)
        elif errand.witness is not None:
            limit = errand.witness.limit
        body = landing.body = Broadcast(limit, budget=self.budget, patience=self.patience)
        landing.first = None if flight.leader_left else body.reader()
        credentials = errand.upstream.credential_fields
        landing.selecting = selecting_fields(errand.route, errand.subject, response, credentials)
        if isinstance(landing.plan, Relay):
            landing.not_stored = landing.plan.reason
        flight.land(landing)
        try:
            await self._pass_on(flight, landing, body, response, chunks)
        finally:
            body.close()

    async def _pass_on(
        self,
        flight: Flight[Landing],
        landing: Landing,
        body: Broadcast,
        response: Response,
        chunks: AsyncIterator[bytes],
    ) -> None:
        keeping = isinstance(landing.plan, Keep)
        try:
            await flight.heard()
            async for chunk in chunks:
                await body.write(chunk)
            if keeping:
                landing.not_stored = landing.loss or self._put(landing, body, response)
            else:
                self.deriving.follow(landing, response, None)
            price(landing, body)
            await landing.errand.tell(response, body)
            body.end(landing.trailers)
        except (UpstreamError, ClientError, ClientGone) as error:
            if keeping:
                landing.not_stored = NotStored.TRUNCATED
                self.shelf.salvage(landing, response, body.body() if body.whole else b"")
            if not isinstance(error, UpstreamError):  # the rest of the request did not come
                error = UpstreamError(f"the request broke off: {error}")
            await landing.errand.tell(response, None, error)
            body.fail(error)
        except Abandoned:
            await landing.errand.tell(response, None)
            landing.not_stored = landing.not_stored or landing.loss
        except BaseException:  # a defect, or the end of the process: nobody may be left waiting
            body.fail(UpstreamError("the proxy gave the answer up"))
            raise

    def _put(self, landing: Landing, body: Broadcast, response: Response) -> NotStored | None:
        """Store the body; those who still read it read what is stored."""
        whole = body.body()
        refused = self.shelf.put(landing, response, whole)
        if refused is None:
            body.share(whole)
            self.deriving.follow(landing, response, whole)
        return refused
