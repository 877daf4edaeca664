"""Races of facts that spare an ETag (docs/coherence.md): each a script for the model."""

from __future__ import annotations

import pytest

from proxy.store.base import Fact, FactKind
from tests.property.coherence_history import FACTS, KEYS, SPARING, etag_of
from tests.property.coherence_model import Model
from tests.support.clock import NOW
from tests.support.sim_shared import Fate

OTHER = Fact(FactKind.TAG, "t0", unless="e1")


def begin(machine: Model, number: int, etag: str) -> None:
    """A fetch that reads the state of this ETag."""
    while etag_of(machine.moment + 1) != etag:
        machine.tick()
    machine.fetch_begins(number, 0)


def play(etag: str) -> Model:
    """An answer with this ETag is shared."""
    machine = Model()
    begin(machine, 0, etag)
    machine.fetch_ends(0, 0)
    machine.settle()
    assert KEYS[0] in machine.world.data.entries
    return machine


def serves(machine: Model, number: int) -> bool:
    served = machine.served
    machine.look_up(number, 0)
    machine.settle()
    return machine.served > served


def ended(machine: Model) -> None:
    machine.memory_is_coherent()
    machine.finish()


@pytest.mark.parametrize(("etag", "alive"), [("e0", True), ("e1", False)])
def test_a_newcomer_judges_by_the_mark(etag: str, alive: bool) -> None:
    """1. E is shared.  2. A fact spares e0.  3. The journal moves on.  4. A newcomer reads E."""
    machine = play(etag)
    machine.state(1, SPARING)
    machine.all_go_on()
    machine.state(1, FACTS[1])
    machine.join_anew(2)
    assert serves(machine, 2) is alive
    ended(machine)


@pytest.mark.parametrize(("etag", "alive"), [("e0", True), ("e1", False)])
def test_those_who_follow_judge_their_memory(etag: str, alive: bool) -> None:
    machine = play(etag)
    assert serves(machine, 2)
    machine.state(1, SPARING)
    machine.all_go_on()
    assert (machine.instances[2].cache.peek(KEYS[0], NOW) is not None) is alive
    assert (machine.instances[1].cache.peek(KEYS[0], NOW) is None) or alive
    ended(machine)


@pytest.mark.parametrize(("etag", "kept"), [("e0", True), ("e1", False)])
def test_a_fetch_is_overtaken(etag: str, kept: bool) -> None:
    """1. A fetch reads its state.  2. The fact.  3. The fetch ends: kept, if it read the newer."""
    machine = Model()
    begin(machine, 0, etag)
    machine.state(1, SPARING)
    machine.all_go_on()
    machine.fetch_ends(0, 0)
    machine.settle()
    assert (KEYS[0] in machine.world.data.entries) is kept
    ended(machine)


def test_two_facts_are_confirmed_in_the_other_order() -> None:
    """1. E (e1). 2. P1 spares e0, is held before its mark. 3. P2 spares e1, in full. 4. P1 goes on.

    P2 spares E, but P1 killed it: the mark has to tell both.
    """
    machine = play("e1")
    machine.invalidate(1, SPARING)
    machine.hold(machine.instances[1], "confirm")
    machine.state(0, OTHER)
    machine.let_go()
    machine.settle()
    machine.all_go_on()
    machine.state(1, FACTS[1])
    machine.join_anew(2)
    assert not serves(machine, 2)
    ended(machine)


def test_a_mark_made_anew_spares_nobody() -> None:
    """1. E (e0).  2. A fact spares it.  3. The mark is evicted, and made anew.  4. E is read."""
    machine = play("e0")
    machine.state(1, SPARING)
    machine.all_go_on()
    machine.world.data.marks.pop("t0")
    machine.fetch_and_write(0, 1)
    machine.state(1, FACTS[1])
    machine.join_anew(2)
    assert not serves(machine, 2)
    ended(machine)


def test_a_fact_that_waited_spares_the_same_once_it_is_appended() -> None:
    """1. E (e1) is shared.  2. One is cut off and states the fact.  3. It is back."""
    machine = play("e1")
    machine.world.cut_off.add(machine.instances[1].name)
    machine.do_round(machine.instances[1])
    machine.settle()
    machine.invalidate(1, SPARING)
    machine.let_go(Fate.DONE)
    machine.settle()
    machine.world.cut_off.clear()
    for _ in range(3):
        machine.all_go_on()
    machine.join_anew(2)
    assert not serves(machine, 2)
    ended(machine)
