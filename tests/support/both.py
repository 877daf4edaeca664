"""Two instances on one store, or one that is both where nothing is shared.

For promises that hold on every store: `one` is asked, `two` must know. `put` waits until what
one instance keeps is where the other looks for it.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.support.larder import Larder, StartLarder


class Both:
    """`one` and `two`, which are the same where the store is none."""

    def __init__(self, one: Larder, two: Larder) -> None:
        self.one = one
        self.two = two

    async def put(self, count: int, by: Larder | None = None) -> None:
        """Return once the shared store, if there is one, has taken `count` entries."""
        if self.one is not self.two:
            await (by or self.one).written(count)

    async def purge(self, **members: object) -> None:
        """Purge through one; both follow before it returns."""
        await self.one.purge(**members, wait=self.one is not self.two)


async def both(
    larder: StartLarder,
    store: str,
    routes: str,
    *,
    top: str = "",
    clock: Callable[[], float] | None = None,
) -> Both:
    """Start them."""
    one = await larder(routes, shared=store, top=top, clock=clock)
    if store == "none":
        return Both(one, one)
    return Both(one, await larder(routes, shared=store, top=top, clock=clock))
