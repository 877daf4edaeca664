"""The upstream client: a request in, an answer out, by the rule of one upstream.

Composes balance, connections and round trips; knows what may be repeated and
when. Invariants: a request is sent again only if nothing of it was sent, or if
it is idempotent and its body is at hand; an answer given up for another try is
aborted first.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from proxy.errors import ClientError, UpstreamConnectError, UpstreamError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.answer_head import problem_of
from proxy.flow.balance import FAILURE_STATUSES, Balancer, BreakerState, CircuitBreaker, Target
from proxy.flow.call import Asked, Call
from proxy.flow.connection import Connector, Lease
from proxy.flow.limits import Limits
from proxy.flow.lost import StaleConnectionError
from proxy.flow.request_head import Body, Outgoing, is_repeatable
from proxy.flow.roundtrip import Answer, Channel, OnInterim
from proxy.rules.settings import Upstream

BACKOFF_S: Final = 0.1
"""Upper bound of the random pause before the second try at one URL; doubles with each."""
BACKOFF_MAX_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """Time and luck, for tests to fix. `now` is epoch seconds, `timer` monotonic seconds."""

    now: Callable[[], float] = time.time
    timer: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """A URL's health, for metrics and the dashboard; `peer` is host:port."""

    peer: str
    state: BreakerState
    failures: int


class UpstreamClient:
    """Fetches from one upstream. The connector is shared and outlives it."""

    def __init__(
        self, upstream: Upstream, connector: Connector, chance: Chance | None = None
    ) -> None:
        self._upstream = upstream
        self._connector = connector
        self._chance = chance or Chance()
        targets = [
            Target(connector.endpoint(url), CircuitBreaker(upstream.breaker))
            for url in upstream.urls
        ]
        first = int(self._chance.draw() * len(targets))
        self._balancer = Balancer(upstream.name, targets, first)
        # None of them ends before it begins, so which of the limits is first never changes.
        self._endless = Limits(upstream.timeout, math.inf)
        self._first = Limits(upstream.timeout, upstream.timeout.total).first("first_byte", 0.0)

    def status(self) -> tuple[TargetStatus, ...]:
        """Each URL's breaker, in the order of the rule file."""
        now = self._chance.timer()
        return tuple(
            TargetStatus(target.endpoint.peer, target.breaker.state(now), target.breaker.failures)
            for target in self._balancer.targets
        )

    async def fetch(
        self,
        method: str,
        target: str,
        fields: Fields,
        body: Body = None,
        on_interim: OnInterim | None = None,
        *,
        once: bool = False,
    ) -> Answer:
        """Send a request and return its answer once the head of it is here.

        `target` and `fields` go out byte for byte, after the URL's base path and with the
        framing this connection needs; hop-by-hop fields are the caller's to remove. Raises
        UpstreamError, ClientError for a request that cannot be written, and whatever `body`
        raises. An answer of `retry.on` is returned like any other when tries run out. `once`:
        never again after something of it was sent, whatever the method.
        """
        return await self.answer(self.begin(method, target, fields, body, once=once), on_interim)

    def begin(
        self,
        method: str,
        target: str,
        fields: Fields,
        body: Body = None,
        *,
        once: bool = False,
        sent: Call | None = None,
    ) -> Call:
        """Do of a fetch what needs no waiting: send the request, if a connection is idle.

        `answer` is to be called of it. `sent` was asked for (`ask`); if it is what would be
        sent now, that goes on. Raises ClientError, and UpstreamBreakerOpenError.
        """
        limits = Limits.start(self._upstream.timeout)
        repeats = is_repeatable(method, body) and not once
        call = Call(method, target, fields, body, limits, self._chance.now(), repeats=repeats)
        if sent is not None and self._goes_on(call, sent):
            return call
        chosen = self._choose(call)
        lease = chosen.endpoint.pool.take(careful=not repeats)
        if lease is not None:
            self._send(call, lease)
        return call

    def ask(self, request: bytes, take: Callable[[bytes], bool]) -> Asked | None:
        """Send a GET that is ready made to the one URL; None if no connection is idle.

        `take` as in Wire.ask: if it took the answer, `Asked.done` is to be called, else `resume`.
        """
        target = self._balancer.targets[0]
        if len(self._balancer.targets) > 1 or not target.breaker.is_spotless:
            return None
        lease = target.endpoint.pool.take(careful=False)
        if lease is None:
            return None
        began = lease.wire.ask(request, take)
        limit, after = self._first
        lease.wire.watch.wait(self._endless, limit, began + after, target.endpoint.peer)
        return Asked(lease, target, began)

    def resume(self, asked: Asked, request: bytes, at: float) -> Call:
        """What was asked `at` (epoch seconds), as what `begin` would have begun: for a reader."""
        asked.lease.wire.take = None
        timeout = self._upstream.timeout
        limits = Limits(timeout, asked.began + timeout.total)
        call = Call("GET", "", NO_FIELDS, b"", limits, at, repeats=True)
        call.tried.append(asked.target)
        call.request = Outgoing(head=request, body=b"", length=0, has_answer_body=True)
        call.channel = Channel(asked.lease, limits, self._chance.now, at)
        return call

    def _goes_on(self, call: Call, sent: Call) -> bool:
        """Take over what was sent, if it is what would be; else give that up."""
        target = sent.tried[-1]
        known = target in self._balancer.targets and sent.channel is not None
        if not known or call.toward(target).head != sent.request.head:
            sent.abort()
            return False
        call.tried, call.request, call.limits = sent.tried, sent.request, sent.limits
        call.began, call.channel, sent.channel = sent.began, sent.channel, None
        return True

    def whole_answer(self, call: Call) -> Answer | None:
        """The answer to what was begun, if it is all there and `answer` would not try again."""
        head = call.whole_head
        status = 0 if head is None or problem_of(head, may_switch=False) else head.status
        if call.channel is None or status < 200:
            return None
        if status in FAILURE_STATUSES or status in self._upstream.retry.on_statuses:
            return None
        call.tried[-1].breaker.succeeded()
        channel, call.channel = call.channel, None
        return channel.whole_answer()

    async def see_out(self, call: Call) -> None:
        """Wait for the head of an answer that nobody wants, so that the upstream is judged by it.

        Raises UpstreamError; no more of it is read, and it is not asked for again.
        """
        (await self._counted(call, None)).abort()

    async def answer(self, call: Call, on_interim: OnInterim | None = None) -> Answer:
        """The answer to what was begun, as `fetch` says."""
        retry = self._upstream.retry
        while True:
            try:
                answer = await self._counted(call, on_interim)
            except UpstreamConnectError:
                if not (retry.on_connect and self._may_try_again(call.tried)):
                    raise
            else:
                wanted = answer.response.status not in retry.on_statuses
                if wanted or not call.repeats or not self._may_try_again(call.tried):
                    return answer
                answer.abort()
            await self._back_off(call.tried)
            self._choose(call)

    def _choose(self, call: Call) -> Target:
        chosen = self._balancer.pick(self._chance.timer(), call.tried)
        call.tried.append(chosen)
        try:
            call.request = call.toward(chosen)
        except ClientError:
            chosen.breaker.given_up()
            raise
        return chosen

    def _may_try_again(self, tried: list[Target]) -> bool:
        left = len(tried) < self._upstream.retry.attempts
        return left and bool(self._balancer.ready(self._chance.timer()))

    async def _back_off(self, tried: list[Target]) -> None:
        """Pause before the same URL again; another one is tried at once."""
        if all(target in tried for target in self._balancer.ready(self._chance.timer())):
            bound = min(BACKOFF_MAX_S, BACKOFF_S * 2 ** (len(tried) - 1))
            await self._chance.pause(bound * self._chance.draw())

    async def _counted(self, call: Call, on_interim: OnInterim | None) -> Answer:
        """One try, told to the URL's breaker."""
        breaker = call.tried[-1].breaker
        try:
            answer = await self._try(call, on_interim)
        except UpstreamError:
            breaker.failed(self._chance.timer())
            raise
        except BaseException:
            breaker.given_up()
            raise
        if answer.response.status in FAILURE_STATUSES:
            breaker.failed(self._chance.timer())
        else:
            breaker.succeeded()
        return answer

    async def _try(self, call: Call, on_interim: OnInterim | None) -> Answer:
        """One try; kept-alive connections that turn out closed do not count as one.

        Ends because each of them leaves the pool, and on a new one the error is another.
        """
        target = call.tried[-1]
        while True:
            channel, call.channel = call.channel, None
            if channel is None:
                lease = await self._connector.acquire(
                    target.endpoint, call.limits, careful=not call.repeats
                )
                channel, call.channel = self._send(call, lease), None
            try:
                return await channel.answer(on_interim)
            except StaleConnectionError:
                if not call.repeats:
                    raise

    def _send(self, call: Call, lease: Lease) -> Channel:
        channel = call.channel = Channel(lease, call.limits, self._chance.now)
        channel.send(call.request)
        return channel
