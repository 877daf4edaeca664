"""Claims in notes that fail at the worst moment: done but not said, said but not done, too late.

Each test is one interleaving, numbered, of the instances `one` and `two` on the same notes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from proxy.claiming import PAUSES_S, Case, Claims
from proxy.decisions.claim import (
    CLAIMS,
    PARTS,
    Done,
    InDoubt,
    Kept,
    Sent,
    read,
    written,
)
from proxy.decisions.deduping import Decline, Name, Replay
from proxy.errors import CorruptEntryError, StoreError
from proxy.fields import Fields
from proxy.outcomes import Refusal
from proxy.rules.dedupe import Dedupe
from proxy.store.base import StoreTimeoutError
from proxy.store.memory_notes import MemoryNotes
from proxy.store.notes import NotesFullError
from tests.support.clock import NOW, ManualClock

KEY, OTHER = Name("k:1"), Name("i:1", "print")
RULE, FORWARDING = Dedupe(window=600.0), Dedupe(window=600.0, forward_in_doubt=True)
TIMEOUT_S = 60.0
IN_DOUBT = Refusal.IN_DOUBT


class Notes(MemoryNotes):
    """Notes that time out on demand, with or without having done what they were told."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        self.unheard = 0
        self.asked = 0

    async def claim(self, space: str, key: str, value: bytes, ttl_s: float) -> bytes | None:
        self.asked += 1
        if self.lost:
            self.lost -= 1
            raise StoreTimeoutError("not done")
        there = await super().claim(space, key, value, ttl_s)
        if self.unheard:
            self.unheard -= 1
            raise StoreTimeoutError("done, not said")
        return there


class Instance:
    """One instance's claims on shared notes; what it waits for is in `paused`."""

    def __init__(self, notes: MemoryNotes, clock: ManualClock) -> None:
        self.clock = clock
        self.paused: list[float] = []
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.claims = Claims(notes, clock, self.pause)

    async def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        if self.meanwhile is not None:
            await self.meanwhile()

    def case(self, *names: Name, rule: Dedupe = RULE) -> Case:
        case = Case(rule=rule, names=names or (KEY,), timeout_s=TIMEOUT_S)
        case.claims_from(self.clock())
        return case


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def one(notes: Notes, clock: ManualClock) -> Instance:
    return Instance(notes, clock)


@pytest.fixture
def two(notes: Notes, clock: ManualClock) -> Instance:
    return Instance(notes, clock)


def done(case: Case, body: bytes = b"{}") -> Done:
    sent = next(iter(case.sent.values()))
    kept = Kept(status=201, reason="", fields=Fields(), body=body, at=NOW)
    return Done(owner=sent.owner, until=sent.until, fingerprint=sent.fingerprint, answer=kept)


def doubt(case: Case) -> InDoubt:
    sent = next(iter(case.sent.values()))
    return InDoubt(owner=sent.owner, until=sent.until, fingerprint=sent.fingerprint)


async def there(notes: Notes, name: Name = KEY) -> object:
    note = await notes.get(CLAIMS, name.key)
    return None if note is None else read(note)


async def test_a_claim_that_was_made_unheard_is_ours(notes: Notes, one: Instance) -> None:
    """1. SET NX holds; 2. its answer is lost; 3. we ask again and find our own token."""
    notes.unheard = 1
    case = one.case()
    assert await one.claims.take(case) is None
    assert await there(notes) == case.sent[KEY.key]
    assert one.paused == [PAUSES_S[0]]


async def test_a_claim_that_was_not_made_is_tried_again(notes: Notes, one: Instance) -> None:
    notes.lost = len(PAUSES_S)
    assert await one.claims.take(one.case()) is None
    assert one.paused == list(PAUSES_S)


async def test_what_timed_out_too_often_is_given_back_when_it_can_be(
    notes: Notes, one: Instance, two: Instance
) -> None:
    """1. SET NX holds; 2. nobody hears of it, ever; 3. it is not sent; 4. it is given back."""
    notes.unheard = 1 + len(PAUSES_S)
    case = one.case()
    with pytest.raises(StoreError):
        await one.claims.take(case)
    assert isinstance(await there(notes), Sent)
    await one.claims.give_back(case)
    assert await two.claims.take(two.case()) is None


async def test_what_cannot_be_given_back_is_in_doubt_in_the_end(
    one: Instance, two: Instance, clock: ManualClock
) -> None:
    """1. one claims and dies; 2. two waits; 3. the time is up in which one could have answered."""
    await one.claims.take(one.case())
    waiting = two.case()

    async def time_passes() -> None:
        clock.advance(TIMEOUT_S / 2)

    two.meanwhile = time_passes
    assert await two.claims.take(waiting) == Decline(409, IN_DOUBT, 540)


async def test_who_may_send_again_takes_the_claim_over_once(
    notes: Notes, one: Instance, two: Instance, clock: ManualClock
) -> None:
    """1. a third one died; 2. one and two both find its claim; 3. one is quicker; 4. two waits."""
    dead = one.case()
    await one.claims.take(dead)
    clock.advance(TIMEOUT_S)
    first, second = one.case(rule=FORWARDING), two.case(rule=FORWARDING)
    assert await one.claims.take(first) is None
    assert await there(notes) == first.sent[KEY.key]
    two.meanwhile = lambda: one.claims.settle(first, done(first))
    verdict = await two.claims.take(second)
    assert isinstance(verdict, Replay)


async def test_a_take_over_that_comes_to_nothing_leaves_the_doubt(
    notes: Notes, one: Instance, clock: ManualClock
) -> None:
    """What was in doubt must not become free because somebody nearly sent it again."""
    dead = one.case()
    await one.claims.take(dead)
    await one.claims.settle(dead, doubt(dead))
    case = one.case(rule=FORWARDING)
    assert await one.claims.take(case) is None
    await one.claims.give_back(case)
    assert await there(notes) == doubt(dead)
    assert clock() == NOW


async def test_who_waits_holds_nothing(notes: Notes, one: Instance, two: Instance) -> None:
    """1. one claims K; 2. two claims I and finds K taken; 3. it waits, and must hold nothing.

    Whoever holds K may be waiting for I.
    """
    first = one.case(KEY)
    await one.claims.take(first)
    held: list[object] = []

    async def look() -> None:
        held.append(await there(notes, OTHER))
        await one.claims.settle(first, None)

    two.meanwhile = look
    second = two.case(OTHER, KEY)
    assert await two.claims.take(second) is None
    assert held == [None]
    assert {await notes.get(CLAIMS, name.key) for name in second.names} == {
        written(second.sent[name.key]) for name in second.names
    }


async def test_who_waited_has_the_whole_time_for_its_own_call(
    one: Instance, two: Instance, clock: ManualClock
) -> None:
    """A claim made with the time of the first look would count as lost while it is answered."""
    first = one.case()
    await one.claims.take(first)

    async def refused_late() -> None:
        clock.advance(TIMEOUT_S - 1)
        await one.claims.settle(first, None)

    two.meanwhile = refused_late
    second = two.case()
    assert await two.claims.take(second) is None
    assert second.sent[KEY.key].deadline == NOW + 2 * TIMEOUT_S - 1


async def test_every_name_is_settled_with_its_own_fingerprint(notes: Notes, one: Instance) -> None:
    case = one.case(OTHER, KEY)
    await one.claims.take(case)
    await one.claims.settle(case, done(case))
    states = [await there(notes, name) for name in case.names]
    assert [getattr(state, "fingerprint", None) for state in states] == ["print", ""]


async def test_a_claim_that_was_lost_is_settled_all_the_same(notes: Notes, one: Instance) -> None:
    """1. the claim holds; 2. the store forgets it; 3. the answer comes."""
    case = one.case()
    await one.claims.take(case)
    await notes.delete(CLAIMS, KEY.key)
    await one.claims.settle(case, done(case))
    assert await there(notes) == done(case)


async def test_anothers_claim_is_never_overwritten(
    notes: Notes, one: Instance, two: Instance
) -> None:
    """1. one's claim is forgotten by the store; 2. two claims; 3. one's answer comes."""
    first, second = one.case(), two.case()
    await one.claims.take(first)
    await notes.delete(CLAIMS, KEY.key)
    await two.claims.take(second)
    await one.claims.settle(first, done(first))
    await one.claims.settle(first, None)
    assert await there(notes) == second.sent[KEY.key]


@pytest.mark.parametrize("size", [100, 200_000])
async def test_a_repeat_gets_the_whole_body_or_none(
    notes: Notes, one: Instance, two: Instance, size: int
) -> None:
    case, body = one.case(), b"x" * size
    await one.claims.take(case)
    await one.claims.settle(case, done(case, body))
    for claims in (one.claims, two.claims):
        verdict = await claims.take(two.case())
        assert isinstance(verdict, Replay)
        assert (verdict.answer.body, verdict.answer.parts) == (body, 0)
        assert await claims.look(two.case()) == verdict
    async for key, _ in notes.list(PARTS):
        await notes.delete(PARTS, key)
        verdict = await two.claims.take(two.case())
        assert verdict == Decline(409, Refusal.ANSWER_NOT_KEPT, 600)


async def test_a_name_of_another_request_is_refused_and_nothing_is_held(
    notes: Notes, one: Instance, two: Instance
) -> None:
    first = one.case(OTHER)
    await one.claims.take(first)
    verdict = await two.claims.take(two.case(KEY, Name(OTHER.key, "another")))
    assert verdict == Decline(422, Refusal.IDEMPOTENCY_KEY_REUSED)
    assert await there(notes) is None


async def test_a_look_claims_nothing(notes: Notes, one: Instance) -> None:
    assert await one.claims.look(one.case()) is None
    assert await there(notes) is None


async def test_what_is_full_is_not_asked_again_and_keeps_nothing(clock: ManualClock) -> None:
    notes = MemoryNotes(max_notes=1)
    one = Instance(notes, clock)
    with pytest.raises(NotesFullError):
        await one.claims.take(one.case(OTHER, KEY))
    assert one.paused == []
    assert [found async for found in notes.list(CLAIMS)] == []


async def test_where_no_answer_has_room_it_is_said_that_there_was_one(clock: ManualClock) -> None:
    one = Instance(MemoryNotes(max_bytes=600), clock)
    case = one.case()
    await one.claims.take(case)
    await one.claims.settle(case, done(case, b"x" * 1000))
    verdict = await one.claims.look(one.case())
    assert verdict == Decline(409, Refusal.ANSWER_NOT_KEPT, 600)


async def test_damage_is_not_asked_for_again(notes: Notes, one: Instance) -> None:
    await notes.add(CLAIMS, KEY.key, {"n": 1})
    with pytest.raises(CorruptEntryError):
        await one.claims.take(one.case())
    assert notes.asked == 1


async def test_what_another_version_wrote_is_in_doubt(notes: Notes, one: Instance) -> None:
    await notes.put(CLAIMS, KEY.key, b'{"v": 99}\n', 60)
    assert await one.claims.take(one.case(rule=FORWARDING)) == Decline(409, IN_DOUBT, 600)


async def test_an_answer_after_the_window_is_there_for_those_who_waited(
    notes: Notes, one: Instance, clock: ManualClock
) -> None:
    case = one.case(rule=Dedupe(window=10.0))
    await one.claims.take(case)
    clock.advance(30)
    await one.claims.settle(case, done(case))
    assert isinstance(await there(notes), Done)
