"""The lanes change nothing but the time it takes, nor does answering what comes in at once.

The same random traffic goes through three proxies, one with the lanes, one without, and one whose
requests come in pieces, so that each takes the long way; each stands before an upstream of its
own, on one clock that only the traffic moves. Every answer and every request that goes up, byte
for byte, every record, count, metric and entry must be the same, whatever was written, purged,
reloaded, lost or let go of in between. Each lane must have had its share of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.property.lane_answers import Upstream
from tests.property.lane_requests import Asked, Requests
from tests.property.lane_sides import PEERS, Side
from tests.support.clock import ManualClock
from tests.support.larder import rules_text, serving, together
from tests.support.origin import Origin
from tests.support.redis_server import RedisServer

LANE_BYTES: Final = {"with": 48 << 10, "without": 0, "cut": 0}

ROUTES: Final = """
- {name: short, match: "GET /short/{id}", ttl: 5s, tags: ["short:{path.id}"], stale: {if_error: 1m}}
- {name: slides, match: "GET /slides/{id}", ttl: {default: 6s, sliding: true}}
- {name: ahead, match: "GET /ahead/{id}", ttl: 8s, refresh: {ahead: 30%, hits: 2}}
- {name: behind, match: "GET /behind/{id}", ttl: 3s, stale: {while_revalidate: 4s}}
- {name: asks, match: "POST /asks", ttl: 20s, cost: {miss: 20, hit: 1, unit: credits}}
- {name: own, match: "GET /own/{id}", ttl: 30s, scope: credential, headers: {remove: [date]}}
- {name: guarded, match: "GET /guarded/{id}", ttl: 30s, serve_if: {header.x-deny: {exists: false}}}
- {name: sits, match: "GET /sits/{id}", ttl: 30s, scope: session}
- {name: writes, match: "PUT /short/{id}", invalidate: {tags: ["short:{path.id}"]}}
- {name: large, match: "GET /large/{id}", ttl: 1h}
- {name: turns, match: "GET /turns/{id}", ttl: 4s}
- name: edited
  match: "GET /passes/edited"
  ttl: off
  headers: {set: {x-set: ours}, remove: [x-gone]}
- {name: unruly, match: "GET /passes/unruly", enabled: false}
- {name: passes, match: "GET /passes/{id}", ttl: off}
"""
OTHER_ROUTES: Final = ROUTES.replace("ttl: 30s", "ttl: 25s")
CORS: Final = 'cors: {origins: ["https://app.example"]}\n'
"""Answers under it are dressed, and never passed on without the driver."""
SESSIONS: Final = "sessions: {from: header.x-session-id}\n"
LIVING: Final = "sessions: {from: header.x-session-id, ttl: 10s}\n"

STORED: Final = (
    *("/db/short/1", "/db/short/2", "/db/slides/1", "/db/ahead/1", "/db/behind/1", "/db/plain"),
    *("/db/own/1", "/db/guarded/1", "/db/sits/1", "/db/varied", "/db/large/1", "/db/large/2"),
    "/db/turns/1",
)
RENEWED: Final = ("/db/ahead/1", "/db/behind/1", "/db/slides/1")
"""Those of which something is written or fetched behind the answer."""
PASSED: Final = ("/db/passes/1", "/db/passes/1", "/db/passes/edited", "/db/passes/unruly")


@dataclass(frozen=True)
class Mix:
    """A kind of traffic; `shares` of it, at least, are answered by each lane.

    `memory` as in `store.memory`, `shared` is a kind of store.
    """

    steps: int
    targets: Sequence[str]
    shares: Mapping[str, float]
    _: KW_ONLY
    memory: str = "{max_size: 192KiB, max_object: 64KiB}"
    shared: str = "none"
    posts: Sequence[str] = ("/db/asks",)
    moves: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 2.5)
    plain: bool = False


FAR: Final = "{max_size: 1MiB, max_object: 1B}"
"""Answers are in the shared store only; that a key has variants is known in memory, too."""
NOWHERE: Final = "{max_size: 1KiB, max_object: 1B}"
"""Nothing is in memory for long."""

SLOWLY: Final = (0.0, 0.0, 0.1, 0.2, 1.0)
MIXES: Final = {
    "hits": Mix(600, STORED + PASSED * 2, {"hot": 0.05, "relay": 0.005}),
    "relays": Mix(500, PASSED, {"relay": 0.1}, posts=(), moves=SLOWLY),
    "answers": Mix(700, PASSED, {"relay": 0.3}, posts=(), moves=SLOWLY, plain=True),
    "far": Mix(400, STORED + PASSED, {"far": 0.03, "relay": 0.005}, memory=FAR, shared="sqlite"),
    "farther": Mix(400, STORED, {"far": 0.03}, memory=NOWHERE, shared="sqlite"),
    "redis": Mix(400, STORED, {"far": 0.03}, memory=FAR, shared="redis"),
    "both": Mix(400, STORED, {"hot": 0.05}, shared="sqlite"),
}
SEEDS: Final = {"hits": 4, "relays": 3, "answers": 3, "far": 2, "farther": 2, "redis": 1, "both": 1}
RUNS: Final = [(name, seed) for name, count in SEEDS.items() for seed in range(count)]

Step = Callable[[Side], Awaitable[object]]


class Traffic:
    """What happens, drawn step by step, each to be done to all sides."""

    def __init__(self, random: Random, clock: ManualClock, mix: Mix) -> None:
        self._random = random
        self._clock = clock
        self._mix = mix
        self._requests = Requests(random, mix.targets, mix.posts, plain=mix.plain)
        self.count = 0
        """Requests so far."""
        self.what: Sequence[bytes] = ()
        """The latest, as they were sent."""

    def top(self, *more: str) -> str:
        """What the rule file says above the upstreams."""
        return f'store: {{shared: "${{SHARED}}", memory: {self._mix.memory}}}\n' + "".join(more)

    def draw(self) -> Step:
        """Something that happens next."""
        random = self._random
        chance = random.random()
        which = random.randrange(len(PEERS))
        if chance < 0.80:
            return self._asks(which, self._requests.draw())
        if chance < 0.84:
            data = (asked := self._requests.draw()).data
            cut = random.randrange(1, len(data))
            return self._asks(which, asked, pieces=[data[:cut], data[cut:]])
        if chance < 0.88:
            return self._asks(which, *self._several())
        if chance < 0.94:
            self._clock.advance(random.choice(self._mix.moves))
            return Side.settled
        return self._deed()

    def _asks(self, which: int, *asked: Asked, pieces: Sequence[bytes] = ()) -> Step:
        data = pieces or [b"".join(each.data for each in asked)]
        methods = [each.method for each in asked]
        self.count, self.what = self.count + len(asked), data
        return lambda side: side.exchange(which, data, methods)

    def _several(self) -> list[Asked]:
        """For one after the other, none of which depends on what happens behind another."""
        drawn = [self._requests.again() for _ in range(3)]
        several = [asked for asked in drawn if asked.target not in RENEWED]
        if self._mix.shared != "none":  # what one stores is there for the next a while later
            several = list({asked.target: asked for asked in several}.values())
        return several or drawn[:1]

    def _deed(self) -> Step:
        """What makes stored answers invalid, or forgets what was learnt."""
        random = self._random
        number, soft = random.choice("12"), random.random() < 0.5
        match random.randrange(8):
            case 0:
                return lambda side: side.proxy.ask("PUT", f"/db/short/{number}", (), b"new")
            case 1:
                return lambda side: side.proxy.purge(tags=[f"short:{number}"], soft=soft)
            case 2:
                return lambda side: side.proxy.purge(all=True, soft=soft)
            case 3:
                return lambda side: side.proxy.purge(url=f"/db/large/{number}")
            case 4 | 5:
                return Side.lose
            case _:
                return self._reload()

    def _reload(self) -> Step:
        random = self._random
        routes = random.choice((ROUTES, OTHER_ROUTES))
        top = self.top(random.choice((CORS, *("",) * 7)), random.choice((SESSIONS, LIVING)))

        async def reload(side: Side) -> int:
            side.proxy.rules.write_text(rules_text(routes, top=top))
            status = (await side.proxy.manage("POST", "/api/reload")).status
            assert status == 200
            return status

        return reload


@asynccontextmanager
async def store(kind: str, folder: Path) -> AsyncIterator[Callable[[int], str]]:
    """`store.shared` of each side, by number: none has another's."""
    if kind != "redis":
        yield lambda number: f"sqlite:{folder}/{number}.db" if kind == "sqlite" else kind
        return
    server = RedisServer(folder / "redis")
    await server.start()
    try:
        yield lambda number: server.url.removesuffix("0") + str(number)
    finally:
        server.close()


@asynccontextmanager
async def three(
    traffic: Traffic, kind: str, clock: ManualClock, folder: Path, seed: int
) -> AsyncIterator[list[Side]]:
    """The sides, each with a store and an upstream of its own."""
    async with AsyncExitStack() as stack, store(kind, folder) as shared, together() as enter:
        sides = []
        for number, (name, lane_bytes) in enumerate(LANE_BYTES.items()):
            origin = await stack.enter_async_context(Origin(Upstream(clock, seed)))
            rules = folder / f"{name}.yaml"
            rules.write_text(rules_text(ROUTES, top=traffic.top(SESSIONS)))
            env = {"ORIGIN": origin.url, "SHARED": shared(number)}
            proxy = await enter(serving(rules, env, clock, lane_bytes=lane_bytes))
            side = Side(proxy, origin, cuts=name == "cut")
            sides.append(await stack.enter_async_context(side))
        yield sides


def answered(side: Side) -> dict[str, int]:
    """How many requests each lane answered."""
    return {name: lane.answered for name, lane in side.proxy.app.readings().lanes.items()}


@pytest.mark.parametrize(("name", "seed"), RUNS)
async def test_with_and_without_it_all_is_the_same(name: str, seed: int, tmp_path: Path) -> None:
    mix, clock = MIXES[name], ManualClock()
    traffic = Traffic(Random(f"{name} {seed}"), clock, mix)
    async with three(traffic, mix.shared, clock, tmp_path, seed) as sides:
        for number in range(mix.steps):
            step = traffic.draw()
            done = [await step(side) for side in sides]
            for side in sides:
                await side.settled()
            if isinstance(done[0], list):
                assert done[0] == done[1] == done[2], f"step {number}: {traffic.what}"
        assert [await side.ended() for side in sides] == [b""] * 3
        with_lanes, without, cut = [await side.state() for side in sides]
        for what, told in with_lanes.items():
            assert told == without[what] == cut[what], what
        counts, *others = [answered(side) for side in sides]
    assert not any(count for each in others for count in each.values())
    for lane, share in mix.shares.items():
        assert counts[lane] >= share * traffic.count, f"{counts} of {traffic.count}"
