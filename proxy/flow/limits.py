"""Limits: a rule's `timeout` laid over the waits of one fetch.

Knows no HTTP and no connection. Invariants: `total` runs from the start of the
fetch over all its attempts; every other limit runs only while the upstream is
waited for, so a slow client is never held against an upstream.
"""

from __future__ import annotations

import asyncio
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


@dataclass(frozen=True, slots=True)
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


class Wait:
    """A wait under one limit and `total`, whichever ends first; raises UpstreamTimeoutError."""

    __slots__ = ("_limit", "_limits", "_peer", "_timeout")

    def __init__(self, limits: Limits, limit: Limit, peer: str) -> None:
        self._limits = limits
        self._limit: Limit = limit
        self._peer = peer
        self._timeout: asyncio.Timeout | None = None

    def _ends_at(self, limit: Limit) -> float:
        if limit == "total":
            return self._limits.end
        seconds: float = getattr(self._limits.timeouts, limit)
        return asyncio.get_running_loop().time() + seconds

    def arm(self, limit: Limit) -> None:
        """Put the wait under this limit from now on; nothing happens once the wait is over."""
        if self._timeout is not None:
            self._limit = limit
            self._timeout.reschedule(self._sooner())

    def _sooner(self) -> float:
        when = self._ends_at(self._limit)
        if when >= self._limits.end:
            self._limit, when = "total", self._limits.end
        return when

    async def __aenter__(self) -> Self:
        self._timeout = await asyncio.timeout_at(self._sooner()).__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        timeout, self._timeout = self._timeout, None
        if timeout is None:
            return
        try:
            await timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise self._passed() from None

    def _passed(self) -> UpstreamTimeoutError:
        seconds: float = getattr(self._limits.timeouts, self._limit)
        text = f"{self._peer}: {_SENTENCES[self._limit]} within {seconds:g}s"
        text += f" (timeout.{self._limit} of the rule file)"
        return (UpstreamConnectTimeoutError if self._limit == "connect" else UpstreamTimeoutError)(
            text
        )
