"""A visit that something must be waited for: what is left of it, and the telling of its end.

Floor 6, beside the driver, which begins each visit at once and in most cases ends it there.
Invariant: a visit is told of once, whether it ended well, failed, or its client left before
anybody came to finish it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.errors import ClientError, ClientGone
from proxy.outcomes import Outcome, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.client import Rest
    from proxy.visit import Visit


class Begun:
    """One of `finish` and `drop` is called, once; then `over`."""

    __slots__ = ("_over", "_rest", "_visit")

    def __init__(self, visit: Visit, rest: Rest, over: Callable[[], None]) -> None:
        self._visit = visit
        self._rest = rest
        self._over = over

    async def finish(self) -> None:
        """Do what is left. Raises what `failed` knows."""
        try:
            await self._rest()
        except BaseException as error:
            failed(self._visit, error)
            raise
        finally:
            self._over()

    def drop(self) -> None:
        """Nobody waits for it any more."""
        self._visit.aborted = True
        self._over()


def failed(visit: Visit, error: BaseException) -> None:
    """Note what kept the visit from ending well."""
    match error:
        case ClientGone() | asyncio.CancelledError():
            visit.aborted = True
        case ClientError(status=status):
            visit.ended(status, Outcome.REFUSED, Refusal.BAD_REQUEST)
        case Exception():
            visit.ended(500, Outcome.ERROR, Refusal.INTERNAL)
        case _:  # the process ends
            pass
