"""A program of one upstream and the relay lane; the rest of it is the test's to play."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

from proxy.edges.relay import Relay
from proxy.edges.relay_lane import RelayLane
from proxy.flow import tasks
from proxy.flow.background import Background
from proxy.flow.call import Call
from proxy.flow.connection import Connector
from proxy.flow.upstream import UpstreamClient
from proxy.messages import Request
from proxy.outcomes import Bypass, ExchangeRecord, Forward, Outcome
from proxy.rules.route import Match, NeedsBody
from proxy.turn import Turn, World
from proxy.visit import Visit
from tests.support.build import request
from tests.support.clock import ManualClock
from tests.support.larder import until
from tests.support.raw_upstream import Script, raw_upstream
from tests.support.rules import config_of

HELD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok"
PLAIN = (
    b"HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
    b"X-Id: 1\r\nContent-Length: 2\r\n\r\nok"
)
"""One that may be restated: HELD has no date."""
DATA = b"GET /db/a HTTP/1.1\r\nHost: larder.test\r\nX-Trace: %d\r\n\r\n"
PEER = "192.0.2.1"


class Program:
    """The lane before one upstream; the driver's and the connection's part is the test's."""

    def __init__(self, client: UpstreamClient, url: str, routes: str, max_bytes: int) -> None:
        self.clock = ManualClock()
        self.client = client
        self.background = Background(tasks.spawn)
        self.records: list[ExchangeRecord] = []
        self.relays = RelayLane(
            max_bytes,
            [self.records.append],
            self.background,
            clock=self.clock,
            timer=self.clock,
        )
        config = config_of(f"upstreams: {{db: {{url: '{url}', routes: [{routes}]}}}}")
        self.world = World(config, {"db": client})
        self.relays.adopt(self.world)

    def turn(self, asked: Request) -> Turn:
        config = self.world.config
        match = config.router.match(config.upstreams[0], asked)
        assert isinstance(match, Match)
        assert not isinstance(match, NeedsBody)
        visit = Visit(request=asked, began_at=self.clock(), began=0.0)
        visit.upstream, visit.route = config.upstreams[0], match.route
        visit.outcome, visit.forward = Outcome.BYPASS, Forward.BYPASS
        visit.reason = Bypass.TTL_OFF
        nobody = cast("Any", SimpleNamespace())
        return Turn(visit, self.world, config.upstreams[0], match, nobody, nobody)

    async def passed(
        self, data: bytes = DATA % 1, asked: Request | None = None, peer: str = PEER
    ) -> None:
        """The driver has passed this on, and the connection offers it."""
        asked = asked or request(fields=[("X-Trace", "1")])
        fields = asked.fields.without("host")
        answer = await self.client.answer(call := self.client.begin("GET", "/a", fields))
        assert answer.whole == b"ok" or [chunk async for chunk in answer.chunks()]
        self.relays.note(self.turn(asked), call)
        self.relays.offer(peer, data, asked)

    def take(self, data: bytes = DATA % 7, peer: str = PEER) -> Relay | None:
        return self.relays.take(peer, data)

    def taken(self) -> Relay:
        """One that is known, and has gone up."""
        relay = self.take()
        assert relay is not None
        return relay

    def begin(self, relay: Relay) -> Call:
        """The driver goes on with what was handed over, as exchange.py does."""
        fields = request(fields=[("X-Trace", "7")]).fields.without("host")
        call = self.client.begin("GET", "/a", fields, b"", sent=relay.call)
        relay.taken()
        return call


@asynccontextmanager
async def program(
    *scripts: Script,
    routes: str = "{name: all, ttl: off}",
    max_bytes: int = 1 << 20,
    limits: str = "",
    retry: str = "{}",
) -> AsyncIterator[Program]:
    connector = Connector()
    async with raw_upstream(*scripts) as upstream:
        rules = f"url: '{upstream.url}', timeout: {{{limits}}}, retry: {retry}"
        config = config_of(f"upstreams: {{db: {{{rules}}}}}")
        try:
            client = UpstreamClient(config.upstreams[0], connector)
            yield Program(client, upstream.url, routes, max_bytes)
        finally:
            await connector.close()


async def learnt(made: Program) -> None:
    """Two were passed on: a request is known."""
    for _ in range(2):
        assert made.take() is None
        await made.passed()
    assert made.relays.status().requests == 1


async def known(made: Program) -> None:
    """Two more were relayed: the head of their answers is known, too."""
    await learnt(made)
    for _ in range(2):
        relay = made.taken()
        await heard(relay)
        assert made.take() is None  # it is not read yet
        assert relay.answer() is not None
        relay.over(aborted=False)
    await asyncio.sleep(0)
    made.records.clear()


async def heard(relay: Relay) -> None:
    """Something has come, or nothing will."""
    said: list[bool] = []
    relay.listen(lambda: said.append(True))
    await until(lambda: bool(said))
