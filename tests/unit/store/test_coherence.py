from __future__ import annotations

from proxy.store.base import LOCAL, Fact, FactKind, JournalRecord, Record
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
