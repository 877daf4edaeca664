from __future__ import annotations

from proxy.store.base import Record
from proxy.store.memory import MemoryStore
from tests.support.build import stored
from tests.support.clock import NOW, ManualClock

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32


def store(max_size: int = 1 << 20, max_object: int | None = None) -> MemoryStore:
    return MemoryStore(max_size=max_size, max_object=max_object, clock=ManualClock())


def test_the_least_recently_used_goes_first() -> None:
    memory = store(max_size=5000)
    for key in (A, B):
        assert memory.place(key, Record(stored(b"x" * 1000, tags=("t",))))
    assert memory.look(A, NOW) is not None
    assert memory.place(C, Record(stored(b"x" * 1000, tags=("t",))))
    assert memory.look(B, NOW) is None
    assert memory.look(A, NOW) is not None
    assert memory.status().evictions == 1
    memory.invalidate_tag("t", (9, 9), soft=False)
    assert memory.status().entries == 0


def test_the_bytes_are_those_of_the_entries() -> None:
    memory = store()
    for size in (0, 1000, 100_000):
        memory.place(A, Record(stored(b"x" * size)))
        counted = memory.status().size_bytes
        assert counted is not None
        assert size < counted < size + 2000
    memory.drop(A)
    assert memory.status().size_bytes == 0


def test_one_too_large_is_not_kept_and_leaves_nothing_old_behind() -> None:
    memory = store(max_object=10)
    assert memory.place(A, Record(stored(b"x" * 10)))
    assert not memory.place(A, Record(stored(b"x" * 11)))
    assert memory.look(A, NOW) is None
    assert not store(max_size=100).place(A, Record(stored(b"")))


def test_a_fact_reaches_only_what_was_born_before_it() -> None:
    memory = store()
    memory.place(A, Record(stored(tags=("t",), born=(5, 0))))
    memory.place(B, Record(stored(tags=("t",), born=(7, 0))))
    memory.place(C, Record(stored(tags=("u",), born=(5, 0))))
    memory.invalidate_tag("t", (7, 0), soft=False)
    assert [memory.look(key, NOW) is None for key in (A, B, C)] == [True, False, False]


def test_a_soft_fact_leaves_it_there() -> None:
    memory = store()
    memory.place(A, Record(stored(tags=("t",), url="/a")))
    memory.invalidate_where(lambda entry: entry.url == "/a", (7, 0), soft=True)
    found = memory.look(A, NOW)
    assert found is not None
    assert found.soft
    memory.place(A, Record(stored(tags=("t",), born=(8, 0))))
    found = memory.look(A, NOW)
    assert found is not None
    assert not found.soft


def test_expired_entries_are_swept() -> None:
    clock = ManualClock()
    memory = MemoryStore(max_size=1 << 20, clock=clock)
    memory.place(A, Record(stored(lifetime=1.0)))
    memory.place(B, Record(stored(lifetime=9.0)))
    clock.advance(1.0)
    assert [listed.key for listed in memory.entries(clock())] == [B]
    assert memory.sweep() == 1
    assert memory.status().entries == 1
