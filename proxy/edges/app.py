"""The composition root: every part is made here, handed its neighbours, started and ended.

It knows all parts and no request. Invariants: what was started is ended in the reverse
order, whatever fails; a reload that has a problem changes nothing; on SIGTERM no request
under way is cut off before `drain_s` has passed.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import uvloop
from aiohttp import web

from proxy import __version__, rules
from proxy.edges.accounts import Accounts
from proxy.edges.admin import make_admin
from proxy.edges.control import BreakerState, Readings, State
from proxy.edges.driver import make_driver, make_lanes
from proxy.edges.listening import bind_errors, ssl_context, url_of
from proxy.edges.logs import Logs
from proxy.edges.metrics import Metrics
from proxy.edges.server import ProxyServer
from proxy.edges.session_stats import SessionStatistics
from proxy.edges.settings import require_token
from proxy.edges.stats import Statistics
from proxy.edges.stores import open_cache
from proxy.flow import tasks
from proxy.flow.budget import Budget, total_for
from proxy.flow.connection import Connector
from proxy.flow.upstream import Chance, UpstreamClient
from proxy.observing import Counts
from proxy.rules.problems import RuleFileError
from proxy.turn import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from proxy.edges.settings import Settings
    from proxy.rules.compiled import Config
    from proxy.rules.settings import Address, Tls
    from proxy.store.cache import Cache

log = logging.getLogger("larder")

BACKLOG: Final = 1024
FLUSH_S: Final = 5.0
"""How long queued writes to the shared store may take at the end."""
YOUNG: Final = 10_000
"""Objects made between two looks for garbage: more than the requests under way have in use."""


class App:
    """The running program. Implements `control.Control` for the admin API."""

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        config: Config,
        cache: Cache,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        """Needs a running loop. `clock` is epoch seconds, by which answers grow old."""
        self._clock = clock
        self._settings = settings
        self._env = env
        self._connector = Connector()
        self._server: ProxyServer | None = None
        self._state = State.STARTING
        self._reloading = asyncio.Lock()
        self._dropped_log_lines: Callable[[], int] = lambda: 0
        self.lost_invalidations = 0
        self.metrics = metrics
        self.stats = Statistics(clock())
        self.session_stats = SessionStatistics()
        self.cache = cache
        self.accounts = Accounts(cache.notes, tasks.spawn, clock, self.stats)
        self.accounts.adopt(config)
        self._budget = Budget(
            total_for(config.store.memory_max_size, config.store.max_object, config.server.max_body)
        )
        self._driver = make_driver(
            self._world(config, None),
            self.cache,
            self._budget,
            clock,
            (
                self.metrics.observe,
                Counts(self.stats.count),
                Counts(self.session_stats.count),
                *self.accounts.observers,
            ),
            self.accounts.spending,
        )
        self.exchange, self._flights = self._driver.exchange, self._driver.flights
        self.background, self.inner = self._driver.background, self._driver.inner
        self.warming = self._driver.warming
        self.lanes = make_lanes(self._driver, cache, settings.lane_bytes, clock)
        self.stats.spans = self._driver.lifetimes.spans
        self.sessions = self.exchange.sessions
        self.metrics.rules_loaded(config.digest, clock())
        self.proxy_url = self.admin_url = ""

    # -- what the admin API asks

    def config(self) -> Config:
        """The rules in force."""
        return self.exchange.world.config

    def state(self) -> State:
        """Where the program is in its life."""
        return self._state

    def readings(self) -> Readings:
        """The numbers of this moment."""
        return Readings(
            in_flight=0 if self._server is None else self._server.in_flight,
            flights=len(self._flights),
            breakers={
                name: worst_breaker(client) for name, client in self.exchange.world.clients.items()
            },
            dropped_log_lines=self._dropped_log_lines(),
            buffered_bytes=self._budget.held,
            lanes=self.lanes.status(),
            behind=len(self.background),
            behind_done=dict(self.background.counts),
        )

    async def reload(self) -> tuple[str, ...]:
        """Load the rule file anew: its problems, a line each; none means it is in force."""
        async with self._reloading:
            try:
                config = await asyncio.to_thread(rules.load, self._settings.rules, self._env)
            except RuleFileError as error:
                self.metrics.rules_refused()
                problems = tuple(str(problem) for problem in error.problems)
                for problem in problems:
                    log.warning("rules not reloaded: %s", problem)
                return problems
            now = self.config()
            for name in ("server", "store"):
                if getattr(config, name) != getattr(now, name):
                    log.warning("%s: what changed there takes effect at the next start", name)
            self.exchange.adopt(self._world(config, self.exchange.world))
            self.lanes.adopt(self.exchange.world)
            self.accounts.adopt(config)
            self.metrics.rules_loaded(config.digest, self._clock())
            log.info("rules reloaded: %s", config.digest[:12])
            return ()

    def _world(self, config: Config, before: World | None) -> World:
        """Clients for every upstream; one that did not change keeps its breakers."""
        known = {upstream.name: upstream for upstream in before.config.upstreams} if before else {}
        clients = {
            upstream.name: before.clients[upstream.name]
            if before is not None and known.get(upstream.name) == upstream
            else UpstreamClient(upstream, self._connector, Chance(now=self._clock))
            for upstream in config.upstreams
        }
        return World(config, clients)

    # -- its life

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[App]:
        """Serve until the context ends; then drain."""
        config, settings = self.config(), self._settings
        async with AsyncExitStack() as stack:
            logs = Logs(settings.log, settings.log_level)
            stack.push_async_callback(asyncio.to_thread, logs.close)  # it waits for a slow reader
            self._dropped_log_lines = lambda: logs.dropped
            self.exchange.observe(logs.access)
            stack.push_async_callback(tasks.drain, FLUSH_S)
            stack.push_async_callback(self._connector.close)
            stack.push_async_callback(self._close_cache)
            stack.push_async_callback(self.accounts.close)
            await self.cache.start()
            self.accounts.start()
            await self._driver.start()
            admin = settings.admin or config.server.admin
            require_token(admin, settings.admin_token)
            self.admin_url = await self._start_admin(stack, admin, settings.admin_token)
            stack.push_async_callback(self._flights.drain, settings.drain_s)
            stack.push_async_callback(self.background.drain, settings.drain_s)
            listen = settings.listen or config.server.listen
            self.proxy_url = await self._start_proxy(stack, listen, config.server.tls)
            self._state = State.SERVING
            log.info("serving on %s, admin on %s", self.proxy_url, self.admin_url)
            yield self

    async def _start_admin(self, stack: AsyncExitStack, address: Address, token: str) -> str:
        runner = web.AppRunner(make_admin(self, address.host, token, self._clock), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, address.host, address.port)
        with bind_errors("admin", address):
            await site.start()
        host, port = runner.addresses[0][:2]
        return url_of("http", host, port)

    async def _start_proxy(self, stack: AsyncExitStack, address: Address, tls: Tls | None) -> str:
        scheme = "http" if tls is None else "https"
        self._server = server = ProxyServer(
            self.exchange.begin,
            scheme=scheme,
            refused=self.exchange.refused,
            budget=self._budget,
            lane=self.lanes.hot,
            others=(self.lanes.far, self.lanes.relay),
        )
        with bind_errors("listen", address):
            listener = await asyncio.get_running_loop().create_server(
                server,
                address.host,
                address.port,
                backlog=BACKLOG,
                ssl=None if tls is None else ssl_context(tls),
            )
        stack.push_async_callback(self._drain, server, listener)
        host, port = listener.sockets[0].getsockname()[:2]
        return url_of(scheme, host, port)

    async def _close_cache(self) -> None:
        self.lost_invalidations = await self._driver.close() + await self.cache.close(FLUSH_S)

    async def _drain(self, server: ProxyServer, listener: asyncio.Server) -> None:
        self._state = State.DRAINING
        listener.close()
        server.pre_shutdown()
        log.info("draining: %d requests under way", server.in_flight)
        await server.shutdown(self._settings.drain_s)


def worst_breaker(client: UpstreamClient) -> BreakerState:
    """The state of an upstream as a whole: of several URLs, the one that is best off counts."""
    return min(BreakerState[target.state.name] for target in client.status())


@asynccontextmanager
async def running(
    settings: Settings, env: Mapping[str, str], clock: Callable[[], float] = time.time
) -> AsyncIterator[App]:
    """The whole program, serving. Raises RuleFileError or SettingsError if it cannot begin."""
    config = await asyncio.to_thread(rules.load, settings.rules, env)
    metrics = Metrics(__version__)
    cache = await asyncio.to_thread(open_cache, config.store, metrics.operation)
    async with App(settings, env, config, cache, metrics, clock).serving() as app:
        yield app


async def _run(settings: Settings, env: Mapping[str, str]) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    # Before anything listens: whoever sees it up may end it, and gets an orderly end.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # nothing is loaded yet
    async with running(settings, env) as app:
        gc.freeze()  # the program itself is no garbage: nobody needs to look at it again
        gc.set_threshold(YOUNG)
        loop.add_signal_handler(signal.SIGHUP, lambda: tasks.spawn(app.reload(), "reload"))
        await stop.wait()
    return 1 if app.lost_invalidations else 0


def run(settings: Settings, env: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT; the exit code, 1 if invalidations are lost."""
    return uvloop.run(_run(settings, env))
