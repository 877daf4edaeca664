"""One look-up of the shared store, step by step; races between its steps are in test_far.py."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from proxy.errors import CorruptEntryError, StoreError
from proxy.flow.tasks import spawn
from proxy.messages import START
from proxy.outcomes import NotServed, Tier
from proxy.store.base import Found, Mark, Record, StoreTimeoutError
from proxy.store.breaker import Breaker
from proxy.store.coherence import Coherence
from proxy.store.facts import Verdict
from proxy.store.guard import Guard, ignore
from proxy.store.seeking import Fetched, LookUp, Seeking
from proxy.store.told import Told
from tests.support.build import stored
from tests.support.clock import ManualClock
from tests.support.sim_shared import SimStore
from tests.unit.store.party import KEY, OTHER, Party

GENERATION = 7


class Answering(SimStore):
    """Answers at once, what the test says."""

    def __init__(self, party: Party) -> None:
        super().__init__(party.world, "answering")
        self.record: Record | Exception | None = None
        self.known: tuple[Mark | None, ...] | Exception = (Mark(GENERATION),)
        self.asked: list[bytes | Sequence[str]] = []

    def seek(self, key: bytes, told: Told[Record | None]) -> bool:
        self.asked.append(key)
        told(self.record)
        return True

    def seek_marks(self, tags: Sequence[str], told: Told[tuple[Mark | None, ...]]) -> bool:
        self.asked.append(tags)
        told(self.known)
        return True


class Seeker:
    """An instance that cannot prove what was born at START, so that marks are read for it."""

    def __init__(self, party: Party, store: SimStore, seeking: Seeking) -> None:
        self.party = party
        self.store = store
        self.seeking = seeking
        self.told: list[Found | NotServed] = []

    def look_up(self) -> list[Found | NotServed]:
        LookUp(self.seeking, self.told.append).begin(KEY)
        return self.told


async def seeker(clock: ManualClock, breaker: Breaker | None = None) -> tuple[Seeker, Answering]:
    party = Party(clock)
    one = await party.joins("one")
    await one.state(OTHER)
    two = await party.joins("two")
    store = Answering(party)
    guard = Guard(breaker or Breaker(clock), clock, ignore)
    return Seeker(party, store, Seeking(store, two.coherence, guard, spawn)), store


def record_of(seeking: Seeking) -> Record:
    entry = stored(b"body", tags=("t",), born=seeking.coherence.position, lifetime=1e6)
    return Record(entry, (GENERATION,), "epoch")


async def test_what_the_facts_at_hand_prove_is_told_at_once(clock: ManualClock) -> None:
    one, store = await seeker(clock)
    store.record = record_of(one.seeking)
    (found,) = one.look_up()
    assert isinstance(found, Fetched)
    assert (found.record, found.entry) == (store.record, store.record.entry)
    assert (found.tier, found.soft, found.keep) == (Tier.SHARED, False, True)
    assert store.asked == [KEY]


ANSWERS = [
    pytest.param(None, NotServed.ABSENT, id="nothing there"),
    pytest.param(CorruptEntryError("x"), NotServed.CORRUPT, id="damaged bytes"),
    pytest.param(StoreTimeoutError("x"), NotServed.STORE_DOWN, id="a time-out"),
    pytest.param(StoreError("x"), NotServed.STORE_DOWN, id="an error"),
    pytest.param(ValueError("x"), NotServed.STORE_DOWN, id="a defect"),
]


@pytest.mark.parametrize(("answer", "told"), ANSWERS)
async def test_why_nothing_is_served(
    clock: ManualClock, answer: Exception | None, told: NotServed
) -> None:
    one, store = await seeker(clock)
    store.record = answer
    assert one.look_up() == [told]


async def test_a_defect_is_logged(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    one, store = await seeker(clock)
    store.record = ValueError("x")
    one.look_up()
    assert "a defect in a look-up" in caplog.text


MARKS = [
    pytest.param((Mark(GENERATION),), None, id="not raised"),
    pytest.param((Mark(GENERATION, soft=(1 << 50, 0)),), None, id="softened"),
    pytest.param((Mark(GENERATION, hard=(1 << 50, 0)),), NotServed.INVALIDATED, id="raised"),
    pytest.param((Mark(GENERATION + 1),), NotServed.INVALIDATED, id="made anew"),
    pytest.param((None,), NotServed.INVALIDATED, id="missing"),
    pytest.param(StoreError("x"), NotServed.STORE_DOWN, id="out of reach"),
    pytest.param(CorruptEntryError("x"), NotServed.CORRUPT, id="damaged"),
]


@pytest.mark.parametrize(("marks", "told"), MARKS)
async def test_what_they_do_not_prove_is_judged_by_the_marks(
    clock: ManualClock, marks: tuple[Mark | None, ...] | Exception, told: NotServed | None
) -> None:
    one, store = await seeker(clock)
    made = record_of(one.seeking)
    store.record, store.known = replace(made, entry=replace(made.entry, born=START)), marks
    assert not one.seeking.coherence.proves(START)
    (found,) = one.look_up()
    assert store.asked == [KEY, ("t",)]
    if told is not None:
        assert found is told
    else:
        assert isinstance(found, Fetched)
        assert found.soft is (marks != (Mark(GENERATION),))


async def test_an_open_breaker_is_told_at_once_and_nobody_asked(clock: ManualClock) -> None:
    breaker = Breaker(clock, failures=1)
    one, store = await seeker(clock, breaker)
    breaker.failed()
    assert one.look_up() == [NotServed.STORE_DOWN]
    assert store.asked == []


async def test_what_cannot_be_asked_at_once_is_awaited_by_a_task(clock: ManualClock) -> None:
    party = Party(clock)
    one = await party.joins("one")
    told: list[Found | NotServed] = []
    one.far.seek(KEY, told.append)
    assert told == []
    party.answer(await party.until(one, "get"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert told == [NotServed.ABSENT]


async def test_a_defect_leaves_nobody_waiting(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, store = await seeker(clock)
    store.record = record_of(one.seeking)

    def fails(*_: object) -> Verdict:
        raise ZeroDivisionError

    monkeypatch.setattr(Coherence, "judge", fails)
    told: list[Found | NotServed] = []
    with pytest.raises(ZeroDivisionError):
        LookUp(one.seeking, told.append).begin(KEY)
    assert told == [NotServed.STORE_DOWN]
