"""One upstream call from its head to what is stored of it.

Floor 6: the part of the driver that belongs to the flight and not to any client. It carries out
what `decisions.answer` and `decisions.keeping` decide. Invariants: it always lands or fails its
flight; what it stores was complete and was judged whole; the answer is in memory before the
last byte is let go, so whoever saw the end finds the entry.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from proxy.caching.validation import is_about
from proxy.decisions.answer import Freshen, Keep, Relay, StandIn, answers_get, plan_answer
from proxy.decisions.failure import may_stand_in
from proxy.decisions.invalidating import invalidated, invalidated_in_doubt
from proxy.decisions.requesting import upstream_fields
from proxy.decisions.sharing import selecting_fields
from proxy.decisions.switching import SWITCHING
from proxy.errors import ClientError, ClientGone, UpstreamConnectError, UpstreamError
from proxy.flow import collected
from proxy.flow.balance import UpstreamBreakerOpenError
from proxy.flow.broadcast import PATIENCE_S, Abandoned, Broadcast
from proxy.flow.budget import Budget, Lease
from proxy.outcomes import Bypass, NotStored
from proxy.store.base import Fact, FactKind
from proxy.turn import Landing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from proxy.decisions.answer import AnswerPlan
    from proxy.errors import LarderError
    from proxy.flow.flights import Flight
    from proxy.flow.roundtrip import Answer
    from proxy.flow.upstream import UpstreamClient
    from proxy.messages import Response, StoredResponse
    from proxy.rules.invalidations import Invalidation
    from proxy.shelf import Shelf
    from proxy.store.cache import Cache
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
    shelf: Shelf
    clock: Callable[[], float]
    max_object: int
    budget: Budget = field(default_factory=Budget)
    patience: float = PATIENCE_S

    async def fly(self, flight: Flight[Landing], client: UpstreamClient, errand: Errand) -> None:
        """Call the upstream, land the flight, see the body to its end, store."""
        held = Lease(self.budget)
        try:
            await self._fly(flight, client, errand, held)
        finally:
            held.end()
            if errand.lease is not None:
                errand.lease.end()

    async def _fly(
        self, flight: Flight[Landing], client: UpstreamClient, errand: Errand, lease: Lease
    ) -> None:
        landing = Landing(errand=errand, born=flight.born)
        sent_at = self.clock()
        try:
            answer = await self._call(client, errand)
        except UpstreamBreakerOpenError as error:  # no call was made
            self._land_failure(flight, landing, error)
            return
        except (UpstreamError, ClientError, ClientGone) as error:  # the latter two from its body
            landing.upstream_s = self.clock() - sent_at
            if not isinstance(error, UpstreamConnectError):
                doubt = invalidated_in_doubt(errand.upstream, errand.route, errand.subject)
                await self._state(doubt)
            self._land_failure(flight, landing, error)
            return
        landing.response, landing.answer = answer.response, answer
        landing.upstream_s = self.clock() - sent_at
        try:
            chunks = answer.chunks()
            if answer.response.status == SWITCHING and errand.tunnel is not None:
                answer.switch(errand.tunnel())
            adopted = self._adopted(landing, answer.response)
            held = await self._invalidate(errand, answer.response, chunks, lease)
            if adopted is not None:  # after its own invalidation, so that it outlives that
                landing.errand, landing.born = adopted, self.cache.position
            await self._land(flight, landing, answer.response, collected.chain(held, chunks, lease))
        except UpstreamError as error:  # it broke while its body was needed before its head
            self._land_failure(flight, landing, error)
        finally:
            answer.abort()  # does nothing to an answer that was read to its end

    async def _call(self, client: UpstreamClient, errand: Errand) -> Answer:
        """Call the upstream; once more, without conditions, if its 304 is about another answer."""
        validate = errand.validate
        answer = await self._send(client, errand, validate)
        response = answer.response
        if validate is None or response.status != 304 or is_about(validate.fields, response.fields):
            return answer
        answer.abort()
        return await self._send(client, errand, None)

    async def _send(
        self, client: UpstreamClient, errand: Errand, validate: StoredResponse | None
    ) -> Answer:
        request = errand.subject.request
        return await client.fetch(
            request.method,
            request.target,
            upstream_fields(
                errand.upstream,
                errand.route,
                request,
                validate,
                errand.key,
                ranged=errand.ranged,
            ),
            errand.body,
            on_interim=errand.hint,
        )

    def _adopted(self, landing: Landing, response: Response) -> Errand | None:
        """The GET that this POST's answer answers too (RFC 9110 §9.3.3), as an errand of its own.

        Not if anything about it was invalidated since the POST began: the answer may be older.
        """
        errand = landing.errand
        if errand.key is not None or not answers_get(
            errand.route, errand.upstream, errand.subject, response
        ):
            return None
        subject = errand.subject.as_get
        identity = errand.route.identify(subject)
        tags = errand.route.tags(subject.with_response(response, None))
        if isinstance(identity, Bypass) or tags is None:
            return None
        adopted = replace(errand, key=identity.key, subject=subject)
        alive = self.cache.alive(Landing(errand=adopted, born=landing.born).claim(tags))
        return adopted if alive else None

    async def _invalidate(
        self, errand: Errand, response: Response, chunks: AsyncIterator[bytes], lease: Lease
    ) -> list[bytes]:
        """State what this answer invalidates before anybody sees it.

        Returns the chunks that had to be read for it: a tag may be in the answer's body.
        """
        held: list[bytes] = []
        if errand.route.invalidates_by_body and response.status != SWITCHING:
            held = await collected.collect(chunks, self.max_object, lease)
        subject = errand.subject.with_response(response, b"".join(held) or None)
        await self._state(invalidated(errand.upstream, errand.route, subject))
        return held

    async def _state(self, found: Iterable[Invalidation]) -> None:
        facts = [Fact(FactKind(each.kind), each.value) for each in found]
        if facts:
            await self.cache.invalidate(facts)

    def _land_failure(self, flight: Flight[Landing], landing: Landing, error: LarderError) -> None:
        errand = landing.errand
        landing.error = error
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
    ) -> None:
        landing.plan = plan = self._plan(landing.errand, response)
        match plan:
            case StandIn(stored):
                landing.stored = stored
                flight.land(landing)
            case Freshen():
                await self.shelf.freshen(landing, plan)
                flight.land(landing)
            case Keep() | Relay():
                await self.shelf.heed_head(landing, response)
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
        keeping = isinstance(landing.plan, Keep)
        limit = self._limit(landing.errand) if keeping else ERROR_BODY
        body = landing.body = Broadcast(limit, budget=self.budget, patience=self.patience)
        landing.first = None if flight.leader_left else body.reader()
        landing.selecting = selecting_fields(
            landing.errand.route,
            landing.errand.subject,
            response,
            landing.errand.upstream.credential_fields,
        )
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
            body.end(landing.trailers)
        except (UpstreamError, ClientError, ClientGone) as error:
            if keeping:
                landing.not_stored = NotStored.TRUNCATED
                self.shelf.salvage(landing, response, body.body() if body.whole else b"")
            if not isinstance(error, UpstreamError):  # the rest of the request did not come
                error = UpstreamError(f"the request broke off: {error}")
            body.fail(error)
        except Abandoned:
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
        return refused
