"""What one process makes of sessions, and tells the others: ttl 100 s, a note every 10 s."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from proxy.decisions.session_life import Life, decode, encode
from proxy.dressing import Dressed
from proxy.errors import StoreError
from proxy.fields import Fields
from proxy.flow import tasks
from proxy.observing import Counts
from proxy.outcomes import ExchangeRecord, Outcome
from proxy.rules.issuing import RANDOM_BYTES, Issuing, SessionSettings
from proxy.rules.route import Match
from proxy.sessions import MAX_KNOWN, SPACE, Sessions
from proxy.store.memory_notes import MemoryNotes
from proxy.visit import Visit
from tests.support.build import request
from tests.support.clock import NOW, ManualClock
from tests.support.records import hit
from tests.unit.rules.support import matched, route_config
from tests.unit.test_dressing import Written

TTL = 100.0
CONFIG = route_config("ttl: 5m\nscope: session", "sessions: {from: cookie.sid, issue: cookie}")
FOUND = matched(CONFIG, request("POST", "/api/a"))


@dataclass
class Store:
    """Notes that are shared, out of reach while `down`, and count what they are asked."""

    clock: ManualClock
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.notes = MemoryNotes(self.clock)

    def instance(self) -> Instance:
        """One more process at this store."""
        return Instance(self.clock, Sessions(Reached(self), tasks.spawn))

    async def noted(self) -> Life | None:
        """The life of the session `s`."""
        note = await self.notes.get(SPACE, "s")
        return None if note is None else decode(note)


class Reached(MemoryNotes):
    """The store's notes, as far as it is up."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.clock)
        self._store = store

    async def get(self, space: str, key: str) -> bytes | None:
        """The note of the store."""
        self._ask("get")
        return await self._store.notes.get(space, key)

    async def claim(self, space: str, key: str, value: bytes, ttl_s: float) -> bytes | None:
        """The same of the store's."""
        self._ask("claim")
        return await self._store.notes.claim(space, key, value, ttl_s)

    async def replace(
        self, space: str, key: str, old: bytes, new: bytes | None, ttl_s: float = 0.0
    ) -> bool:
        """The same of the store's."""
        self._ask("replace")
        return await self._store.notes.replace(space, key, old, new, ttl_s)

    async def delete(self, space: str, key: str) -> bool:
        """The same of the store's."""
        self._ask("delete")
        return await self._store.notes.delete(space, key)

    def list(self, space: str) -> AsyncIterator[tuple[str, bytes]]:
        """Those of the store."""
        return self._store.notes.list(space)

    def _ask(self, what: str) -> None:
        self._store.asked.append(what)
        if self._store.down:
            raise StoreError("it is away")


@dataclass
class Instance:
    """One process: what it makes of requests of the session `s`."""

    clock: ManualClock
    sessions: Sessions
    ttl: float | None = TTL

    async def attended(
        self, session: str = "s", *, outcome: Outcome = Outcome.HIT, background: bool = False
    ) -> float:
        """Attend to one request, and tell what became of it; from when on answers serve it."""
        settings = SessionSettings(ttl=self.ttl)
        visit = _visit(self.clock(), session, background=background)
        found, reply = await self.sessions.attend(settings, visit, FOUND, Written())
        assert not isinstance(reply, Dressed)
        Counts(self.sessions.count)(_record(self.clock(), session, outcome, background=background))
        await tasks.drain(1)
        return found.since


def _visit(now: float, session: str = "s", *, background: bool = False) -> Visit:
    asked = request(scheme="https")
    return Visit(request=asked, began_at=now, began=0.0, session=session, background=background)


def _record(
    now: float, session: str, outcome: Outcome, *, background: bool = False
) -> ExchangeRecord:
    return hit(at=now, session=session, outcome=outcome, background=background)


@pytest.fixture
def store(clock: ManualClock) -> Store:
    return Store(clock)


async def test_a_first_request_begins_a_life_that_others_share(store: Store) -> None:
    one, two = store.instance(), store.instance()
    assert await one.attended() == NOW - 5
    assert await store.noted() == Life(NOW, NOW)
    store.clock.advance(50)
    assert await two.attended() == NOW - 5
    assert await store.noted() == Life(NOW, NOW + 50)


async def test_the_store_is_asked_and_told_every_tenth_of_the_ttl(store: Store) -> None:
    one = store.instance()
    for _ in range(20):
        await one.attended()
        store.clock.advance(1)
    assert store.asked == ["get", "claim", "get", "claim", "replace"]


async def test_nothing_is_noted_of_a_session_that_found_and_stored_nothing(store: Store) -> None:
    one = store.instance()
    await one.attended(outcome=Outcome.BYPASS)
    assert await store.noted() is None
    store.clock.advance(5)
    await one.attended()
    store.clock.advance(20)
    await one.attended(outcome=Outcome.BYPASS)
    assert await store.noted() == Life(NOW, NOW + 25)


async def test_a_new_life_takes_the_place_of_the_one_that_ended(store: Store) -> None:
    one = store.instance()
    await one.attended()
    store.clock.advance(TTL + 1)
    assert await one.attended() == NOW + TTL + 1 - 5
    assert await store.noted() == Life(NOW + TTL + 1, NOW + TTL + 1)


async def test_a_life_that_was_cleared_elsewhere_begins_anew(store: Store) -> None:
    one, two = store.instance(), store.instance()
    await one.attended()
    assert await two.sessions.forget("s")
    store.clock.advance(20)
    assert await one.attended() == NOW + 20 - 5


async def test_without_the_store_what_was_seen_here_decides(store: Store) -> None:
    one = store.instance()
    store.down = True
    for _ in range(3):
        assert await one.attended() == NOW - 5
        store.clock.advance(TTL - 1)
    store.down = False
    assert await one.attended() == NOW - 5
    assert await store.noted() == Life(NOW, store.clock())


async def test_a_note_nobody_can_read_is_overwritten(store: Store) -> None:
    await store.notes.put(SPACE, "s", b"of another version", TTL)
    assert await store.instance().attended() == NOW - 5
    assert await store.noted() == Life(NOW, NOW)


async def test_the_proxys_own_requests_lengthen_no_life(store: Store) -> None:
    one = store.instance()
    await one.attended()
    store.clock.advance(20)
    assert await one.attended(background=True) == NOW - 5
    assert await store.noted() == Life(NOW, NOW)


async def test_a_request_without_a_session_is_left_alone(store: Store) -> None:
    one = store.instance()
    assert await one.attended("") == 0.0
    assert store.asked == []


async def test_without_a_ttl_nothing_ends(store: Store) -> None:
    one = store.instance()
    one.ttl = None
    assert await one.attended() == 0.0
    assert store.asked == []


async def test_the_table_is_bounded(store: Store) -> None:
    one = store.instance()
    for number in range(MAX_KNOWN + 1):
        await one.sessions.attend(
            SessionSettings(ttl=TTL), _visit(NOW, f"{number}"), FOUND, Written()
        )
    known = await one.sessions.lives(NOW, TTL)
    assert (len(known), "0" in known) == (MAX_KNOWN, False)


async def test_a_note_written_while_the_session_is_cleared_does_not_revive_it(
    store: Store,
) -> None:
    one = store.instance()
    await one.sessions.attend(SessionSettings(ttl=TTL), _visit(NOW), FOUND, Written())
    Counts(one.sessions.count)(_record(NOW, "s", Outcome.HIT))
    await one.sessions.forget("s")
    await tasks.drain(1)
    assert await store.noted() is None


async def test_lives_are_those_of_all_instances(store: Store) -> None:
    one, two = store.instance(), store.instance()
    await one.attended()
    await store.notes.put(SPACE, "other", encode(Life(NOW - 7, NOW - 3)), TTL)
    await store.notes.put(SPACE, "broken", b"?", TTL)
    life = await two.sessions.life("s", NOW, TTL)
    assert life == Life(NOW, NOW)
    assert await two.sessions.life("nobody", NOW, TTL) is None
    lives = await one.sessions.lives(NOW, TTL)
    assert lives == {"s": Life(NOW, NOW), "other": Life(NOW - 7, NOW - 3)}
    store.clock.advance(TTL * 1.2)
    assert await two.sessions.life("s", store.clock(), TTL) is None
    assert await one.sessions.lives(store.clock(), TTL) == {}


# -- ids handed out ---------------------------------------------------------------------------


def _issuing(max_age: float | None = TTL) -> Issuing:
    issuing = CONFIG.sessions.issuing
    assert issuing is not None
    return Issuing(carrier=issuing.carrier, name="sid", secret=issuing.secret, max_age=max_age)


def _carrying(*, issued: bool) -> Match:
    session = _issuing().make(bytes(RANDOM_BYTES))
    found = matched(CONFIG, request("POST", "/api/a", fields={"Cookie": f"sid={session}"}))
    return Match(found.route, found.subject, issued=issued)


async def _answered(
    sessions: Sessions, now: float, status: int = 200, *, issued: bool = False, ttl: float = TTL
) -> str | None:
    """The cookie that an answer of this status sets."""
    settings, written = SessionSettings(ttl=ttl, issuing=_issuing(ttl)), Written()
    match = _carrying(issued=issued)
    _, reply = await sessions.attend(settings, _visit(now), match, written)
    await reply.start(status, "", Fields(), 0)
    head = written.said[0]
    assert isinstance(head, tuple)
    return Fields(head[2]).get("set-cookie")


@pytest.mark.parametrize(
    ("status", "given"), [(200, True), (204, True), (304, True), (301, False), (404, False)]
)
async def test_a_new_id_is_handed_out_with_success(store: Store, status: int, given: bool) -> None:
    cookie = await _answered(store.instance().sessions, NOW, status, issued=True)
    assert (cookie is not None) is given
    assert cookie is None or cookie.endswith("; Secure")


async def test_a_cookie_is_renewed_once_in_a_tenth_of_its_life(store: Store) -> None:
    sessions = store.instance().sessions
    assert await _answered(sessions, NOW, issued=True)
    told = [await _answered(sessions, NOW + passed) for passed in (1, 9.9, 10, 11, 20)]
    assert [cookie is not None for cookie in told] == [False, False, True, False, True]


async def test_a_renewal_that_failed_is_made_up_for(store: Store) -> None:
    sessions = store.instance().sessions
    assert await _answered(sessions, NOW, 500) is None
    assert await _answered(sessions, NOW + 1) is not None


async def test_requests_at_once_share_one_life(store: Store) -> None:
    sessions = store.instance().sessions
    settings = SessionSettings(ttl=TTL)
    attending = [
        sessions.attend(settings, _visit(NOW + n / 10), FOUND, Written()) for n in range(5)
    ]
    found = await asyncio.gather(*attending)
    assert {match.since for match, _ in found} == {NOW - 5}
