"""The one way to the shared store: past the breaker, timed, counted.

The deadline of an operation is the store's own; here a failure is told to the
breaker and to whoever counts. Damaged bytes and a replaced journal are answers
of a working store, not failures.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from proxy.errors import CorruptEntryError, StoreError
from proxy.outcomes import Tier
from proxy.store.base import Clock, JournalLostError, StoreTimeoutError
from proxy.store.breaker import Breaker

Value = TypeVar("Value")
OnOperation = Callable[[Tier, str, str, float], None]
"""Told of each operation: tier, operation, result, seconds."""


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
        breaker = self._breaker
        allowed = breaker.allows()
        if not allowed and not insist:
            self._on_operation(Tier.SHARED, op, "refused", 0.0)
            raise BreakerOpenError("the shared store failed too often and is left alone")
        started, result, report = self._clock(), "abandoned", breaker.abandoned
        try:
            value = await call()
            result, report = "miss" if value is None and op == "get" else "ok", breaker.succeeded
        except (CorruptEntryError, JournalLostError):
            result, report = "corrupt", breaker.succeeded
            raise
        except StoreError as error:
            result, report = "error", breaker.failed
            if isinstance(error, StoreTimeoutError):
                result = "timeout"
            raise
        finally:
            self._on_operation(Tier.SHARED, op, result, self._clock() - started)
            if allowed:
                report()
        return value
