"""The model under tests/property/test_coherence*.py: instances, history, and the promise.

Several instances of the real `Cache` and `Follower` over a simulated shared
store (tests/support/sim_shared.py) in which every operation waits at a gate:
whoever drives it chooses who goes on, which operation fails, and what the server
forgets. The check is the promise itself, stated without the protocol's words:
for the invalidating instance at once; for the others once they followed, once
`wait` would return, and at latest after `max_lag`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from itertools import product
from typing import Any

from proxy.errors import StoreError
from proxy.store.base import Fact, Found, is_local
from proxy.store.cache import Cache
from proxy.store.journal import TAIL_S
from proxy.store.memory import MemoryStore
from tests.property.coherence_history import (
    KEYS,
    MAX_LAG,
    Instance,
    Invalidation,
    etag_of,
    speaks_of,
    tags_of,
)
from tests.support.build import stored
from tests.support.clock import NOW, ManualClock
from tests.support.sim_shared import Fate, Gate, SimStore, World


class Model:
    """The model: when each fetch began, and when each invalidation was called and acknowledged."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock(100.0)
        self.world = World(self.clock)
        self.moment = 0
        self.began: dict[bytes, int] = {}
        self.stated: list[Invalidation] = []
        self.served = 0
        self.started = 0
        self.held: list[Gate] = []
        self.instances = [self.launch(), self.launch(), self.launch(small=True)]
        for instance in self.instances:
            self.do_round(instance)
        self.settle()

    # -- machinery

    def launch(self, *, small: bool = False) -> Instance:
        """A newcomer; a `small` one remembers two tags only, so that it forgets facts."""
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
        if small:
            instance.cache._coherence._table._max_tags = 2  # noqa: SLF001  there is no such setting
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

    def open_gate(self, gate: Gate, fate: Fate = Fate.DONE) -> None:
        if gate in self.held:
            self.held.remove(gate)
        if not gate.future.done():
            gate.future.set_result(fate)
        self.spin()

    def moving(self, instance: Instance | None = None) -> list[Gate]:
        """The operations, of one instance or all, that nobody holds."""
        return [
            gate
            for gate in self.world.gates
            if gate not in self.held and (instance is None or gate.instance == instance.name)
        ]

    def settle(self) -> None:
        """Let everything go on that is not held."""
        for _ in range(400):
            gates = self.moving()
            if not gates:
                return
            self.open_gate(gates[0])

    def hold(
        self, instance: Instance, op: str, *, after: int = 0, late: bool = False
    ) -> Gate | None:
        """Let an instance go on `after` some such `op`s and hold the next (`late`: its answer)."""
        for _ in range(40):
            gates = self.moving(instance)
            wanted = next((gate for gate in gates if gate.op == op), None)
            if wanted is not None and after:
                after -= 1
                self.open_gate(wanted)
                continue
            if wanted is not None and late:
                self.open_gate(wanted, Fate.LATE)
                wanted = next((g for g in self.moving(instance) if g.op == f"{op} answer"), None)
            if wanted is not None:
                self.held.append(wanted)
                return wanted
            if not gates:
                return None
            self.open_gate(gates[0])
        return None

    def let_go(self, fate: Fate = Fate.DONE) -> None:
        """Open what is held, the first with this fate."""
        while self.held:
            self.open_gate(self.held[0], fate)
            fate = Fate.DONE

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

    def fetch_begins(self, i: int, k: int) -> None:
        instance = self.instances[i]
        instance.fetches.append((k, self.tick(), instance.cache.position))

    def fetch_ends(self, i: int, which: int) -> None:
        """The answer is kept: in memory at once, behind it in the shared store."""
        instance = self.instances[i]
        if not instance.fetches:
            return
        key, began, born = instance.fetches.pop(which % len(instance.fetches))
        body = b"%d" % began
        entry = stored(
            body,
            fields={"ETag": f'"{etag_of(began)}"'},
            tags=tags_of(key),
            born=born,
            url=f"/{key}",
            lifetime=1e6,
        )
        self.began[body] = began

        async def keep() -> None:
            instance.cache.keep(KEYS[key], entry, NOW)

        self.begin(instance, keep())

    def look_up(self, i: int, k: int) -> None:
        instance, asked = self.instances[i], self.tick()
        now = self.clock()

        async def find() -> None:
            found = await instance.cache.find(KEYS[k], NOW)
            if isinstance(found, Found):
                self.check(instance, k, found, asked, now)

        self.begin(instance, find())

    def invalidate(self, i: int, fact: Fact) -> None:
        instance = self.instances[i]
        stated = Invalidation(fact, instance, self.tick())
        self.stated.append(stated)

        async def invalidate() -> None:
            stated.position = await instance.cache.invalidate([fact])
            stated.epoch = instance.store.epoch
            stated.acknowledged = self.tick()
            stated.at = self.clock()

        self.begin(instance, invalidate())

    def all_go_on(self) -> None:
        """A round of everyone, to its end."""
        for instance in self.instances:
            self.do_round(instance)
        self.settle()

    def fetch_and_write(self, i: int, k: int) -> None:
        self.fetch_begins(i, k)
        self.fetch_ends(i, len(self.instances[i].fetches) - 1)
        self.settle()

    def state(self, i: int, fact: Fact) -> None:
        """An invalidation, from end to end."""
        self.invalidate(i, fact)
        self.settle()

    def ask_wait(self) -> None:
        """Note which invalidations `wait` would call everywhere by now."""
        for stated in self.stated:
            if stated.position is None or is_local(stated.position) or stated.everywhere:
                continue
            if stated.acknowledged is not None and stated.epoch == self.world.data.epoch:
                stated.everywhere = not self.world.behind(stated.epoch, stated.position)

    def restart(self, i: int) -> None:
        """The next process takes over what waits: it is on the disk when `invalidate` returns."""
        self.stop(self.instances[i])
        before = self.instances[i].cache._far  # noqa: SLF001  as its file
        self.instances[i] = self.launch(small=i == 2)
        after = self.instances[i].cache._far  # noqa: SLF001
        if before is not None and after is not None:
            after.follower.pending.add(before.follower.pending.snapshot())

    def forget(self, i: int) -> None:
        """Its memory is full of other things."""
        self.instances[i].cache._memory.clear()  # noqa: SLF001  as an eviction would

    def join_anew(self, i: int) -> None:
        self.restart(i)
        self.do_round(self.instances[i])
        self.settle()

    def stop(self, instance: Instance) -> None:
        self.held = [gate for gate in self.held if gate.instance != instance.name]

        async def end() -> None:
            for task in instance.tasks:
                task.cancel()
            await asyncio.gather(*instance.tasks, return_exceptions=True)

        self.loop.run_until_complete(end())

    # -- the promise

    def memory_is_coherent(self) -> None:
        for instance in self.instances:
            for number, key in enumerate(KEYS):
                found = instance.cache.peek(key, NOW)
                if found is not None:
                    self.check(instance, number, found, self.moment, self.clock())

    def nothing_failed_unseen(self) -> None:
        for instance in self.instances:
            for task in instance.tasks:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    raise AssertionError(task.get_name()) from task.exception()

    def check(self, instance: Instance, key: int, found: Found, asked: int, now: float) -> None:
        self.served += 1
        began = self.began[found.entry.body]  # type: ignore[union-attr]  # answers only
        for stated in self.stated:
            spared = stated.fact.unless == etag_of(began)
            about = speaks_of(stated.fact, key) and began < stated.called and not spared
            if about and stated.acknowledged is not None and stated.acknowledged <= asked:
                assert not stated.holds_for(instance, now), (stated, instance.name, found)

    def finish(self) -> None:
        """When all is well again, every invalidation holds everywhere, whoever lived."""
        self.world.cut_off.clear()
        self.let_go()
        self.clock.advance(TAIL_S + 1.0)  # what is trimmed and never raised keeps nobody out
        for _ in range(6):
            self.all_go_on()
        for stated in self.stated:
            stated.everywhere = stated.acknowledged is not None
        for i, k in product(range(3), range(len(KEYS))):
            self.look_up(i, k)
        self.settle()
        self.memory_is_coherent()
        self.nothing_failed_unseen()
        for instance in self.instances:
            assert instance.cache.status().online, "every instance finds its way back"
            self.stop(instance)
        self.loop.close()
