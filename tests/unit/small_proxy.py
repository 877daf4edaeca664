"""The driver with everything real around it, on loopback, but for the clock and the dice.

For the unit tests of the driver's files: rules from a text, a memory cache, a listener.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from proxy.begun import Begun
from proxy.client import BodySource, Reply
from proxy.deriving import Deriving
from proxy.edges.server import ProxyServer
from proxy.exchange import Exchange
from proxy.fetching import Fetcher
from proxy.flow import tasks
from proxy.flow.background import Background
from proxy.flow.broadcast import PATIENCE_S
from proxy.flow.connection import Connector
from proxy.flow.flights import Flights
from proxy.flow.upstream import Chance, UpstreamClient
from proxy.inner import Inner
from proxy.messages import Request
from proxy.outcomes import ExchangeRecord
from proxy.shelf import Shelf
from proxy.store.cache import Cache
from proxy.store.delayed import Delayed
from proxy.store.memory import MemoryStore
from proxy.turn import Landing, World
from tests.support.clock import ManualClock
from tests.support.origin import Origin
from tests.support.ports import LOOPBACK
from tests.support.rules import config_of

MAX_OBJECT = 256 * 1024


@dataclass
class SmallProxy:
    """A running driver, what it is made of, and what it told of each exchange."""

    url: str
    cache: Cache
    flights: Flights[Landing]
    exchange: Exchange
    background: Background
    records: list[ExchangeRecord] = field(default_factory=list)
    begun: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def record(self, count: int) -> ExchangeRecord:
        """The `count`-th exchange's record, once it is told."""
        await self._until(lambda: len(self.records) >= count)
        return self.records[count - 1]

    async def under_way(self, count: int) -> None:
        """Return once `count` requests have begun; each has run until it first had to wait."""
        await self._until(lambda: self.begun >= count)

    async def landed(self) -> None:
        """Return once no flight is under way; TimeoutError if one never ends."""
        await asyncio.wait_for(self._until(lambda: not self.flights), 5)

    def begin(self, request: Request, body: BodySource, reply: Reply) -> Begun | None:
        """What the listener calls."""
        self.begun += 1
        self.tell()
        return self.exchange.begin(request, body, reply)

    def observe(self, record: ExchangeRecord) -> None:
        """Keep a record, and wake whoever waits for it."""
        self.records.append(record)
        self.tell()

    def tell(self) -> None:
        """Wake whoever waits for something to change."""
        tasks.spawn(self._tell(), "tell")

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(holds)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def world_of(text: str, origin_url: str, connector: Connector, clock: ManualClock) -> World:
    """The rules of a text in which ORIGIN stands for the upstream's URL."""
    config, chance = config_of(text.replace("ORIGIN", origin_url)), Chance(now=clock)
    return World(config, {u.name: UpstreamClient(u, connector, chance) for u in config.upstreams})


@asynccontextmanager
async def small_proxy(
    text: str,
    origin: Origin,
    clock: ManualClock,
    *,
    dice: Callable[[], float] = lambda: 0.0,
    make_cache: Callable[..., Cache] = Cache,
    patience: float = PATIENCE_S,
) -> AsyncIterator[SmallProxy]:
    """Serve the rules of `text`; ends its flights and closes its connections at the end."""
    connector = Connector()
    cache = make_cache(
        MemoryStore(max_size=1 << 24, clock=clock), None, spawn=tasks.spawn, max_object=MAX_OBJECT
    )

    def spawn(coro: Coroutine[object, object, None], name: str) -> asyncio.Task[None]:
        task = tasks.spawn(coro, name)
        task.add_done_callback(lambda _: proxy.tell())
        return task

    flights: Flights[Landing] = Flights(spawn, clock)
    shelf = Shelf(cache=cache, clock=clock, dice=dice)
    background = Background(spawn)
    deriving = Deriving(cache=cache, shelf=shelf, background=background, clock=clock)
    exchange = Exchange(
        world_of(text, origin.url, connector, clock),
        cache=cache,
        flights=flights,
        fetcher=Fetcher(
            cache=cache,
            delayed=Delayed(cache, clock, spawn=tasks.spawn),
            shelf=shelf,
            deriving=deriving,
            clock=clock,
            max_object=MAX_OBJECT,
            patience=patience,
        ),
        clock=clock,
        timer=clock,
    )
    deriving.inner = Inner(exchange)
    proxy = SmallProxy("", cache, flights, exchange, background)
    exchange.observe(proxy.observe)
    server = ProxyServer(proxy.begin, scheme="http")
    listener = await asyncio.get_running_loop().create_server(server, LOOPBACK, 0)
    proxy.url = f"http://{LOOPBACK}:{listener.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        listener.close()
        await server.shutdown(1)
        await flights.drain(0)
        await connector.close()
        await tasks.drain(1)
