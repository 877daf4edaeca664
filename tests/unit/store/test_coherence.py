from __future__ import annotations

import pytest

from proxy.store.base import LOCAL, RAISE_S, Fact, FactKind, JournalRecord, Record
from proxy.store.coherence import Coherence
from proxy.store.facts import Verdict
from proxy.store.memory import MemoryStore
from tests.support.build import stored
from tests.support.clock import NOW, ManualClock

KEY = b"k" * 32
FACT = Fact(FactKind.TAG, "t")


def online(clock: ManualClock) -> tuple[Coherence, MemoryStore]:
    memory = MemoryStore(max_size=1 << 20)
    coherence = Coherence(memory, shared=True, max_lag=5.0, clock=clock)
    assert coherence.begin((10, 0), (), ())
    coherence.go_online("epoch")
    coherence.touch(clock())
    return coherence, memory


def test_a_record_that_is_not_the_next_is_refused(clock: ManualClock) -> None:
    coherence, _ = online(clock)
    assert coherence.follow(JournalRecord((11, 0), (10, 0), (FACT,)))
    assert not coherence.follow(JournalRecord((13, 0), (12, 0), (FACT,)))
    assert coherence.place == (11, 0)


def test_a_fact_of_our_own_does_not_kill_the_fetch_after_it(clock: ManualClock) -> None:
    coherence, _ = online(clock)
    before = stored(tags=("t",), born=coherence.position)
    coherence.note([FACT], (12, 0))
    after = stored(tags=("t",), born=coherence.position)
    assert coherence.judge(before) is Verdict.DEAD
    assert coherence.judge(after) is Verdict.ALIVE
    assert coherence.proves(after.born)


def test_offline_a_local_fact_kills_all_before_it_and_nothing_after(clock: ManualClock) -> None:
    coherence, memory = online(clock)
    before = stored(tags=("t",), born=coherence.position)
    memory.place(KEY, Record(before))
    coherence.go_offline()
    assert coherence.position == (10, 0)
    position = coherence.note_local([FACT])
    assert position[0] == LOCAL
    assert memory.look(KEY, NOW) is None
    after = stored(tags=("t",), born=coherence.position)
    assert (coherence.judge(before), coherence.judge(after)) == (Verdict.DEAD, Verdict.ALIVE)
    assert coherence.proves(after.born)
    memory.place(KEY, Record(after))
    coherence.go_online("epoch")
    assert memory.look(KEY, NOW) is None
    assert not coherence.proves(after.born)
    coherence.go_offline()
    assert not coherence.proves(after.born)


def test_after_a_loss_nothing_handed_out_before_is_proven(clock: ManualClock) -> None:
    coherence, memory = online(clock)
    born = coherence.position
    memory.place(KEY, Record(stored(born=born)))
    coherence.lose()
    assert memory.look(KEY, NOW) is None
    # The new journal begins earlier: another server's clock is behind.
    assert coherence.begin((10, 5), [JournalRecord((10, 5), (3, 0), ())], ())
    coherence.go_online("another")
    assert not coherence.proves(born)
    assert coherence.proves(coherence.position)


def test_memory_is_trusted_for_max_lag_after_the_last_contact(clock: ManualClock) -> None:
    coherence, _ = online(clock)
    coherence.go_offline()
    clock.advance(5.0)
    assert coherence.trusted()
    clock.advance(0.1)
    assert not coherence.trusted()


def test_alone_memory_is_always_trusted(clock: ManualClock) -> None:
    memory = MemoryStore(max_size=1 << 20)
    coherence = Coherence(memory, shared=False, max_lag=5.0, clock=clock)
    before = stored(tags=("t",), born=coherence.position)
    coherence.note_local([FACT])
    after = stored(tags=("t",), born=coherence.position)
    assert (coherence.judge(before), coherence.judge(after)) == (Verdict.DEAD, Verdict.ALIVE)
    clock.advance(1e9)
    assert coherence.trusted()
    assert coherence.proves(after.born)


def test_what_was_fetched_offline_goes_as_the_place_goes_on(clock: ManualClock) -> None:
    """No real fact reaches it, and the lease is about to say that this one was followed."""
    coherence, memory = online(clock)
    coherence.go_offline()
    coherence.note_local([FACT])
    fetched = stored(tags=("u",), born=coherence.position)
    memory.place(KEY, Record(fetched))
    assert coherence.follow(JournalRecord((11, 0), (10, 0), (Fact(FactKind.TAG, "u"),)))
    assert memory.look(KEY, NOW) is None
    assert not coherence.proves(fetched.born)
    later = stored(tags=("u",), born=coherence.position)
    assert coherence.proves(later.born)
    assert coherence.judge(later) is Verdict.ALIVE


OTHERS = Fact(FactKind.TAG, "u")


@pytest.mark.parametrize(
    ("records", "undisputed"),
    [
        ([(11, FACT)], True),
        ([(11, OTHERS), (12, FACT)], True),
        ([(11, FACT), (12, FACT)], False),
        ([(12, FACT), (13, OTHERS), (14, Fact(FactKind.PREFIX, "/"))], False),
        ([], False),
    ],
)
def test_whether_nobody_else_spoke_of_it(
    clock: ManualClock, records: list[tuple[int, Fact]], undisputed: bool
) -> None:
    """`stated` is where the fact of the one who asks is: the last about the tag but one, or so."""
    coherence, _ = online(clock)
    claim = stored(tags=("t",), born=coherence.position)
    place, own = (10, 0), (12, 0) if len(records) > 1 else (11, 0)
    for number, fact in records:
        assert coherence.follow(JournalRecord((number, 0), place, (fact,)))
        place = (number, 0)
    assert coherence.undisputed(claim, own) is undisputed


def test_what_came_before_its_birth_does_not_count(clock: ManualClock) -> None:
    coherence, _ = online(clock)
    assert coherence.follow(JournalRecord((11, 0), (10, 0), (FACT,)))
    claim = stored(tags=("t",), born=coherence.position)
    assert coherence.follow(JournalRecord((12, 0), (11, 0), (FACT,)))
    assert coherence.undisputed(claim, (12, 0))


def test_of_what_is_not_remembered_nothing_is_sure(clock: ManualClock) -> None:
    """A new place is taken: what was before it is unknown."""
    coherence, _ = online(clock)
    claim = stored(tags=("t",), born=coherence.position)
    assert coherence.begin((20, 0), (), ())
    assert coherence.follow(JournalRecord((21, 0), (20, 0), (FACT,)))
    assert not coherence.undisputed(claim, (21, 0))


def test_without_a_shared_store_its_own_facts_are_all_there_are() -> None:
    memory = MemoryStore(max_size=1 << 20)
    coherence = Coherence(memory, shared=False, max_lag=5.0, clock=lambda: 0.0)
    claim = stored(tags=("t",), born=coherence.position)
    coherence.note_local([OTHERS])
    first = coherence.note_local([FACT])
    assert coherence.undisputed(claim, first)
    coherence.note_local([FACT])
    assert not coherence.undisputed(claim, first)


def test_what_is_forgotten_is_settled_when_its_marks_must_be_raised(clock: ManualClock) -> None:
    memory = MemoryStore(max_size=1 << 20)
    coherence = Coherence(memory, shared=True, max_lag=5.0, clock=clock, max_tags=1)
    assert coherence.begin((10, 0), (), ())
    assert coherence.follow(JournalRecord((11, 0), (10, 0), (FACT,)))
    assert not coherence.has_forgotten_unsettled()
    assert coherence.follow(JournalRecord((12, 0), (11, 0), (OTHERS,)))
    settled = []
    for _ in range(3):
        coherence.touch(clock())
        settled.append(not coherence.has_forgotten_unsettled())
        clock.advance(RAISE_S + 0.1)
    assert settled == [False, True, True]
    assert coherence.begin((11, 0), [JournalRecord((12, 0), (11, 0), (FACT, OTHERS))], ())
    assert coherence.has_forgotten_unsettled()
