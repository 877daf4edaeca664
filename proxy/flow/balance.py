"""Balance: which URL of an upstream takes the next request, and which is left alone.

Knows no connection and no clock: `now` is any monotonic count of seconds.
Invariants: a breaker opens after `failures` in a row, lets one probe through
`open_s` later and closes again on any success; a probe that was given up
leaves room for another.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.errors import UpstreamConnectError
from proxy.flow.connection import Endpoint
from proxy.rules.settings import Breaker

FAILURE_STATUSES: Final = frozenset({502, 503, 504})
"""Answers that count against a URL. 500 does not: it is one request's trouble, not the server's."""


class BreakerState(StrEnum):
    """What a breaker does with the next request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class UpstreamBreakerOpenError(UpstreamConnectError):
    """Every URL is being left alone; `retry_after` is the seconds until one is tried again."""

    status = 503

    def __init__(self, upstream: str, retry_after: float) -> None:
        super().__init__(
            f"upstream {upstream} failed too often and is left alone for {retry_after:.0f}s more "
            "(breaker of the rule file)"
        )
        self.retry_after = retry_after


class CircuitBreaker:
    """Counts failures in a row. `failures: 0` in the rule never opens it."""

    def __init__(self, rule: Breaker) -> None:
        self._rule = rule
        self.failures = 0
        self._open_until: float | None = None
        self._is_probing = False

    def state(self, now: float) -> BreakerState:
        """Closed, open, or half-open: ready for a probe, or waiting for its end."""
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._open_until else BreakerState.HALF_OPEN

    @property
    def is_spotless(self) -> bool:
        """Whether nothing has failed since the last success."""
        return not self.failures and self._open_until is None

    def retry_after(self, now: float) -> float:
        """Seconds until it admits a request; 0 if time is not what it waits for."""
        return max(0.0, (self._open_until or now) - now)

    def admits(self, now: float) -> bool:
        """Whether a request may go through now."""
        if self._open_until is None:
            return True
        state = self.state(now)
        return state is BreakerState.CLOSED or (
            state is BreakerState.HALF_OPEN and not self._is_probing
        )

    def enter(self, now: float) -> None:
        """A request goes through; if the breaker is half-open it is the probe."""
        if self._open_until is not None:
            self._is_probing = self.state(now) is BreakerState.HALF_OPEN

    def succeeded(self) -> None:
        """An answer came: closed, and nothing counted."""
        self.failures, self._open_until, self._is_probing = 0, None, False

    def failed(self, now: float) -> None:
        """A failure: opens when it is one too many, or was the probe's."""
        self.failures += 1
        was_open = self.state(now) is BreakerState.OPEN
        if 0 < self._rule.failures <= self.failures and not was_open:
            self._open_until = now + self._rule.open_s
        self._is_probing = False

    def given_up(self) -> None:
        """The request ended without telling anything about the upstream."""
        self._is_probing = False


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A URL and its breaker."""

    endpoint: Endpoint
    breaker: CircuitBreaker


class Balancer:
    """Round robin over the URLs whose breakers admit; `first` is where it starts."""

    def __init__(self, upstream: str, targets: Sequence[Target], first: int = 0) -> None:
        self._upstream = upstream
        self.targets = tuple(targets)
        self._next = first % len(self.targets)

    def ready(self, now: float) -> tuple[Target, ...]:
        """Those that admit a request, the next in turn first."""
        turn = self.targets
        if self._next:
            turn = (*turn[self._next :], *turn[: self._next])
        return tuple([target for target in turn if target.breaker.admits(now)])

    def pick(self, now: float, tried: Collection[Target]) -> Target:
        """The next in turn, preferring one not tried; raises UpstreamBreakerOpenError."""
        ready = self.ready(now)
        if not ready:
            wait = min(target.breaker.retry_after(now) for target in self.targets)
            raise UpstreamBreakerOpenError(self._upstream, wait)
        target = ready[0]
        if tried:
            target = next((target for target in ready if target not in tried), target)
        target.breaker.enter(now)
        if len(self.targets) > 1:
            self._next = (self.targets.index(target) + 1) % len(self.targets)
        return target
