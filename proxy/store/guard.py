"""The one way to the shared store: past the breaker, timed, counted.

The deadline of an operation is the store's own; here a failure is told to the
breaker and to whoever counts. Damaged bytes and a replaced journal are answers
of a working store, not failures.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from proxy.errors import CorruptEntryError, StoreError
from proxy.outcomes import Tier
from proxy.store.base import Clock, JournalLostError, StoreTimeoutError
from proxy.store.breaker import Breaker

Value = TypeVar("Value")
OnOperation = Callable[[Tier, str, str, float], None]
"""Told of each operation: tier, operation, result, seconds."""

_ABANDONED: Final[object] = object()
"""What came of an operation that was given up."""


def ignore(_tier: Tier, _op: str, _result: str, _seconds: float) -> None:
    """Count nothing."""


class BreakerOpenError(StoreError):
    """The store failed too often and is left alone for a while."""


class Guard:
    """Runs operations on the shared store."""

    def __init__(self, breaker: Breaker, clock: Clock, on_operation: OnOperation) -> None:
        self._breaker = breaker
        self._clock = clock
        self._on_operation = on_operation

    async def run(
        self, op: str, call: Callable[[], Awaitable[Value]], *, insist: bool = False
    ) -> Value:
        """The outcome of `call`; BreakerOpenError without calling while the breaker is open.

        Who insists calls all the same: looking up in vain is nothing, an invalidation is not.
        """
        allowed = self._breaker.allows()
        if not allowed and not insist:
            self._on_operation(Tier.SHARED, op, "refused", 0.0)
            raise BreakerOpenError("the shared store failed too often and is left alone")
        began, outcome = self._clock(), _ABANDONED
        try:
            value = await call()
            outcome = value
        except StoreError as error:
            outcome = error
            raise
        finally:
            report = self._count(op, outcome, began)
            if allowed:
                report()
        return value

    def begin(self, op: str) -> float | None:
        """When it begins, for who tells `end` what came of it; None while the breaker is open."""
        if self._breaker.allows():
            return self._clock()
        self._on_operation(Tier.SHARED, op, "refused", 0.0)
        return None

    def end(self, op: str, outcome: object, began: float) -> None:
        """An operation came to this value, or this error."""
        self._count(op, outcome, began)()

    def _count(self, op: str, outcome: object, began: float) -> Callable[[], None]:
        """Tell who counts; returns what to tell the breaker."""
        breaker = self._breaker
        if outcome is _ABANDONED:
            result, report = "abandoned", breaker.abandoned
        elif not isinstance(outcome, Exception):
            result, report = "miss" if outcome is None and op == "get" else "ok", breaker.succeeded
        elif isinstance(outcome, CorruptEntryError | JournalLostError):
            result, report = "corrupt", breaker.succeeded
        else:
            result = "timeout" if isinstance(outcome, StoreTimeoutError) else "error"
            broken = isinstance(outcome, StoreError)
            report = partial(breaker.failed, began) if broken else breaker.abandoned
        self._on_operation(Tier.SHARED, op, result, self._clock() - began)
        return report
