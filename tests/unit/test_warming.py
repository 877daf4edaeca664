"""When what is fetched. What becomes of it is the driver's: tests/behaviour/test_warm.py."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from proxy.errors import ClientError, StoreError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.background import Background, Fate
from proxy.flow.tasks import spawn
from proxy.inner import Discarded
from proxy.rules.compiled import Config
from proxy.store.memory_notes import MemoryNotes
from proxy.store.notes import Notes
from proxy.warming import Warming
from tests.support.clock import ManualClock
from tests.support.larder import until
from tests.support.rules import config_of

TARGET = "/db/items/1"


def rules(*entries: str) -> Config:
    return config_of(
        "upstreams: {db: {url: http://h, routes: [{name: items, ttl: 1h}]}}\n"
        f"warm: [{', '.join(entries)}]"
    )


@dataclass
class Bench:
    """Warming whose requests are written down, and answered as the test says."""

    config: Config
    clock: ManualClock
    notes: Notes = field(default_factory=MemoryNotes)
    status: int = 200
    whole: bool = True
    error: Exception | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.background = Background(spawn)
        self.warming = Warming(
            self._get,
            self.background,
            self.notes,
            config=lambda: self.config,
            clock=self.clock,
            spawn=spawn,
        )

    async def _get(
        self, url_target: str, fields: Fields = NO_FIELDS, *, authority: str = ""
    ) -> Discarded:
        self.asked.append((authority + url_target, fields.get("cache-control")))
        if self.error is not None:
            raise self.error
        return Discarded(self.status, whole=self.whole)

    async def tick(self) -> None:
        """Look at the clock, and let what is begun end."""
        await self.warming.tick()
        await until(lambda: not len(self.background))


@pytest.mark.parametrize(
    ("entry", "times", "ticks"),
    [
        pytest.param("{get: /db/items/1}", (0, 1e6), 1, id="once"),
        pytest.param("{get: /db/items/1, on_start: false}", (0, 1e6), 0, id="on demand only"),
        pytest.param("{get: /db/items/1, every: 5m}", (0, 299), 1, id="not yet"),
        pytest.param("{get: /db/items/1, every: 5m}", (0, 300, 300), 3, id="every time"),
        pytest.param("{get: /db/items/1, every: 5m}", (0, 3000), 2, id="what was missed is once"),
        pytest.param("{get: /db/items/1, every: 5m, on_start: false}", (0, 300), 1, id="later"),
    ],
)
async def test_when(clock: ManualClock, entry: str, times: tuple[float, ...], ticks: int) -> None:
    bench = Bench(rules(entry), clock)
    for seconds in times:
        clock.advance(seconds)
        await bench.tick()
    assert len(bench.asked) == ticks


async def test_a_clock_that_was_set_back_stops_nothing(clock: ManualClock) -> None:
    bench = Bench(rules("{get: /db/items/1, every: 5m, on_start: false}"), clock)
    await bench.tick()
    clock.now -= 3600
    await bench.tick()
    clock.advance(300)
    await bench.tick()
    assert len(bench.asked) == 2


async def test_in_time_it_asks_for_what_stays_fresh_until_the_next(clock: ManualClock) -> None:
    bench = Bench(rules("{get: /db/items/1, every: 90.5s}"), clock)
    await bench.tick()
    clock.advance(181)
    await bench.tick()
    assert bench.asked == [(TARGET, None), (TARGET, "min-fresh=91")]


async def test_of_two_instances_one_does_it(clock: ManualClock) -> None:
    notes = MemoryNotes()
    config = rules("{get: /db/items/1, every: 5m, on_start: false}")
    one, other = Bench(config, clock, notes), Bench(config, clock, notes)
    for _ in range(3):
        await one.tick()
        await other.tick()
        clock.advance(300)
    assert len(one.asked) + len(other.asked) == 2


class Away(MemoryNotes):
    """Out of reach."""

    async def claim(self, _space: str, _key: str, _value: bytes, _ttl_s: float) -> bytes | None:
        """StoreError."""
        raise StoreError("away")


async def test_while_the_store_is_away_each_does_it(clock: ManualClock) -> None:
    bench = Bench(rules("{get: /db/items/1, every: 5m, on_start: false}"), clock, Away())
    await bench.tick()
    clock.advance(300)
    await bench.tick()
    assert len(bench.asked) == 1


@pytest.mark.parametrize(
    ("status", "whole", "error", "told"),
    [
        (200, True, None, (1, 0, 200)),
        (304, True, None, (1, 0, 304)),
        (404, True, None, (0, 1, 404)),
        (200, False, None, (0, 1, 502)),
        (200, True, ClientError(400, "no"), (0, 1, 400)),
    ],
)
async def test_what_came_of_it(
    clock: ManualClock,
    status: int,
    whole: bool,
    error: Exception | None,
    told: tuple[int, int, int],
) -> None:
    bench = Bench(rules("{get: /db/items/1}"), clock, status=status, whole=whole, error=error)
    await bench.tick()
    run = bench.warming.run
    assert run is not None
    (known,) = bench.warming.entries()
    assert (run.done, run.failed, known.status) == told
    assert (known.at, known.busy, bench.warming.running) == (clock.now, False, False)
    fate = Fate.FAILED if told[1] else Fate.DONE
    assert bench.background.counts == {("db", fate): 1}


async def test_on_demand_every_entry_is_fetched_and_with_force_what_is_stored_too(
    clock: ManualClock,
) -> None:
    bench = Bench(
        rules("{get: /db/items/1, every: 5m, on_start: false}", "{get: /db/a, on_start: false}"),
        clock,
    )
    assert bench.warming.begin()
    assert not bench.warming.begin(), "while it is under way"
    await bench.tick()
    assert bench.warming.begin(force=True)
    await bench.tick()
    assert sorted(bench.asked[:2]) == [("/db/a", None), (TARGET, None)]
    assert sorted(bench.asked[2:]) == [("/db/a", "no-cache"), (TARGET, "min-fresh=300")]


async def test_what_there_is_no_room_for_has_failed(clock: ManualClock) -> None:
    bench = Bench(rules("{get: /db/items/1}"), clock)
    await bench.background.drain(0)
    await bench.tick()
    run = bench.warming.run
    assert run is not None
    assert (run.failed, bench.warming.running) == (1, False)


async def test_one_that_the_rules_now_name_is_fetched_at_once(clock: ManualClock) -> None:
    bench = Bench(rules("{get: /db/items/1, every: 5m}"), clock)
    await bench.tick()
    bench.config = rules("{get: /db/items/2, headers: {host: h.example}}")
    clock.advance(300)
    await bench.tick()
    assert [target for target, _ in bench.asked] == [TARGET, "h.example/db/items/2"]


async def test_nothing_is_begun_once_it_is_closed(clock: ManualClock) -> None:
    bench = Bench(rules("{get: /db/items/1}"), clock)
    bench.warming.start()
    await until(lambda: len(bench.asked) == 1)
    await bench.warming.close()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "warming"] == []


async def test_one_that_fails_is_told_once_until_it_succeeds(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "larder")
    bench = Bench(rules("{get: '/db/items/1?q=s3cret', every: 5m}"), clock, status=503)
    for status in (503, 503, 200, 404):
        bench.status = status
        await bench.tick()
        clock.advance(300)
    assert [record.getMessage() for record in caplog.records] == [
        "warming /db/items/1?… was answered 503",
        "warming /db/items/1?… was answered 404",
    ]


async def test_one_that_cannot_be_asked_for_is_told_with_why(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", "larder")
    bench = Bench(rules("{get: /db/items/1}"), clock, error=ClientError(400, "no such thing"))
    await bench.tick()
    assert "warming /db/items/1 was answered 400: " in caplog.text
