"""Limits: a rule's `timeout` laid over the waits of one fetch.

Knows no HTTP and no connection. Invariants: `total` runs from the start of the
fetch over all its attempts; every other limit runs only while the upstream is
waited for, so a slow client is never held against an upstream.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

from proxy.errors import UpstreamConnectError, UpstreamTimeoutError
from proxy.rules.settings import Timeouts

Limit = Literal["connect", "first_byte", "idle", "total"]

_SENTENCES: Final[dict[Limit, str]] = {
    "connect": "no connection",
    "first_byte": "no answer",
    "idle": "neither took nor sent a byte",
    "total": "the answer was not complete",
}


class UpstreamConnectTimeoutError(UpstreamConnectError, UpstreamTimeoutError):
    """`timeout.connect` passed: a time-out (504), and yet nothing was sent."""


@dataclass(slots=True)
class Limits:
    """The limits of one fetch; `end` is the loop time at which `total` is over."""

    timeouts: Timeouts
    end: float

    @classmethod
    def start(cls, timeouts: Timeouts) -> Limits:
        """Start the clock of `total`."""
        return cls(timeouts, asyncio.get_running_loop().time() + timeouts.total)

    def wait(self, limit: Limit, peer: str) -> Wait:
        """Guard one wait: `async with limits.wait("idle", "api.example.com:443"): …`."""
        return Wait(self, limit, peer)

    def first(self, limit: Limit, now: float) -> tuple[Limit, float]:
        """Which ends a wait that begins `now`, this limit or `total`, and when (loop time)."""
        if limit != "total":
            when = now + getattr(self.timeouts, limit)
            if when < self.end:
                return limit, when
        return "total", self.end

    def passed(self, limit: Limit, peer: str) -> UpstreamTimeoutError:
        """The error to raise when a wait under this limit has lasted too long."""
        seconds: float = getattr(self.timeouts, limit)
        text = f"{peer}: {_SENTENCES[limit]} within {seconds:g}s"
        text += f" (timeout.{limit} of the rule file)"
        return (UpstreamConnectTimeoutError if limit == "connect" else UpstreamTimeoutError)(text)


class Wait:
    """A wait under one limit and `total`, whichever ends first; raises UpstreamTimeoutError."""

    __slots__ = ("_limit", "_limits", "_peer", "_timeout")

    def __init__(self, limits: Limits, limit: Limit, peer: str) -> None:
        self._limits = limits
        self._limit: Limit = limit
        self._peer = peer

    async def __aenter__(self) -> Self:
        now = asyncio.get_running_loop().time()
        self._limit, when = self._limits.first(self._limit, now)
        self._timeout = await asyncio.timeout_at(when).__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise self._limits.passed(self._limit, self._peer) from None


class Watch:
    """Over the waits of one connection's reader: `passed` gets the error when one is too long.

    There is one timer, and it is moved only when it goes off: most waits are over by then.
    """

    __slots__ = ("_limit", "_limits", "_loop", "_passed", "_peer", "_timer", "_timer_at", "_until")

    def __init__(self, passed: Callable[[UpstreamTimeoutError], None]) -> None:
        self._passed = passed
        self._loop = asyncio.get_running_loop()
        self._until = math.inf
        """When this wait is too long (loop time); infinite: nobody waits."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    @property
    def is_waiting(self) -> bool:
        """Whether a wait lasts."""
        return self._until != math.inf

    def begin(self, limits: Limits, limit: Limit, peer: str) -> None:
        """A wait under this limit begins."""
        self.wait(limits, *limits.first(limit, self._loop.time()), peer)

    def wait(self, limits: Limits, limit: Limit, until: float, peer: str) -> None:
        """A wait begins that is too long `until` then (loop time), by this limit of those."""
        self._limits, self._limit, self._peer = limits, limit, peer
        self._until = until
        if self._timer is None or until < self._timer_at:
            self._set_timer()

    def move(self, limit: Limit) -> None:
        """Put the wait under another limit from now on; nothing happens once it is over."""
        if self._until != math.inf:
            self.begin(self._limits, limit, self._peer)

    def end(self) -> None:
        """The wait is over."""
        self._until = math.inf

    def close(self) -> None:
        """Nobody will wait any more."""
        self._until = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._until
        self._timer = self._loop.call_at(self._until, self._go_off)

    def _go_off(self) -> None:
        self._timer = None
        if self._until <= self._timer_at:
            self._until = math.inf
            self._passed(self._limits.passed(self._limit, self._peer))
        elif self._until != math.inf:
            self._set_timer()
