"""What the far lane takes on, without a connection.

Over sockets: tests/behaviour/test_far_lane.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from proxy.decisions.lookup import Serve
from proxy.edges.reaching import Reaches
from proxy.flow import tasks
from proxy.inner import NoBody
from proxy.messages import CacheKey, Request, StoredResponse
from proxy.outcomes import Outcome, Tier
from proxy.rules.route import Match
from proxy.sight import Sight
from proxy.store.base import Record
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore
from proxy.turn import Turn, World
from proxy.visit import Visit
from tests.support.build import request, stored
from tests.support.clock import ManualClock
from tests.support.rules import config_of
from tests.unit.rules.test_jwt import token

CONFIG = config_of("upstreams: {db: {url: 'http://origin.test'}}")
KEY = CacheKey(b"k" * 32)
DATA = b"GET /db/a HTTP/1.1\r\nHost: larder.test\r\n\r\n"


class Program:
    """A far lane before an empty cache."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.memory = MemoryStore(max_size=1 << 20, clock=self.clock)
        cache = Cache(self.memory, None, spawn=tasks.spawn)
        self.told: list[Any] = []
        self.reaches = Reaches((self.told.append,), cache, clock=self.clock, timer=self.clock)
        self.world = World(CONFIG, {})
        self.reaches.adopt(self.world)

    def serve(self, tier: Tier = Tier.SHARED, asked: Request | None = None) -> None:
        """The driver has answered out of this tier, twice."""
        asked = asked or request("GET", "/db/a")
        entry = stored(response_time=self.clock())
        for _ in range(2):
            visit = Visit(request=asked, began_at=self.clock(), began=0.0)
            match = CONFIG.router.match(CONFIG.upstreams[0], asked)
            turn = Turn(
                *(visit, self.world, CONFIG.upstreams[0], cast("Match", match), NoBody()),
                cast("Any", None),
            )
            self._note(turn, entry, tier)
            self.reaches.offer("", DATA, asked)

    def _note(self, turn: Turn, entry: StoredResponse, tier: Tier) -> None:
        sight = Sight(KEY, entry, tier)
        self.reaches.note(turn, KEY, sight, Serve(entry, Outcome.HIT))

    def taken(self) -> bool:
        reach = self.reaches.take("", DATA)
        if reach is not None:
            reach.hand_over()
        return reach is not None


async def test_it_learns_from_hits_out_of_the_shared_store() -> None:
    for tier, taken in ((Tier.SHARED, True), (Tier.MEMORY, False)):
        program = Program()
        program.serve(tier)
        assert program.taken() is taken


async def test_what_memory_holds_is_left_to_the_driver() -> None:
    program = Program()
    program.serve()
    program.memory.place(KEY.digest, Record(stored(response_time=program.clock())))
    assert not program.taken()


async def test_a_reload_forgets_it() -> None:
    program = Program()
    program.serve()
    program.reaches.adopt(World(CONFIG, {}))
    assert not program.taken()


async def test_it_ends_with_the_token() -> None:
    program = Program()
    bearer = f"Bearer {token(dates={'exp': program.clock() + 5})}"
    program.serve(asked=request("GET", "/db/a", fields={"Authorization": bearer}))
    assert program.taken()
    program.clock.advance(5)
    assert not program.taken()


async def test_a_look_up_that_finds_nothing_is_the_drivers() -> None:
    program, heard = Program(), list[bytes | None]()
    program.serve()
    reach = program.reaches.take("", DATA)
    assert reach is not None
    reach.listen(_noting(reach.answer, heard))
    await tasks.drain(1)
    assert heard == [None]
    assert program.told == []


async def test_a_client_that_leaves_is_told_of() -> None:
    program = Program()
    program.serve()
    reach = program.reaches.take("", DATA)
    assert reach is not None
    reach.give_up()
    (record,) = program.told
    assert (record.aborted, record.status, record.outcome) == (True, 0, Outcome.ERROR)
    assert program.reaches.answered == 0


def _noting(answer: Callable[[], bytes | None], heard: list[bytes | None]) -> Callable[[], None]:
    return lambda: heard.append(answer())
