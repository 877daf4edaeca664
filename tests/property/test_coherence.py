"""No answer whose fetch began before an acknowledged invalidation is served after it.

The model of coherence_model.py, driven by hypothesis. Free steps alone hardly
ever meet a race, so most steps are races: one instance is held in the middle of
something, other things happen, and it goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proxy.store.base import Fact
from tests.property import coherence_events as events
from tests.property.coherence_events import BLOWS, THEN, Event
from tests.property.coherence_history import FACTS, KEYS, SPARING
from tests.property.coherence_model import Model
from tests.support.sim_shared import Fate

instances = st.integers(0, 2)
keys = st.sampled_from([0, 0, 0, *range(len(KEYS))])
facts = st.sampled_from([FACTS[0], FACTS[0], SPARING, *FACTS[:4]])
fates = st.sampled_from([Fate.DONE] * 8 + [Fate.REFUSED, Fate.ANSWER_LOST])

SEVERAL: Final = ("marks", "reach", "read")
"""Operations that come one after the other: one for each tag, or for some records."""


def some(kinds: tuple[Event, ...], at_most: int) -> st.SearchStrategy[list[tuple[Event, int]]]:
    return st.lists(st.tuples(st.sampled_from(kinds), instances), max_size=at_most)


happenings = st.tuples(
    some(THEN, 1), st.tuples(st.sampled_from(BLOWS), instances), some(THEN, 3)
).map(lambda parts: [*parts[0], parts[1], *parts[2]])


@dataclass(frozen=True)
class Race:
    """`i` is held at `op` (`late`: its answer) while things happen; `by` wrote the answer.

    If it is `aged`, facts came after it, and `i` has to ask its marks.
    """

    i: int
    by: int
    op: str
    after: int
    late: bool
    aged: bool
    happens: list[tuple[Event, int]]
    fate: Fate


def races(*ops: str) -> st.SearchStrategy[Race]:
    return st.builds(
        Race,
        i=instances,
        by=instances,
        op=st.sampled_from(ops),
        after=st.integers(0, 2),
        late=st.booleans(),
        aged=st.booleans(),
        happens=happenings,
        fate=fates,
    )


class Coherence(RuleBasedStateMachine):
    """The rules; the last instance forgets facts early."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    @invariant()
    def nothing_dead_is_in_memory(self) -> None:
        self.model.memory_is_coherent()

    @invariant()
    def nothing_failed_unseen(self) -> None:
        self.model.nothing_failed_unseen()

    def teardown(self) -> None:
        self.model.finish()

    def beginning(self, i: int, by: int, *, aged: bool) -> None:
        """All is well and an answer is shared, of which `i` has nothing in memory."""
        model = self.model
        model.let_go()
        model.world.cut_off.clear()
        for _ in range(3):
            model.all_go_on()
        events.write(model, by)
        if aged:
            events.others(model, by)
            model.join_anew(i)
            events.everyone(model, i)
        model.forget(i)

    def run(self, race: Race, begin: Callable[[], None]) -> None:
        """One is held in the middle of something, other things happen, it goes on, all look up."""
        model = self.model
        self.beginning(race.i, race.by, aged=race.aged)
        begin()
        after = race.after if race.op in SEVERAL else 0
        model.hold(model.instances[race.i], race.op, after=after, late=race.late)
        self.happen(race.happens)
        model.let_go(race.fate)
        model.settle()
        self.all_look_up()

    def happen(self, happens: list[tuple[Event, int]]) -> None:
        for event, by in happens:
            event(self.model, by)
            self.model.memory_is_coherent()

    def all_look_up(self) -> None:
        for i in range(3):
            events.look_up(self.model, i)
        self.model.memory_is_coherent()

    @rule(race=races("get", "marks"))
    def a_look_up_is_overtaken(self, race: Race) -> None:
        self.run(race, lambda: self.model.look_up(race.i, 0))

    @rule(race=races("reach", "end", "put"), k=keys)
    def a_write_is_overtaken(self, race: Race, k: int) -> None:
        def begin() -> None:
            self.model.fetch_begins(race.i, k)
            self.model.fetch_ends(race.i, -1)

        self.run(race, begin)

    @rule(race=races("append", "confirm"), fact=facts, cut=st.booleans())
    def an_invalidation_is_overtaken(self, race: Race, fact: Fact, cut: bool) -> None:
        """Half-way it may be cut off: appended and not confirmed, or confirmed and not told."""

        def begin() -> None:
            events.look_up(self.model, race.i)
            self.model.invalidate(race.i, fact)

        if cut:
            race.happens.append((events.cut_off, race.i))
        self.run(race, begin)

    @rule(race=races("open", "beat", "read", "tail", "wide", "append"), anew=st.booleans())
    def a_round_is_overtaken(self, race: Race, anew: bool) -> None:
        def begin() -> None:
            if anew:
                self.model.restart(race.i)
            else:
                events.look_up(self.model, race.i)
            self.model.do_round(self.model.instances[race.i])

        self.run(race, begin)

    @rule(i=instances, by=instances, aged=st.booleans(), happens=happenings, known=st.booleans())
    def a_fetch_is_overtaken(
        self, i: int, by: int, aged: bool, happens: list[tuple[Event, int]], known: bool
    ) -> None:
        """Its answer comes when all has happened; it is kept, or it is not."""
        self.beginning(i, by, aged=aged)
        self.model.fetch_begins(i, 0)
        if known:
            events.look_up(self.model, i)
        self.happen(happens)
        self.model.fetch_ends(i, -1)
        self.model.settle()
        self.all_look_up()

    @rule(i=instances, k=keys, fact=facts, order=st.randoms(use_true_random=False))
    def all_at_once(self, i: int, k: int, fact: Fact, order: Random) -> None:
        """Everything begins, and goes on in any order."""
        self.model.fetch_begins(i, k)
        for j in range(3):
            self.model.do_round(self.model.instances[j])
            self.model.look_up(j, k)
        self.model.invalidate((i + 1) % 3, fact)
        self.model.fetch_ends(i, -1)
        for _ in range(30):
            if self.model.world.gates:
                self.model.open_gate(order.choice(self.model.world.gates))
                self.model.memory_is_coherent()


Coherence.TestCase.settings = settings(
    settings.get_profile("larder"), max_examples=200, stateful_step_count=10
)


TestCoherence = pytest.mark.slow(pytest.mark.timeout(90)(Coherence.TestCase))
