"""The upstream client: a request in, an answer out, by the rule of one upstream.

Composes balance, connections and round trips; knows what may be repeated and
when. Invariants: a request is sent again only if nothing of it was sent, or if
it is idempotent and its body is at hand; an answer given up for another try is
aborted first.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from proxy.errors import UpstreamConnectError, UpstreamError
from proxy.fields import Fields
from proxy.flow.balance import FAILURE_STATUSES, Balancer, BreakerState, CircuitBreaker, Target
from proxy.flow.connection import Connector
from proxy.flow.limits import Limits
from proxy.flow.request_head import Body, Outgoing, is_repeatable, outgoing
from proxy.flow.roundtrip import Answer, OnInterim, round_trip
from proxy.flow.wire import StaleConnectionError
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


@dataclass(frozen=True, slots=True)
class _Call:
    """One fetch: what is asked, and the limits that run over all its tries."""

    method: str
    target: str
    fields: Fields
    body: Body
    on_interim: OnInterim | None
    limits: Limits
    is_repeatable: bool

    def toward(self, target: Target) -> Outgoing:
        endpoint = target.endpoint
        # `*` (OPTIONS) asks about the whole server: no base path (RFC 9112 §3.2.4).
        path = self.target if self.target == "*" else endpoint.base + self.target
        return outgoing(self.method, path, endpoint.authority, self.fields, self.body)


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
        limits = Limits.start(self._upstream.timeout)
        repeatable = is_repeatable(method, body) and not once
        call = _Call(method, target, fields, body, on_interim, limits, repeatable)
        tried: list[Target] = []
        while True:
            chosen = self._balancer.pick(self._chance.timer(), tried)
            tried.append(chosen)
            try:
                answer = await self._counted(call, chosen)
            except UpstreamConnectError:
                if not (self._upstream.retry.on_connect and self._may_try_again(tried)):
                    raise
            else:
                wanted = answer.response.status not in self._upstream.retry.on_statuses
                if wanted or not repeatable or not self._may_try_again(tried):
                    return answer
                answer.abort()
            await self._back_off(tried)

    def _may_try_again(self, tried: list[Target]) -> bool:
        left = len(tried) < self._upstream.retry.attempts
        return left and bool(self._balancer.ready(self._chance.timer()))

    async def _back_off(self, tried: list[Target]) -> None:
        """Pause before the same URL again; another one is tried at once."""
        if all(target in tried for target in self._balancer.ready(self._chance.timer())):
            bound = min(BACKOFF_MAX_S, BACKOFF_S * 2 ** (len(tried) - 1))
            await self._chance.pause(bound * self._chance.draw())

    async def _counted(self, call: _Call, target: Target) -> Answer:
        """One try, told to the URL's breaker."""
        breaker = target.breaker
        try:
            answer = await self._send(call, target)
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

    async def _send(self, call: _Call, target: Target) -> Answer:
        """One try; kept-alive connections that turn out closed do not count as one.

        Ends because each of them leaves the pool, and on a new one the error is another.
        """
        request = call.toward(target)
        careful = not call.is_repeatable
        while True:
            lease = await self._connector.acquire(target.endpoint, call.limits, careful=careful)
            try:
                return await round_trip(
                    lease, request, call.limits, self._chance.now, call.on_interim
                )
            except StaleConnectionError:
                if not call.is_repeatable:
                    raise
