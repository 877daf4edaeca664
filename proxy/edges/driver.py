"""The driver and all it drives, put together: what answers requests, and what works behind.

A part of the composition root. It knows the parts by their constructors and no request.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from proxy.deriving import Deriving
from proxy.edges.far_lane import FarLane
from proxy.edges.hot_lane import HotLane
from proxy.edges.recurring import LaneStatus
from proxy.edges.relay_lane import RelayLane
from proxy.edges.stores import delayed_file
from proxy.exchange import Exchange
from proxy.fetching import Fetcher
from proxy.flow import tasks
from proxy.flow.background import Background
from proxy.flow.flights import Flights
from proxy.inner import Inner
from proxy.learned import LearnedLifetimes
from proxy.shelf import Shelf
from proxy.store.delayed import Delayed
from proxy.store.restoring import Restoring
from proxy.warming import Warming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.decisions.lookup import Serve
    from proxy.flow.budget import Budget
    from proxy.messages import CacheKey
    from proxy.outcomes import ExchangeRecord
    from proxy.sight import Sight
    from proxy.spending import Spending
    from proxy.store.cache import Cache
    from proxy.turn import Landing, Turn, World

    OnServed = Callable[[Turn, CacheKey, Sight, Serve], None]


@dataclass(frozen=True, slots=True)
class Driver:
    """What the rest of the program asks of it."""

    exchange: Exchange
    flights: Flights[Landing]
    background: Background
    inner: Inner
    delayed: Delayed
    lifetimes: LearnedLifetimes
    restoring: Restoring
    warming: Warming
    budget: Budget

    async def start(self) -> None:
        """Begin what it does by itself, once the cache has started."""
        await self.delayed.start()
        await self.restoring.start(self.exchange.world.config.restoring)
        self.warming.start()

    async def close(self) -> int:
        """End that before the cache ends; how many delayed invalidations are lost."""
        await self.warming.close()
        await self.restoring.close()
        return await self.delayed.close()


class Lanes(NamedTuple):
    """What is asked before the driver."""

    hot: HotLane
    far: FarLane
    relay: RelayLane

    def adopt(self, world: World) -> None:
        """These rules are in force now."""
        for lane in self:
            lane.adopt(world)

    def status(self) -> dict[str, LaneStatus]:
        """The numbers of each, by name."""
        return {name: lane.status() for name, lane in self._asdict().items()}


def make_lanes(driver: Driver, cache: Cache, max_bytes: int, clock: Callable[[], float]) -> Lanes:
    """The lanes in front of the driver, with so much room each; 0: they learn nothing.

    To be made within a running loop.
    """
    exchange, timer = driver.exchange, time.perf_counter
    observers, loop = exchange.observers, asyncio.get_running_loop()
    lanes = Lanes(
        HotLane(max_bytes, cache=cache, observers=observers, loop=loop, clock=clock, timer=timer),
        FarLane(max_bytes, observers, cache, driver.budget, clock=clock, timer=timer),
        RelayLane(max_bytes, observers, driver.background, clock=clock, timer=timer),
    )
    lanes.adopt(exchange.world)
    if max_bytes:
        exchange.on_served = _both(lanes.hot.note, lanes.far.note)
        exchange.calling.on_passed = lanes.relay.note
    return lanes


def _both(first: OnServed, second: OnServed) -> OnServed:
    def tell(turn: Turn, key: CacheKey, sight: Sight, plan: Serve) -> None:
        first(turn, key, sight, plan)
        second(turn, key, sight, plan)

    return tell


def _warming(
    inner: Inner, background: Background, cache: Cache, clock: Callable[[], float]
) -> Warming:
    return Warming(
        inner.get,
        background,
        cache.notes,
        config=lambda: inner.exchange.world.config,
        clock=clock,
        spawn=tasks.spawn,
    )


def make_driver(
    world: World,
    cache: Cache,
    budget: Budget,
    clock: Callable[[], float],
    observers: Sequence[Callable[[ExchangeRecord], None]],
    spending: Spending | None = None,
) -> Driver:
    """Needs a running loop. `clock` is epoch seconds; without `spending` nothing is counted."""
    max_object = world.config.store.max_object
    flights: Flights[Landing] = Flights(tasks.spawn, clock)
    background = Background(tasks.spawn)
    file = delayed_file(world.config.store, cache)
    delayed = Delayed(cache, clock, spawn=tasks.spawn, file=file)
    shelf = Shelf(cache=cache, clock=clock, dice=random.random)
    deriving = Deriving(cache=cache, shelf=shelf, background=background, clock=clock)
    exchange = Exchange(
        world,
        cache=cache,
        flights=flights,
        fetcher=Fetcher(
            cache=cache,
            delayed=delayed,
            shelf=shelf,
            clock=clock,
            max_object=max_object,
            budget=budget,
            deriving=deriving,
        ),
        clock=clock,
        timer=time.perf_counter,
        observers=observers,
        spending=spending,
    )
    inner = Inner(exchange)
    deriving.inner = inner
    restoring = Restoring(
        cache, clock, spawn=tasks.spawn, max_object=world.config.store.memory_max_object
    )
    warming = _warming(inner, background, cache, clock)
    return Driver(
        exchange,
        flights,
        background,
        inner,
        delayed,
        lifetimes=shelf.lifetimes,
        restoring=restoring,
        warming=warming,
        budget=budget,
    )
