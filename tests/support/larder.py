"""The whole proxy, running in the test's own process, before a scripted origin.

    async def test_x(larder: StartLarder, origin: Origin) -> None:
        proxy = await larder("- {name: all, ttl: 5m}")
        answer = await proxy.get("/db/items")

`larder` and its parameters are in tests/behaviour/conftest.py. Rules reach the origin as
`${ORIGIN}`. A clock given makes answers grow old at the test's word; what is waited for
is an event (`told`, `landed`), or polled where nobody tells (`until`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, Protocol
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from proxy.edges.app import App, running
from proxy.edges.logs import LogFormat
from proxy.edges.settings import Settings
from proxy.outcomes import ExchangeRecord
from proxy.rules.settings import Address
from tests.support.build import FieldLines
from tests.support.http import Answer, Client
from tests.support.ports import LOOPBACK
from tests.support.rules import SECRET

ANYWHERE = Address(LOOPBACK, 0)
_PAUSE_S = 0.005
WITHIN_S = 10.0


def rules_text(routes: str = "", *, upstream: str = "", shared: str = "none", top: str = "") -> str:
    """A rule file with one upstream `db`: its routes, its other keys, and what stands on top."""
    lines = ["upstreams:", "  db:", "    url: ${ORIGIN}", indent(dedent(upstream), " " * 4)]
    if routes:
        lines += ["    routes:", indent(dedent(routes), " " * 6)]
    if "store:" not in top:
        lines.append(f"store: {{shared: '{shared}'}}")
    return "\n".join((*lines, dedent(top))) + "\n"


class Larder:
    """One running proxy and clients of it; `records` are its exchanges, in the order they ended."""

    def __init__(self, app: App, rules: Path) -> None:
        self.app = app
        self.rules = rules
        self.client = Client(app.proxy_url)
        self.admin = Client(app.admin_url)
        self.records: list[ExchangeRecord] = []
        self._changed = asyncio.Event()
        app.exchange.observe(self._observe)

    def _observe(self, record: ExchangeRecord) -> None:
        self.records.append(record)
        self._changed.set()

    # -- requests

    async def get(self, target: str, fields: FieldLines = ()) -> Answer:
        """GET through the proxy."""
        return await self.client.get(target, fields)

    async def post(self, target: str, body: object, fields: FieldLines = ()) -> Answer:
        """POST through the proxy: bytes, text, or anything else as JSON."""
        return await self.client.post(target, body, fields)

    async def ask(
        self, method: str, target: str, fields: FieldLines = (), body: object = b""
    ) -> Answer:
        """Any request through the proxy."""
        return await self.client.request(method, target, fields, body)

    async def manage(self, method: str, target: str, members: object = b"") -> Answer:
        """Ask the admin API, which answers to its own name only."""
        host = {"Host": urlsplit(self.app.admin_url).netloc}
        typed = {"Content-Type": "application/json"} if members != b"" else {}
        return await self.admin.request(method, target, {**host, **typed}, members)

    async def purge(self, **members: object) -> Any:
        """POST /api/purge; what it tells."""
        said = await self.manage("POST", "/api/purge", members)
        assert said.status == 200, said.body
        return said.json()

    async def entries(self) -> list[Any]:
        """GET /api/entries."""
        listed: list[Any] = (await self.manage("GET", "/api/entries")).json()["entries"]
        return listed

    async def metric(self, sample: str, **labels: str) -> float:
        """The sum of the samples of this name that carry these labels, scraped now."""
        text = (await self.manage("GET", "/metrics")).body.decode()
        return sum(
            found.value
            for family in text_string_to_metric_families(text)
            for found in family.samples
            if found.name == sample and labels.items() <= found.labels.items()
        )

    # -- waiting

    async def told(self, count: int) -> ExchangeRecord:
        """Return the latest record once `count` exchanges have been told of."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.records) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.records[-1]

    async def landed(self) -> None:
        """Return once no upstream call is under way: what could be stored of them is."""
        await until(lambda: self.app.readings().flights == 0)

    async def written(self, count: int) -> None:
        """Return once the shared store has taken so many entries."""

        async def taken() -> bool:
            done = await self.metric(
                "larder_store_operations_total", tier="shared", op="put", result="ok"
            )
            return done >= count

        await until(taken)

    async def close_clients(self) -> None:
        """Close every connection to it."""
        await self.client.__aexit__(None, None, None)
        await self.admin.__aexit__(None, None, None)


async def until(holds: Callable[[], bool | Awaitable[bool]], within_s: float = WITHIN_S) -> None:
    """Poll for what no event tells; TimeoutError if it never holds."""
    async with asyncio.timeout(within_s):
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(_PAUSE_S)


@contextlib.asynccontextmanager
async def serving(
    rules: Path,
    env: Mapping[str, str],
    clock: Callable[[], float] | None = None,
    drain_s: float = 5.0,
    lane_bytes: int = 1 << 20,
) -> AsyncIterator[Larder]:
    """Run the program on free ports with this rule file."""
    settings = Settings(
        rules=rules,
        listen=ANYWHERE,
        admin=ANYWHERE,
        log=LogFormat.JSON,
        log_level=logging.INFO,
        drain_s=drain_s,
        lane_bytes=lane_bytes,
    )
    environment = {"LARDER_SECRET": SECRET, **env}
    async with contextlib.AsyncExitStack() as stack:
        app = await stack.enter_async_context(
            running(settings, environment, clock) if clock else running(settings, environment)
        )
        larder = Larder(app, rules)
        stack.push_async_callback(larder.close_clients)
        yield larder


@contextlib.asynccontextmanager
async def together() -> AsyncIterator[Enter]:
    """For proxies that start one after the other and end at once.

    A program's end waits for all of its event loop's tasks, those of a neighbour included.
    """
    stacks: list[contextlib.AsyncExitStack] = []

    async def enter(proxy: contextlib.AbstractAsyncContextManager[Larder]) -> Larder:
        stack = contextlib.AsyncExitStack()
        larder = await stack.enter_async_context(proxy)
        stacks.append(stack)
        return larder

    try:
        yield enter
    finally:
        await asyncio.gather(*(stack.aclose() for stack in stacks))


Enter = Callable[[contextlib.AbstractAsyncContextManager[Larder]], Awaitable[Larder]]


class StartLarder(Protocol):
    """The fixture `larder`: start a proxy that ends with the test."""

    async def __call__(
        self,
        routes: str = "",
        *,
        upstream: str = "",
        shared: str = "none",
        top: str = "",
        clock: Callable[[], float] | None = None,
        drain_s: float = 5.0,
    ) -> Larder:
        """`routes` is the YAML list of the upstream `db`; the rest as in `rules_text`."""


def x_cache(*answers: Answer) -> list[str]:
    """What each answer says of itself in X-Cache."""
    return [answer["X-Cache"] for answer in answers]
