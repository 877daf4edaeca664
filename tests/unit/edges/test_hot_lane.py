"""What the lane takes in and what it answers, without a connection.

Over sockets: tests/behaviour/test_lane.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from proxy.client import BodySource, Reply
from proxy.decisions.delivery import client_fields
from proxy.decisions.lookup import Serve
from proxy.dressing import Dressed
from proxy.edges.hot import Hot
from proxy.edges.hot_lane import HotLane
from proxy.edges.wire import WireReply
from proxy.flow import tasks
from proxy.messages import CacheKey, StoredResponse
from proxy.outcomes import Outcome, Tier
from proxy.rules.route import Match, NeedsBody
from proxy.sight import Sight
from proxy.store.base import Record
from proxy.store.cache import Cache
from proxy.store.memory import SLICE, MemoryStore
from proxy.turn import Turn, World
from proxy.visit import Visit
from tests.support.build import request, stored
from tests.support.clock import NOW, ManualClock
from tests.support.rules import config_of

CONFIG = config_of("upstreams: {db: {url: 'http://origin.test'}}")
KEY = CacheKey(b"k" * 32)
DATA = b"GET / HTTP/1.1\r\nHost: larder.test\r\n\r\n"


class Program:
    """A lane before a memory of its own, and the driver's part played by the test."""

    def __init__(self, max_bytes: int = 1 << 20) -> None:
        self.clock = ManualClock()
        self.memory = MemoryStore(max_size=1 << 20, clock=self.clock)
        self.cache = Cache(self.memory, None, spawn=tasks.spawn)
        self.lane = HotLane(
            max_bytes,
            cache=self.cache,
            observers=(),
            loop=asyncio.get_running_loop(),
            clock=self.clock,
            timer=self.clock,
        )
        self.world = World(CONFIG, {})
        self.lane.adopt(self.world)

    def keep(self, entry: StoredResponse, key: CacheKey = KEY) -> StoredResponse:
        """Put it in memory; as it is there."""
        self.memory.place(key.digest, Record(entry))
        found = self.memory.look(key.digest, self.clock())
        assert found is not None
        assert isinstance(found.entry, StoredResponse)
        return found.entry

    def serve(self, entry: StoredResponse, data: bytes = DATA, **changes: Any) -> None:
        """The driver answers with this, and the connection offers the request."""
        now, config = self.clock(), self.world.config
        asked = changes.get("asked", request())
        visit = Visit(request=asked, began_at=now, began=0.0)
        visit.outcome, visit.tier, visit.status = Outcome.HIT, Tier.MEMORY, entry.status
        visit.age_s, visit.ttl_s = entry.age(now), entry.ttl(now)
        match = config.router.match(config.upstreams[0], asked)
        assert not isinstance(match, NeedsBody)
        self._note(visit, match, entry, changes)
        head = WireReply(cast("Any", None), "GET", (1, 1), expects=False)
        tasks.spawn(head.start(entry.status, "", _fields(visit, entry, now), len(entry.body)), "x")
        self.heads = head
        self.offered = (data, asked)

    def _note(
        self, visit: Visit, match: Match, entry: StoredResponse, changes: dict[str, Any]
    ) -> None:
        reply = cast("Reply", changes.get("reply"))
        world = changes.get("world", self.world)
        body = cast("BodySource", WireBodyless())
        turn = Turn(visit, world, world.config.upstreams[0], match, body, reply)
        sight = Sight(KEY, entry, Tier.MEMORY)
        sight = replace(sight, **changes.get("sight", {}))
        plan = replace(Serve(entry, Outcome.HIT), **changes.get("plan", {}))
        self.lane.note(turn, KEY, sight, plan)

    async def sees(self, entry: StoredResponse, data: bytes = DATA, **changes: Any) -> bool:
        """Serve it twice; whether the lane knows it then."""
        for _ in range(2):
            self.serve(entry, data, **changes)
            await asyncio.sleep(0)
            self.lane.offer(*self.offered, changes.get("head", self.heads.head))
        return self.lane.take(data) is not None


class WireBodyless:
    """A request body that is none."""

    received = 0


def _fields(visit: Visit, entry: StoredResponse, now: float) -> Any:
    return client_fields(None, entry.status, entry.fields, visit.story(), now)


async def test_what_was_served_twice_is_known() -> None:
    program = Program()
    entry = program.keep(stored())
    program.serve(entry)
    await asyncio.sleep(0)
    program.lane.offer(*program.offered, program.heads.head)
    assert program.lane.take(DATA) is None
    assert await program.sees(entry)
    hot = program.lane.take(DATA)
    assert isinstance(hot, Hot)
    assert hot.head == program.heads.head + entry.body
    status = program.lane.status()
    assert (status.requests, status.size_bytes) == (1, hot.size)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"head": b"HTTP/1.1 200 OK\r\n\r\n"}, id="another-head-was-sent"),
        pytest.param({"plan": {"outcome": Outcome.STALE}}, id="stale"),
        pytest.param({"plan": {"refresh": True}}, id="refreshed-behind"),
        pytest.param({"sight": {"tier": Tier.SHARED}}, id="from-the-shared-store"),
        pytest.param({"sight": {"reached": KEY}}, id="led-there-by-an-alias"),
        pytest.param({"asked": request(fields={"Range": "bytes=0-1"})}, id="does-not-repeat"),
        pytest.param({"world": World(CONFIG, {})}, id="under-other-rules"),
        pytest.param(
            {"reply": Dressed(cast("Reply", None), lambda _, fields: fields)}, id="dressed"
        ),
    ],
)
async def test_what_is_not_known(changes: dict[str, Any]) -> None:
    program = Program()
    assert not await program.sees(program.keep(stored()), **changes)
    assert program.lane.status().requests == 0


async def test_the_same_dressing_of_the_same_request_is_let_be() -> None:
    program = Program()
    reply = Dressed(cast("Reply", None), lambda _, fields: fields, repeats=True)
    assert await program.sees(program.keep(stored()), reply=reply)


async def test_what_no_memory_has_is_not_known() -> None:
    program = Program()
    assert not await program.sees(stored())


async def test_one_offered_for_another_request_is_not_taken() -> None:
    program = Program()
    entry = program.keep(stored())
    for _ in range(3):
        program.serve(entry)
        await asyncio.sleep(0)
        program.lane.offer(DATA, request(), program.heads.head)
    assert program.lane.take(DATA) is None


async def test_another_answer_in_its_place_ends_it() -> None:
    program = Program()
    assert await program.sees(program.keep(stored()))
    program.keep(stored(b"another"))
    assert program.lane.take(DATA) is None
    assert program.lane.status() == Program().lane.status()


async def test_one_that_is_dead_but_not_yet_freed_ends_it() -> None:
    """Freeing thousands takes its time, and what held the old answer lives on meanwhile."""
    program = Program()
    entry = program.keep(stored())
    for number in range(SLICE + 1):
        program.keep(stored(b"x"), CacheKey(number.to_bytes(32)))
    assert await program.sees(entry)
    program.memory.clear()
    assert program.memory.backlog.is_set()
    assert program.lane.take(DATA) is None
    program.keep(stored(b"another"))
    assert program.lane.take(DATA) is None


async def test_while_an_invalidation_goes_on_the_driver_is_asked() -> None:
    program = Program()
    entry = program.keep(stored(tags=("*",)))
    for number in range(SLICE + 1):
        program.keep(stored(b"x", tags=("*",)), CacheKey(number.to_bytes(32)))
    assert await program.sees(entry)
    program.memory.invalidate_tag("*", (5, 0), soft=True)
    assert program.lane.take(DATA) is None


async def test_what_goes_stale_is_forgotten() -> None:
    program = Program()
    assert await program.sees(program.keep(stored(lifetime=60.0, keep=60.0)))
    program.clock.advance(60)
    assert program.lane.take(DATA) is None
    assert program.lane.status().requests == 0


async def test_it_keeps_within_its_bytes_and_lets_go_of_what_is_not_used() -> None:
    program = Program(20_000)
    entry = program.keep(stored())
    assert await program.sees(entry, b"used")
    for number in range(20):
        assert await program.sees(entry, b"%d" % number)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert program.lane.take(b"used") is not None
        await asyncio.sleep(0)
    assert program.lane.status().size_bytes <= 20_000
    assert program.lane.take(b"0") is None


async def test_without_bytes_it_learns_nothing() -> None:
    program = Program(0)
    assert not await program.sees(program.keep(stored()))


def test_now_is_where_the_builders_begin() -> None:
    assert stored().response_time == NOW
