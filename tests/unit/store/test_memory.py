from __future__ import annotations

from collections.abc import Callable

import pytest

from proxy.store.base import Record
from proxy.store.memory import MemoryStore
from proxy.store.tag_index import FEW
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


@pytest.mark.parametrize("soft", [True, False])
def test_a_fact_about_what_most_entries_carry_reaches_all_of_them(soft: bool) -> None:
    memory = store(max_size=1 << 30)
    for number in range(FEW + 2):
        memory.place(b"%d" % number, Record(stored(tags=("*", "t"), born=(5, 0))))
    memory.place(A, Record(stored(tags=("*", "u"), born=(5, 0))))
    memory.place(B, Record(stored(tags=("*", "t"), born=(7, 0))))
    memory.invalidate_tag("t", (7, 0), soft=soft)
    while memory.reclaim():
        pass
    found = [memory.look(b"%d" % number, NOW) for number in range(FEW + 2)]
    assert {one and one.soft for one in found} == {True if soft else None}
    assert [one is not None and one.soft for one in map(memory.standing, (A, B))] == [False, False]
    assert [memory.look(key, NOW) is not None for key in (A, B)] == [True, True]


@pytest.mark.parametrize(
    ("lifetime", "there", "gone"), [(1.75, NOW + 1.5, NOW + 1.75), (0.5, NOW + 0.25, NOW + 0.5)]
)
def test_it_expires_at_its_moment_within_a_second(
    lifetime: float, there: float, gone: float
) -> None:
    memory = store()
    memory.place(A, Record(stored(lifetime=lifetime)))
    assert memory.look(A, there) is not None
    assert memory.look(A, gone) is None


def test_one_that_never_expires_is_there() -> None:
    memory = store()
    memory.place(A, Record(stored(lifetime=float("inf"))))
    assert memory.look(A, NOW * 2) is not None


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


MANY = 3000


def full() -> MemoryStore:
    """More than is reached at once: half under `t` at /t/, half under `u` at /u/."""
    memory = MemoryStore(max_size=1 << 30, clock=ManualClock())
    for number in range(MANY):
        name = "tu"[number % 2]
        entry = stored(b"", tags=("*", name), url=f"/{name}/{number}", born=(5, 0))
        memory.place(number.to_bytes(32, "big"), Record(entry))
    return memory


def at(number: int) -> bytes:
    return number.to_bytes(32, "big")


def by_tag(memory: MemoryStore, value: str, *, soft: bool = False) -> None:
    memory.invalidate_tag(value, (7, 0), soft=soft)


def by_prefix(memory: MemoryStore, value: str, *, soft: bool = False) -> None:
    memory.invalidate_where(lambda entry: entry.url.startswith(value), (7, 0), soft=soft)


WIDE = [
    pytest.param(by_tag, "*", [True, True], id="everything"),
    pytest.param(by_tag, "t", [True, False], id="a tag of many"),
    pytest.param(by_prefix, "/t/", [True, False], id="a prefix"),
    pytest.param(by_prefix, "/none", [False, False], id="a prefix of nothing"),
]


@pytest.mark.parametrize(("invalidate", "value", "dead"), WIDE)
def test_what_is_dead_is_not_found_however_many_are_still_to_be_removed(
    invalidate: Callable[[MemoryStore, str], None], value: str, dead: list[bool]
) -> None:
    """A hit after the purge is wrong, also before its entries are reclaimed."""
    memory = full()
    invalidate(memory, value)
    listed = {found.key for found in memory.entries(NOW)}
    assert [at(number) not in listed for number in (MANY - 2, MANY - 1)] == dead
    assert [memory.look(at(number), NOW) is None for number in (MANY - 2, MANY - 1)] == dead
    while memory.reclaim():
        pass
    left = MANY * (2 - sum(dead)) // 2
    assert memory.status().entries == left
    assert [memory.look(at(number), NOW) is None for number in (0, 1)] == dead


@pytest.mark.parametrize(("invalidate", "value"), [(by_tag, "t"), (by_prefix, "/")])
def test_a_slice_is_a_small_part_of_many(
    invalidate: Callable[[MemoryStore, str], None], value: str
) -> None:
    """One purge of a large memory may not hold the loop: it touches some hundred entries a turn."""
    memory = full()
    invalidate(memory, value)
    before = memory.status().entries
    assert before is not None
    assert before > MANY - 1000
    memory.reclaim()
    after = memory.status().entries
    assert after is not None
    assert 0 < before - after <= 1000


def test_a_burst_of_wide_purges_does_not_burden_every_look_up() -> None:
    memory = full()
    for number in range(40):
        by_prefix(memory, f"/t/{number}")
    assert len(memory._sweepings) <= 32  # noqa: SLF001  what each hit has to ask
    while memory.reclaim():
        pass
    assert memory.look(at(8), NOW) is None
    assert memory.look(at(9), NOW) is not None


def test_softly_invalidated_many_are_stale_at_once_and_stay() -> None:
    memory = full()
    by_tag(memory, "t", soft=True)
    found, spared = memory.look(at(MANY - 2), NOW), memory.look(at(MANY - 1), NOW)
    assert found is not None
    assert spared is not None
    assert (found.soft, spared.soft) == (True, False)
    while memory.reclaim():
        pass
    found = memory.look(at(0), NOW)
    assert found is not None
    assert found.soft
    assert memory.status().entries == MANY


def test_what_was_fetched_after_a_purge_of_many_outlives_its_reclaiming() -> None:
    memory = full()
    by_tag(memory, "*")
    memory.place(at(7), Record(stored(b"new", tags=("*", "u"), born=(7, 0))))
    while memory.reclaim():
        pass
    assert memory.look(at(7), NOW) is not None
    assert memory.status().entries == 1


def test_a_memory_that_is_cleared_while_it_is_reclaimed_is_empty() -> None:
    memory = full()
    by_tag(memory, "*")
    memory.clear()
    assert (memory.status().entries, memory.status().size_bytes) == (0, 0)
    assert memory.place(A, Record(stored()))
    while memory.reclaim():
        pass
    assert memory.status().entries == 1


def test_a_slot_stands_while_no_more_than_a_look_is_needed() -> None:
    memory = full()
    slot = memory.standing(at(0))
    assert slot is not None
    assert slot.entry.tags == ("*", "t")
    assert memory.standing(b"none") is None
    by_tag(memory, "t", soft=True)
    assert memory.standing(at(MANY - 1)) is None  # it is spared, but that has to be asked
    while memory.reclaim():
        pass
    assert memory.standing(at(0)) is None  # it is stale: what that means is not asked here
    assert memory.standing(at(MANY - 1)) is not None


def test_what_was_touched_is_not_the_least_recently_used() -> None:
    memory = store(max_size=5000)
    for key in (A, B):
        assert memory.place(key, Record(stored(b"x" * 1000)))
    memory.touch((A, C))
    assert memory.place(C, Record(stored(b"x" * 1000)))
    assert (memory.look(B, NOW), memory.standing(A) is not None) == (None, True)
