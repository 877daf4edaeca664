"""A far lane before a shared store in a file, with a memory that keeps no body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from proxy.decisions.lookup import Serve
from proxy.delivering import composed
from proxy.edges.far_lane import FarLane
from proxy.edges.reach import Reach
from proxy.edges.wire import counted_head
from proxy.flow import tasks
from proxy.flow.budget import Budget
from proxy.inner import NoBody
from proxy.messages import CacheKey, Request, StoredResponse
from proxy.outcomes import ExchangeRecord, Outcome, Tier
from proxy.rules.route import Match
from proxy.sight import sighted
from proxy.store.base import Found
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore
from proxy.store.sqlite import SqliteStore
from proxy.turn import Turn, World
from proxy.visit import Visit
from tests.support.build import request, stored
from tests.support.clock import ManualClock
from tests.support.rules import config_of

KEY = CacheKey(b"k" * 32)
DATA = b"GET /db/a HTTP/1.1\r\nHost: larder.test\r\n\r\n"


class Far:
    """The driver's and the connection's part is the test's."""

    def __init__(self, store: SqliteStore, rules: str, max_bytes: int) -> None:
        self.clock = ManualClock()
        self.memory = MemoryStore(max_size=1 << 20, max_object=0, clock=self.clock)
        self.cache = Cache(self.memory, store, spawn=tasks.spawn)
        self.told: list[ExchangeRecord] = []
        self.edit: Callable[[bytes], bytes] = lambda head: head
        self.budget = Budget()
        self.reaches = FarLane(
            *(max_bytes, (self.told.append,), self.cache, self.budget),
            clock=self.clock,
            timer=self.clock,
        )
        config = config_of(f"upstreams: {{db: {{url: 'http://origin.test', routes: [{rules}]}}}}")
        self.world = World(config, {})
        self.reaches.adopt(self.world)

    def match(self, asked: Request) -> Match:
        config = self.world.config
        return cast("Match", config.router.match(config.upstreams[0], asked))

    def entry(self, body: object = b"stored", **changes: Any) -> StoredResponse:
        digest = self.match(request("GET", "/db/a")).route.digest
        made = {"response_time": self.clock(), "request_time": self.clock(), **changes}
        return stored(body, route_digest=digest, born=self.cache.position, **made)

    async def keep(self, entry: StoredResponse) -> None:
        """The shared store has it now."""
        assert self.cache.keep(KEY.digest, entry, self.clock()) is None
        async with asyncio.timeout(5):
            while not self._has(await self.cache.find(KEY.digest, self.clock()), entry):
                pass

    async def keep_other(self, entry: StoredResponse) -> None:
        """The same in place of another."""
        await self.cache.forget(KEY.digest)
        await self.keep(entry)

    def _has(self, found: object, entry: StoredResponse) -> bool:
        return isinstance(found, Found) and cast("Any", found.entry).body == entry.body

    async def serve(
        self, tier: Tier = Tier.SHARED, asked: Request | None = None, data: bytes = DATA
    ) -> None:
        """The driver answers out of this tier, twice."""
        asked = asked or request("GET", "/db/a")
        if not isinstance(found := await self.cache.find(KEY.digest, self.clock()), Found):
            await self.keep(self.entry())
            found = await self.cache.find(KEY.digest, self.clock())
        for _ in range(2):
            visit = Visit(request=asked, began_at=self.clock(), began=0.0)
            match, upstream = self.match(asked), self.world.config.upstreams[0]
            visit.upstream, visit.route = upstream, match.route
            sight = replace(sighted(match.route, KEY, found), tier=tier)
            assert sight.stored is not None
            visit.outcome, visit.tier, visit.place = Outcome.HIT, tier, KEY.digest
            status, reason, fields, body = composed(visit, sight.stored, self.clock())
            sent = self.edit(counted_head(status, reason, fields, len(body)))
            turn = Turn(visit, self.world, upstream, match, NoBody(), cast("Any", None))
            self.reaches.note(turn, KEY, sight, Serve(sight.stored, Outcome.HIT))
            self.reaches.offer("", data, asked, sent)

    def take(self, data: bytes = DATA) -> Reach | None:
        return self.reaches.take("", data)

    def taken(self) -> bool:
        reach = self.take()
        if reach is not None:
            reach.hand_over()
        return reach is not None

    async def answer(self, data: bytes = DATA) -> bytes | None:
        """What the lane sends for such a request."""
        reach = self.take(data)
        assert reach is not None
        heard = asyncio.Event()
        reach.listen(heard.set)
        await heard.wait()
        answer = reach.answer()
        assert not reach.waits_on()
        if answer is None:
            reach.hand_over()
        else:
            reach.over(aborted=False)
        await asyncio.sleep(0)
        return answer


@asynccontextmanager
async def far(
    folder: Path, rules: str = "{name: all}", max_bytes: int = 1 << 20
) -> AsyncIterator[Far]:
    made = Far(SqliteStore(folder / "c.db"), rules, max_bytes)
    await made.cache.start()
    assert made.cache.status().online
    yield made
    await made.cache.close(0.1)
