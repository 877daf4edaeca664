"""Two instances with the shipped rules on one shared store, before one simulated upstream.

What the scenarios run on. `first` and `second` are two proxies; `restart` ends both and
starts them anew on what the store kept. Every promise is asked of real sockets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Generic, TypeVar

from proxy.sim.base import Simulator, serve
from tests.support.larder import Larder, serving, together

RULES = Path(__file__).parents[2] / "rules.yaml"

Sim = TypeVar("Sim", bound=Simulator)


class Pair(Generic[Sim]):
    """`simulator` is the upstream behind both; answers grow old by `clock`."""

    def __init__(
        self, simulator: Sim, environment: Mapping[str, str], clock: Callable[[], float]
    ) -> None:
        self.simulator = simulator
        self.first: Larder
        self.second: Larder
        self._environment = environment
        self._clock = clock
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Start both."""
        enter = await self._stack.enter_async_context(together())
        self.first = await enter(serving(RULES, self._environment, self._clock))
        self.second = await enter(serving(RULES, self._environment, self._clock))

    async def stop(self) -> None:
        """End both; what waits to be written is."""
        await self._stack.aclose()

    async def restart(self) -> None:
        """End both and start them anew."""
        await self.stop()
        await self.start()


@asynccontextmanager
async def paired(
    simulator: Sim,
    variable: str,
    shared: str,
    clock: Callable[[], float],
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Pair[Sim]]:
    """Serve the simulator as `variable`, and two proxies on the store `shared`."""
    async with serve(simulator) as url:
        given = {variable: url, "REDIS_URL": shared, **(environment or {})}
        pair = Pair(simulator, given, clock)
        await pair.start()
        try:
            yield pair
        finally:
            await pair.stop()
