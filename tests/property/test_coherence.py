"""No answer whose fetch began before an acknowledged invalidation is served after it.

The model of coherence_model.py, driven by hypothesis. Free steps alone hardly
ever meet a race, so most steps are races: one instance is held in the middle of
something, other things happen, and it goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.store.base import Fact
from tests.property.coherence_model import FACTS, KEYS, Model
from tests.support.sim_shared import Fate

instances = st.integers(0, 2)
keys = st.sampled_from([0, 0, 0, *range(len(KEYS))])
facts = st.sampled_from([FACTS[0], FACTS[0], *FACTS])
fates = st.sampled_from([Fate.DONE] * 8 + [Fate.REFUSED, Fate.ANSWER_LOST])

DOINGS: Final = {
    "look-up": ("get", "marks"),
    "write": ("reach", "end", "put"),
    "invalidation": ("append", "confirm"),
    "round": ("beat", "read"),
    "join": ("open", "beat", "read", "tail", "wide"),
}
"""What an instance can be held in, and at which operations."""
doings = st.sampled_from([(doing, op) for doing, ops in DOINGS.items() for op in ops])


def _write(model: Model, i: int) -> None:
    model.fetch_and_write(i, 0)


def _look_up(model: Model, i: int) -> None:
    model.look_up(i, 0)
    model.settle()


def _round(model: Model, i: int) -> None:
    model.do_round(model.instances[i])
    model.settle()


def _state(model: Model, i: int) -> None:
    model.state(i, FACTS[0])


def _prefix(model: Model, i: int) -> None:
    model.state(i, FACTS[3])


def _others(model: Model, i: int) -> None:
    """Facts about nothing stored: more than the small table of the last instance holds."""
    for _ in range(2):
        model.state(i, FACTS[1])
    model.state(i, FACTS[4])


def _fetch_begins(model: Model, i: int) -> None:
    model.fetch_begins(i, 0)


def _fetch_ends(model: Model, i: int) -> None:
    model.fetch_ends(i, 0)
    model.settle()


def _newcomer_looks_up(model: Model, i: int) -> None:
    model.join_anew(i)
    _look_up(model, i)


def _marks_are_evicted(model: Model, _i: int) -> None:
    model.world.data.marks.clear()


def _one_mark_is_evicted(model: Model, _i: int) -> None:
    model.world.data.marks.pop("t0", None)


def _trimmed(model: Model, _i: int) -> None:
    del model.world.data.journal[:-1]


def _snapshot(model: Model, _i: int) -> None:
    model.world.save()


def _crash(model: Model, _i: int) -> None:
    model.world.crash()


def _flush(model: Model, _i: int) -> None:
    model.world.flush()


def _cut_off(model: Model, i: int) -> None:
    model.world.cut_off.add(model.instances[i].name)


def _healed(model: Model, _i: int) -> None:
    model.world.cut_off.clear()


def _a_while(model: Model, _i: int) -> None:
    model.clock.advance(2.5)


def _longer_than_max_lag(model: Model, _i: int) -> None:
    model.clock.advance(6.0)


def _everyone(model: Model, _i: int) -> None:
    model.all_go_on()
    model.all_go_on()


def _wait(model: Model, _i: int) -> None:
    model.ask_wait()


Event = Callable[[Model, int], None]
OFTEN: Final[tuple[Event, ...]] = (_state, _round, _everyone, _write, _look_up)
EVENTS: Final[tuple[Event, ...]] = (
    *(OFTEN * 2),
    *(_prefix, _others, _fetch_begins, _fetch_ends, _newcomer_looks_up, _marks_are_evicted),
    *(_one_mark_is_evicted, _trimmed, _snapshot, _crash, _flush, _cut_off, _healed, _a_while),
    *(_longer_than_max_lag, _wait),
)
events = st.lists(st.tuples(st.sampled_from(EVENTS), instances), min_size=1, max_size=4)


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

    def begin_doing(self, i: int, doing: str) -> None:
        match doing:
            case "look-up":
                self.model.look_up(i, 0)
            case "write":
                self.model.fetch_begins(i, 0)
                self.model.fetch_ends(i, -1)
            case "invalidation":
                self.model.invalidate(i, FACTS[0])
            case "join":
                self.model.restart(i)
                self.model.do_round(self.model.instances[i])
            case _:
                self.model.do_round(self.model.instances[i])

    @rule(i=instances, doing=doings, late=st.booleans(), happens=events, fate=fates)
    def a_race(
        self,
        i: int,
        doing: tuple[str, str],
        late: bool,
        happens: list[tuple[Event, int]],
        fate: Fate,
    ) -> None:
        """One is held in the middle of something, other things happen, it goes on, all look up."""
        what, op = doing
        self.begin_doing(i, what)
        self.model.hold(self.model.instances[i], op, late=late)
        for event, by in happens:
            event(self.model, by)
            self.model.memory_is_coherent()
        self.model.let_go(fate)
        self.model.settle()

    @rule(first=instances, second=instances, happens=events, lookers=st.booleans())
    def a_story(
        self, first: int, second: int, happens: list[tuple[Event, int]], lookers: bool
    ) -> None:
        """An answer is written, things happen, everyone looks it up."""
        _write(self.model, first)
        _look_up(self.model, second)
        for event, by in happens:
            event(self.model, by)
            self.model.memory_is_coherent()
        if lookers:
            for i in range(3):
                _look_up(self.model, i)

    @rule(i=instances, cut=st.booleans(), happens=events)
    def a_partition(self, i: int, cut: bool, happens: list[tuple[Event, int]]) -> None:
        """One is cut off (or its invalidation is, half-way), things happen, it comes back."""
        if cut:
            _cut_off(self.model, i)
        else:
            self.model.invalidate(i, FACTS[0])
            self.model.hold(self.model.instances[i], "confirm")
            _cut_off(self.model, i)
            self.model.let_go()
            self.model.settle()
        for event, by in happens:
            event(self.model, by)
            self.model.memory_is_coherent()
        _healed(self.model, i)

    @precondition(lambda self: self.model.world.gates)
    @rule(number=st.integers(0, 30), fate=fates)
    def one_operation_goes_on(self, number: int, fate: Fate) -> None:
        self.model.open_gate(self.model.world.gates[number % len(self.model.world.gates)], fate)

    @rule(i=instances, k=keys, fact=facts)
    def all_at_once(self, i: int, k: int, fact: Fact) -> None:
        """Everything begins, nothing ends."""
        for j in range(3):
            self.model.do_round(self.model.instances[j])
            self.model.look_up(j, k)
        self.model.fetch_begins(i, k)
        self.model.invalidate((i + 1) % 3, fact)
        self.model.fetch_ends(i, -1)

    @rule()
    def all_is_well(self) -> None:
        self.model.world.cut_off.clear()
        for _ in range(4):
            self.model.all_go_on()


Coherence.TestCase.settings = settings(
    settings.get_profile("larder"), max_examples=100, stateful_step_count=25
)
TestCoherence = Coherence.TestCase
