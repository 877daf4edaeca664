"""No answer whose fetch began before an acknowledged invalidation is served after it.

Several instances of the real `Cache` and `Follower` over a simulated shared
store (tests/support/sim_shared.py) in which every operation waits at a gate:
hypothesis chooses who goes on, which operation fails, and what the server
forgets. The check is the promise itself, stated without the protocol's words:
for the invalidating instance at once; for the others once they followed, once
`wait` would return, and at latest after `max_lag`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.errors import StoreError
from proxy.messages import Position
from proxy.outcomes import Tier
from proxy.store.base import Fact, FactKind, Found, is_local
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore
from tests.support.build import stored
from tests.support.clock import NOW, ManualClock
from tests.support.sim_shared import Fate, SimStore, World

MAX_LAG = 5.0
KEYS = tuple(bytes([number]) * 32 for number in range(2))
FACTS = (
    Fact(FactKind.TAG, "t0"),
    Fact(FactKind.TAG, "of no answer: the journal moves on, so that marks are asked"),
    Fact(FactKind.TAG, "*"),
    Fact(FactKind.PREFIX, "/0"),
)
instances = st.integers(0, 2)
keys = st.integers(0, len(KEYS) - 1)
fates = st.sampled_from([Fate.DONE] * 8 + [Fate.REFUSED, Fate.ANSWER_LOST])


def tags_of(key: int) -> tuple[str, ...]:
    return ("*", "t0", f"k{key}")


def speaks_of(fact: Fact, key: int) -> bool:
    if fact.kind is FactKind.PREFIX:
        return f"/{key}".startswith(fact.value)
    return fact.value in tags_of(key)


@dataclass
class Invalidation:
    """`called` and `acknowledged` are moments of the history; None while it has not returned."""

    fact: Fact
    by: Instance
    called: int
    acknowledged: int | None = None
    at: float = 0.0
    position: Position | None = None
    epoch: str = ""
    everywhere: bool = False


@dataclass(eq=False)
class Instance:
    """A cache, what it is doing, and the fetches it has under way."""

    name: str
    cache: Cache
    store: SimStore
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    round: asyncio.Task[None] | None = None
    fetches: list[tuple[int, int, Position]] = field(default_factory=list)


class Coherence(RuleBasedStateMachine):
    """The model: when each fetch began, and when each invalidation was called and acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock(100.0)
        self.world = World(self.clock)
        self.moment = 0
        self.began: dict[bytes, int] = {}
        self.stated: list[Invalidation] = []
        self.served = 0
        self.started = 0
        self.instances = [self.launch() for _ in range(3)]
        for instance in self.instances:
            self.do_round(instance)
        self.settle()

    # -- machinery

    def launch(self) -> Instance:
        self.started += 1
        store = SimStore(self.world, f"instance-{self.started}")
        memory = MemoryStore(max_size=1 << 20)

        def spawn(coro: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
            task = self.loop.create_task(coro, name=name)
            instance.tasks.add(task)
            return task

        async def build() -> Cache:
            return Cache(memory, store, spawn=spawn, max_lag=MAX_LAG, clock=self.clock)

        instance = Instance(store.instance, self.loop.run_until_complete(build()), store)
        far, writes = instance.cache._far, instance.cache._writes  # noqa: SLF001  rounds one by one
        assert far is not None
        assert writes is not None
        far.follower.instance = store.instance
        self.loop.run_until_complete(self.call(writes.start))
        return instance

    async def call(self, do: Any) -> None:
        do()

    def tick(self) -> int:
        self.moment += 1
        return self.moment

    def spin(self) -> None:
        async def turns() -> None:
            for _ in range(12):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    def begin(self, instance: Instance, coro: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(coro)
        instance.tasks.add(task)
        self.spin()
        return task

    def open_gate(self, number: int, fate: Fate) -> None:
        gates = self.world.gates
        gate = gates[number % len(gates)]
        if not gate.future.done():
            gate.future.set_result(fate)
        self.spin()

    def settle(self) -> None:
        for _ in range(400):
            if not self.world.gates:
                return
            self.open_gate(0, Fate.DONE)

    def do_round(self, instance: Instance) -> None:
        if instance.round is not None and not instance.round.done():
            return

        async def step() -> None:
            with suppress(StoreError):
                far = instance.cache._far  # noqa: SLF001  rounds one by one
                assert far is not None
                await far.follower.step()

        instance.round = self.begin(instance, step())

    # -- what instances do

    @rule(i=instances)
    def a_round(self, i: int) -> None:
        self.do_round(self.instances[i])

    @rule(i=instances, k=keys)
    def a_fetch_begins(self, i: int, k: int) -> None:
        instance = self.instances[i]
        instance.fetches.append((k, self.tick(), instance.cache.position))

    @rule(i=instances, which=st.integers(0, 5))
    def a_fetch_ends(self, i: int, which: int) -> None:
        instance = self.instances[i]
        if not instance.fetches:
            return
        key, began, born = instance.fetches.pop(which % len(instance.fetches))
        body = b"%d" % began
        entry = stored(body, tags=tags_of(key), born=born, url=f"/{key}", lifetime=1e6)
        self.began[body] = began

        async def keep() -> None:
            instance.cache.keep(KEYS[key], entry, NOW)

        self.begin(instance, keep())

    @rule(i=instances, k=keys)
    def a_look_up(self, i: int, k: int) -> None:
        instance, asked = self.instances[i], self.tick()
        now = self.clock()

        async def find() -> None:
            found = await instance.cache.find(KEYS[k], NOW)
            if isinstance(found, Found):
                self.check(instance, k, found, asked, now)

        self.begin(instance, find())

    @rule(i=instances, fact=st.sampled_from(FACTS))
    def an_invalidation(self, i: int, fact: Fact) -> None:
        instance = self.instances[i]
        stated = Invalidation(fact, instance, self.tick())
        self.stated.append(stated)

        async def invalidate() -> None:
            stated.position = await instance.cache.invalidate([fact])
            stated.epoch = instance.store.epoch
            stated.acknowledged = self.tick()
            stated.at = self.clock()

        self.begin(instance, invalidate())

    @precondition(lambda self: self.world.gates)
    @rule(number=st.integers(0, 30), fate=fates)
    def one_operation_goes_on(self, number: int, fate: Fate) -> None:
        self.open_gate(number, fate)

    @precondition(lambda self: self.world.gates)
    @rule(count=st.integers(2, 12))
    def some_operations_go_on(self, count: int) -> None:
        for _ in range(count):
            if self.world.gates:
                self.open_gate(0, Fate.DONE)

    @rule()
    def all_goes_on(self) -> None:
        for instance in self.instances:
            self.do_round(instance)
        self.settle()

    @rule(i=instances, k=keys)
    def an_answer_is_fetched_and_written(self, i: int, k: int) -> None:
        self.a_fetch_begins(i, k)
        self.a_fetch_ends(i, len(self.instances[i].fetches) - 1)
        self.settle()

    @rule(i=instances, fact=st.sampled_from(FACTS))
    def an_invalidation_from_end_to_end(self, i: int, fact: Fact) -> None:
        self.an_invalidation(i, fact)
        self.settle()

    @rule(i=instances)
    def a_newcomer_joins(self, i: int) -> None:
        self.an_instance_restarts(i)
        self.do_round(self.instances[i])
        self.settle()

    @rule(i=instances, k=keys)
    def a_mark_is_evicted_and_made_anew(self, i: int, k: int) -> None:
        self.all_goes_on()
        self.world.data.marks.pop("t0", None)
        self.an_answer_is_fetched_and_written(i, k)

    @rule(i=instances, k=keys)
    def a_newcomer_looks_up(self, i: int, k: int) -> None:
        self.a_newcomer_joins(i)
        self.a_look_up(i, k)
        self.settle()

    @rule()
    def wait_is_asked(self) -> None:
        for stated in self.stated:
            if stated.position is None or is_local(stated.position) or stated.everywhere:
                continue
            if stated.epoch == self.world.data.epoch:
                stated.everywhere = not self.world.behind(stated.epoch, stated.position)

    # -- what goes wrong

    @rule(i=instances)
    def cut_off(self, i: int) -> None:
        self.world.cut_off.add(self.instances[i].name)

    @rule()
    def healed(self) -> None:
        self.world.cut_off.clear()

    @rule(seconds=st.sampled_from([0.5, 2.5, 6.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(number=st.integers(0, 5))
    def a_mark_is_evicted(self, number: int) -> None:
        marks = self.world.data.marks
        if marks:
            del marks[sorted(marks)[number % len(marks)]]

    @rule()
    def the_journal_is_trimmed(self) -> None:
        del self.world.data.journal[:-1]

    @rule()
    def a_snapshot_is_taken(self) -> None:
        self.world.save()

    @rule()
    def the_server_restarts_from_its_snapshot(self) -> None:
        self.world.crash()

    @rule()
    def everything_is_flushed(self) -> None:
        self.world.flush()

    @rule(i=instances)
    def an_instance_restarts(self, i: int) -> None:
        self.stop(self.instances[i])
        self.instances[i] = self.launch()

    def stop(self, instance: Instance) -> None:
        async def end() -> None:
            for task in instance.tasks:
                task.cancel()
            await asyncio.gather(*instance.tasks, return_exceptions=True)

        self.loop.run_until_complete(end())

    # -- the promise

    @invariant()
    def memory_is_coherent(self) -> None:
        for instance in self.instances:
            for number, key in enumerate(KEYS):
                found = instance.cache.peek(key, NOW)
                if found is not None:
                    self.check(instance, number, found, self.moment, self.clock())

    @invariant()
    def nothing_failed_unseen(self) -> None:
        for instance in self.instances:
            for task in instance.tasks:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    raise AssertionError(task.get_name()) from task.exception()

    def check(self, instance: Instance, key: int, found: Found, asked: int, now: float) -> None:
        self.served += 1
        assert found.tier in Tier
        began = self.began[found.entry.body]  # type: ignore[union-attr]  # answers only
        for stated in self.stated:
            if not speaks_of(stated.fact, key) or began >= stated.called:
                continue
            if stated.acknowledged is None or stated.acknowledged > asked:
                continue
            assert not self.holds_for(stated, instance, now), (stated, instance.name, found)

    def holds_for(self, stated: Invalidation, instance: Instance, now: float) -> bool:
        if stated.by is instance or stated.everywhere:
            return True
        if stated.position is None or is_local(stated.position):
            return False
        place = instance.cache._coherence.place  # noqa: SLF001  whether it followed
        followed = (
            place is not None
            and instance.cache.status().epoch == stated.epoch
            and place >= stated.position
        )
        return followed or now > stated.at + MAX_LAG

    def teardown(self) -> None:
        """When all is well again, every invalidation of an instance that lived holds everywhere."""
        self.world.cut_off.clear()
        self.clock.advance(10.0)
        for _ in range(6):
            self.all_goes_on()
        alive = set(map(id, self.instances))
        for stated in self.stated:
            if stated.acknowledged is not None and id(stated.by) in alive:
                stated.everywhere = True
        for i in range(3):
            for k in range(len(KEYS)):
                self.a_look_up(i, k)
        self.settle()
        self.memory_is_coherent()
        self.nothing_failed_unseen()
        for instance in self.instances:
            assert instance.cache.status().online, "every instance finds its way back"
            self.stop(instance)
        self.loop.close()


Coherence.TestCase.settings = settings(
    settings.get_profile("larder"), max_examples=60, stateful_step_count=40
)
TestCoherence = Coherence.TestCase


# The races of proxy/README.md, played out. Each is a script for the machine above.


def play() -> Coherence:
    machine = Coherence()
    machine.an_answer_is_fetched_and_written(0, 0)
    assert KEYS[0] in machine.world.data.entries
    return machine


def open_for(machine: Coherence, number: int, count: int) -> None:
    """Let the next operations of one instance through, and of no other."""
    for _ in range(count):
        name = machine.instances[number].name
        gates = [gate.instance for gate in machine.world.gates]
        machine.open_gate(gates.index(name), Fate.DONE)


def ended(machine: Coherence) -> None:
    machine.memory_is_coherent()
    machine.teardown()


def test_a_newcomer_is_served_what_its_marks_prove() -> None:
    machine = play()
    machine.an_invalidation_from_end_to_end(1, FACTS[1])
    machine.a_newcomer_looks_up(2, 0)
    assert machine.served > 0
    assert machine.instances[2].cache.peek(KEYS[0], NOW) is not None
    ended(machine)


def test_a_mark_made_anew_revives_nothing() -> None:
    machine = play()
    machine.an_invalidation_from_end_to_end(1, Fact(FactKind.TAG, "t0"))
    machine.a_mark_is_evicted_and_made_anew(0, 1)
    machine.a_newcomer_looks_up(2, 0)
    assert machine.served == 0
    machine.a_look_up(2, 1)
    machine.settle()
    assert machine.served > 0
    ended(machine)


def test_a_writer_that_lags_does_not_hide_a_fact_whose_mark_was_evicted() -> None:
    machine = play()
    machine.a_fetch_begins(0, 1)
    machine.an_invalidation_from_end_to_end(1, Fact(FactKind.TAG, "t0"))
    machine.world.data.marks.clear()
    machine.a_fetch_ends(0, 0)
    machine.settle()
    machine.a_newcomer_looks_up(2, 1)
    assert KEYS[1] not in machine.world.data.entries
    ended(machine)


def test_a_fact_that_arrives_while_marks_are_read_keeps_the_entry_out_of_memory() -> None:
    machine = play()
    machine.an_invalidation_from_end_to_end(1, FACTS[1])
    machine.a_newcomer_joins(2)
    machine.a_look_up(2, 0)
    open_for(machine, 2, 3)
    machine.an_invalidation(1, Fact(FactKind.TAG, "t0"))
    open_for(machine, 1, 2)
    machine.do_round(machine.instances[2])
    while any(gate.op in {"beat", "read"} for gate in machine.world.gates):
        ops = [gate.op for gate in machine.world.gates]
        machine.open_gate(next(n for n, op in enumerate(ops) if op != "marks"), Fate.DONE)
    machine.settle()
    assert machine.served == 0
    assert machine.instances[2].cache.peek(KEYS[0], NOW) is None
    ended(machine)


def test_a_snapshot_from_before_an_invalidation_revives_nothing() -> None:
    machine = play()
    machine.a_snapshot_is_taken()
    machine.an_invalidation_from_end_to_end(1, Fact(FactKind.TAG, "t0"))
    machine.the_server_restarts_from_its_snapshot()
    machine.a_newcomer_looks_up(2, 0)
    assert machine.served == 0
    ended(machine)


def test_a_prefix_stated_long_ago_holds_for_a_newcomer() -> None:
    machine = play()
    machine.an_invalidation_from_end_to_end(1, Fact(FactKind.PREFIX, "/0"))
    machine.the_journal_is_trimmed()
    machine.a_newcomer_looks_up(2, 0)
    assert machine.served == 0
    ended(machine)


def test_a_trimmed_journal_is_noticed() -> None:
    machine = play()
    machine.all_goes_on()
    machine.an_invalidation_from_end_to_end(1, Fact(FactKind.TAG, "t0"))
    machine.an_invalidation_from_end_to_end(1, Fact(FactKind.TAG, "k1"))
    machine.the_journal_is_trimmed()
    machine.do_round(machine.instances[0])
    machine.settle()
    assert machine.instances[0].cache.peek(KEYS[0], NOW) is None
    ended(machine)


def test_memory_is_not_believed_longer_than_max_lag_without_contact() -> None:
    machine = play()
    machine.all_goes_on()
    assert machine.instances[0].cache.peek(KEYS[0], NOW) is not None
    machine.cut_off(0)
    machine.an_invalidation_from_end_to_end(1, Fact(FactKind.TAG, "t0"))
    machine.time_passes(6.0)
    ended(machine)


def test_a_fetch_from_before_a_loss_is_not_kept() -> None:
    machine = play()
    machine.a_fetch_begins(0, 0)
    machine.an_invalidation_from_end_to_end(1, Fact(FactKind.TAG, "t0"))
    machine.everything_is_flushed()
    machine.time_passes(6.0)
    for _ in range(3):
        machine.all_goes_on()
    machine.a_fetch_ends(0, 0)
    machine.settle()
    assert machine.instances[0].cache.peek(KEYS[0], NOW) is None
    ended(machine)
