"""The races of docs/coherence.md, played out: each is a script for the model."""

from __future__ import annotations

from proxy.store.base import Fact, FactKind, is_local
from tests.property.coherence_history import FACTS, KEYS
from tests.property.coherence_model import Model
from tests.support.clock import NOW


def play() -> Model:
    machine = Model()
    machine.fetch_and_write(0, 0)
    assert KEYS[0] in machine.world.data.entries
    return machine


def newcomer_looks_up(machine: Model, number: int, key: int) -> None:
    machine.join_anew(number)
    machine.look_up(number, key)
    machine.settle()


def ended(machine: Model) -> None:
    machine.memory_is_coherent()
    machine.finish()


def test_a_newcomer_is_served_what_its_marks_prove() -> None:
    machine = play()
    machine.state(1, FACTS[1])
    newcomer_looks_up(machine, 2, 0)
    assert machine.served > 0
    assert machine.instances[2].cache.peek(KEYS[0], NOW) is not None
    ended(machine)


def test_a_mark_made_anew_revives_nothing() -> None:
    machine = play()
    machine.state(1, Fact(FactKind.TAG, "t0"))
    machine.all_go_on()
    machine.world.data.marks.pop("t0", None)
    machine.fetch_and_write(0, 1)
    newcomer_looks_up(machine, 2, 0)
    assert machine.served == 0
    machine.look_up(2, 1)
    machine.settle()
    assert machine.served > 0
    ended(machine)


def test_a_writer_that_lags_does_not_hide_a_fact_whose_mark_was_evicted() -> None:
    machine = play()
    machine.fetch_begins(0, 1)
    machine.state(1, Fact(FactKind.TAG, "t0"))
    machine.world.data.marks.clear()
    machine.fetch_ends(0, 0)
    machine.settle()
    newcomer_looks_up(machine, 2, 1)
    assert KEYS[1] not in machine.world.data.entries
    ended(machine)


def test_a_fact_that_arrives_while_marks_are_read_keeps_the_entry_out_of_memory() -> None:
    machine = play()
    machine.state(1, FACTS[1])
    machine.join_anew(2)
    machine.look_up(2, 0)
    machine.hold(machine.instances[2], "marks", late=True)
    machine.state(1, Fact(FactKind.TAG, "t0"))
    machine.do_round(machine.instances[2])
    machine.settle()
    machine.let_go()
    machine.settle()
    assert machine.served == 0
    assert machine.instances[2].cache.peek(KEYS[0], NOW) is None
    ended(machine)


def test_a_snapshot_from_before_an_invalidation_revives_nothing() -> None:
    machine = play()
    machine.world.save()
    machine.state(1, Fact(FactKind.TAG, "t0"))
    machine.world.crash()
    newcomer_looks_up(machine, 2, 0)
    assert machine.served == 0
    ended(machine)


def test_a_prefix_stated_long_ago_holds_for_a_newcomer() -> None:
    machine = play()
    machine.state(1, Fact(FactKind.PREFIX, "/0"))
    del machine.world.data.journal[:-1]
    newcomer_looks_up(machine, 2, 0)
    assert machine.served == 0
    ended(machine)


def test_a_trimmed_journal_is_noticed() -> None:
    machine = play()
    machine.all_go_on()
    machine.state(1, Fact(FactKind.TAG, "t0"))
    machine.state(1, Fact(FactKind.TAG, "k1"))
    del machine.world.data.journal[:-1]
    machine.do_round(machine.instances[0])
    machine.settle()
    assert machine.instances[0].cache.peek(KEYS[0], NOW) is None
    ended(machine)


def test_memory_is_not_believed_longer_than_max_lag_without_contact() -> None:
    machine = play()
    machine.all_go_on()
    assert machine.instances[0].cache.peek(KEYS[0], NOW) is not None
    machine.world.cut_off.add(machine.instances[0].name)
    machine.state(1, Fact(FactKind.TAG, "t0"))
    machine.clock.advance(6.0)
    ended(machine)


def test_what_waits_when_a_process_ends_reaches_the_others_with_the_next() -> None:
    """1. One is cut off.  2. It states `t0`.  3. Its process ends; another begins, in reach."""
    machine = play()
    machine.look_up(1, 0)
    machine.all_go_on()
    assert machine.instances[1].cache.peek(KEYS[0], NOW) is not None
    machine.world.cut_off.add(machine.instances[2].name)
    machine.do_round(machine.instances[2])
    machine.settle()
    machine.state(2, Fact(FactKind.TAG, "t0"))
    machine.world.cut_off.clear()
    machine.join_anew(2)
    machine.all_go_on()
    assert machine.instances[1].cache.peek(KEYS[0], NOW) is None
    newcomer_looks_up(machine, 2, 0)
    ended(machine)


def test_a_fetch_from_before_a_loss_is_not_kept() -> None:
    machine = play()
    machine.fetch_begins(0, 0)
    machine.state(1, Fact(FactKind.TAG, "t0"))
    machine.world.flush()
    machine.clock.advance(6.0)
    for _ in range(3):
        machine.all_go_on()
    machine.fetch_ends(0, 0)
    machine.settle()
    assert machine.instances[0].cache.peek(KEYS[0], NOW) is None
    ended(machine)


def held_between_journal_and_mark() -> Model:
    """`t0` is appended by 1 and followed by nobody; its mark is not raised; facts came after it."""
    machine = play()
    machine.invalidate(1, Fact(FactKind.TAG, "t0"))
    assert machine.hold(machine.instances[1], "confirm")
    machine.state(0, FACTS[1])
    return machine


def goes_on(machine: Model) -> None:
    machine.let_go()
    machine.settle()
    ended(machine)


def test_a_newcomer_that_could_have_missed_a_trimmed_fact_does_not_join() -> None:
    """1. `t0` is appended.  2. It is trimmed.  3. One joins, looks up.  4. Its mark is raised."""
    machine = held_between_journal_and_mark()
    del machine.world.data.journal[:-1]
    newcomer_looks_up(machine, 2, 0)
    assert machine.served == 0
    assert not machine.instances[2].cache.status().online
    goes_on(machine)


def test_marks_raised_too_late_are_not_acknowledged() -> None:
    """1. `t0` is appended.  2. A pause, longer than a tail.  3. One joins and looks up.  4. On."""
    machine = held_between_journal_and_mark()
    machine.clock.advance(61.0)
    newcomer_looks_up(machine, 2, 0)
    assert machine.instances[2].cache.peek(KEYS[0], NOW) is not None
    goes_on(machine)
    (stated, _) = machine.stated
    assert stated.position is not None
    assert is_local(stated.position), "it was appended anew"


def test_what_is_forgotten_before_its_mark_is_raised_is_not_revived_by_it() -> None:
    """1. `t0` is followed by one whose table is small.  2. It follows others.  3. It looks up."""
    machine = held_between_journal_and_mark()
    for fact in FACTS[4:]:
        machine.state(0, fact)
    for _ in range(2):
        machine.all_go_on()
    machine.look_up(2, 0)
    machine.settle()
    assert machine.served == 0
    goes_on(machine)


def test_what_was_forgotten_long_ago_is_in_the_marks() -> None:
    machine = play()
    for fact in (FACTS[1], *FACTS[4:]):
        machine.state(0, fact)
    for _ in range(3):
        machine.clock.advance(11.0)
        machine.all_go_on()
    machine.look_up(2, 0)
    machine.settle()
    assert machine.instances[2].cache.peek(KEYS[0], NOW) is not None
    ended(machine)
