"""RULES.md §5.4, call sessions and dashboard, on SQLite and on Redis, with two instances.

Each test quotes the promise it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.sim.base import Json
from proxy.sim.database import Database
from tests.support.clock import ManualClock
from tests.support.larder import Larder, until, x_cache
from tests.support.pair import Pair, paired

SESSION: Json = {"id": "s1", "lead_id": 7, "conversation_id": "c-9", "status": "open"}
PLACES = ["/db/sessions/s1", "/db/leads/7/session", "/db/conversations/c-9/session"]


@pytest.fixture
async def db(shared: str, clock: ManualClock) -> AsyncIterator[Pair[Database]]:
    simulator = Database(clock=clock)
    simulator.put("/sessions", SESSION)
    simulator.put("/human-control", {"id": "h1", "agent": "ada"})
    for number in range(3):
        simulator.put("/organizations/1/leads", {"id": f"l{number}", "status": "open"})
    async with paired(simulator, "DB_URL", shared, clock) as pair:
        yield pair


async def followed(db: Pair[Database]) -> None:
    """Return once the second instance knows every invalidation the first has stated."""
    await until(lambda: db.first.app.cache.position == db.second.app.cache.position)


async def statuses(larder: Larder) -> list[str]:
    """The session's status as each of its three places tells it."""
    return [(await larder.get(place)).json()["status"] for place in PLACES]


@pytest.mark.parametrize("known", PLACES)
async def test_a_session_found_once_is_found_by_id_lead_and_conversation(
    db: Pair[Database], known: str
) -> None:
    """Promise: "Session found by id, by lead and by conversation (aliases)"."""
    first = await db.first.get(known)
    assert first["X-Cache"] == "MISS"
    for place in PLACES:
        again = await db.first.get(place)
        assert (again["X-Cache"], again.json()) == ("HIT", first.json())
    await db.first.written(3)
    for place in PLACES:
        assert x_cache(await db.second.get(place)) == ["HIT"]
    assert db.simulator.count("GET") == 1


async def test_a_write_becomes_what_all_three_places_answer(db: Pair[Database]) -> None:
    """Promise: "kept current by writes"."""
    for larder in (db.first, db.second):
        assert await statuses(larder) == ["open"] * 3
    calls = db.simulator.count("GET")
    said = await db.first.ask("PATCH", "/db/sessions/s1", (), {"status": "answered"})
    assert said.status == 200
    await followed(db)
    assert await statuses(db.first) == ["answered"] * 3
    assert db.simulator.count("GET") == calls
    assert await statuses(db.second) == ["answered"] * 3


async def test_a_lead_that_moved_on_is_not_found_under_its_old_session(db: Pair[Database]) -> None:
    """Promise: "Session found by id, by lead" and only by its present one."""
    await db.first.get("/db/sessions/s1")
    assert x_cache(await db.first.get("/db/leads/7/session")) == ["HIT"]
    await db.first.ask("PATCH", "/db/sessions/s1", (), {"lead_id": 8})
    assert (await db.first.get("/db/leads/7/session")).status == 404
    assert (await db.first.get("/db/leads/8/session")).json()["id"] == "s1"


async def test_a_completed_session_is_dropped_half_a_minute_later(
    db: Pair[Database], clock: ManualClock
) -> None:
    """Promise: "dropped 30s after completion"."""
    await db.first.get("/db/sessions/s1")
    await db.first.ask("PATCH", "/db/sessions/s1", (), {"status": "completed"})
    clock.advance(29)
    assert x_cache(await db.first.get("/db/sessions/s1")) == ["HIT"]
    clock.advance(2)

    async def dropped() -> bool:
        before = db.simulator.count("GET")
        await db.first.get("/db/sessions/s1")
        return db.simulator.count("GET") > before

    await until(dropped)


async def test_the_drop_after_completion_survives_a_restart(
    db: Pair[Database], clock: ManualClock
) -> None:
    """Promise: "dropped 30s after completion", also when everything restarts in between."""
    await db.first.ask("PATCH", "/db/sessions/s1", (), {"status": "completed"})
    await db.first.get("/db/sessions/s1")
    await db.restart()
    clock.advance(31)

    async def dropped() -> bool:
        before = db.simulator.count("GET")
        await db.second.get("/db/sessions/s1")
        return db.simulator.count("GET") > before

    await until(dropped)


async def test_a_session_is_kept_for_two_minutes(db: Pair[Database], clock: ManualClock) -> None:
    """Promise: "2 minutes"."""
    await db.first.get("/db/sessions/s1")
    clock.advance(119)
    assert x_cache(await db.first.get("/db/sessions/s1")) == ["HIT"]
    clock.advance(2)
    assert x_cache(await db.first.get("/db/sessions/s1")) == ["REVALIDATED"]


async def test_human_control_is_kept_for_half_an_hour_and_restored_at_start(
    db: Pair[Database], clock: ManualClock
) -> None:
    """Promise: "human-control sessions 30 minutes, restored into memory at start"."""
    await db.first.get("/db/human-control/h1")
    await db.first.written(1)
    await db.restart()
    for larder in (db.first, db.second):
        await until(lambda app=larder.app: (app.cache.status().memory.entries or 0) > 0)  # type: ignore[misc]
    clock.advance(1799)
    assert x_cache(await db.first.get("/db/human-control/h1")) == ["HIT"]
    assert (await db.first.told(1)).tier == "memory"
    clock.advance(2)
    assert x_cache(await db.first.get("/db/human-control/h1")) == ["REVALIDATED"]


def sms(lead: int, template: str, **more: object) -> Json:
    return {"lead_id": lead, "template": template, **more}


async def test_a_text_message_is_sent_once_in_ten_minutes_per_lead_and_template(
    db: Pair[Database], clock: ManualClock
) -> None:
    """Promise: "SMS sends de-duplicated per lead and template for 10 minutes"."""
    first = await db.first.post("/db/sms", sms(7, "welcome", nonce=1))
    again = await asyncio.gather(
        *(db.first.post("/db/sms", sms(7, "welcome", nonce=number)) for number in range(2, 6)),
        *(db.second.post("/db/sms", sms(7, "welcome", nonce=number)) for number in range(6, 9)),
    )
    assert {one.body for one in again} == {first.body}
    assert x_cache(*again) == ["HIT"] * len(again)
    for body in (sms(8, "welcome"), sms(7, "goodbye")):
        assert x_cache(await db.first.post("/db/sms", body)) == ["MISS"]
    assert db.simulator.count("POST", "/sms") == 3
    clock.advance(601)
    assert x_cache(await db.first.post("/db/sms", sms(7, "welcome"))) == ["MISS"]


DASHBOARD, LEADS = "/db/organizations/1/dashboard", "/db/organizations/1/leads"


async def test_the_dashboard_is_half_a_minute_old_and_leads_a_minute(
    db: Pair[Database], clock: ManualClock
) -> None:
    """Promise: "dashboard statistics 30s and leads 60s per organisation"."""
    await db.first.get(DASHBOARD)
    await db.first.get(LEADS)
    assert x_cache(await db.first.get("/db/organizations/2/dashboard")) == ["MISS"]
    clock.advance(29)
    assert x_cache(await db.first.get(DASHBOARD), await db.first.get(LEADS)) == ["HIT", "HIT"]
    clock.advance(2)
    assert x_cache(await db.first.get(DASHBOARD), await db.first.get(LEADS)) == ["STALE", "HIT"]
    clock.advance(30)
    assert x_cache(await db.first.get(LEADS)) == ["REVALIDATED"]


async def test_both_are_dropped_when_their_data_changes(db: Pair[Database]) -> None:
    """Promise: "dropped on data changes"."""
    for larder in (db.first, db.second):
        await larder.get(DASHBOARD)
        await larder.get(LEADS)
        await larder.get("/db/organizations/2/dashboard")
    await db.first.ask("PATCH", f"{LEADS}/l0", (), {"status": "won"})
    await followed(db)
    for larder in (db.first, db.second):
        assert (await larder.get(DASHBOARD)).json()["won"] == 1
        assert (await larder.get(LEADS)).json()["items"][0]["status"] == "won"
        assert x_cache(await larder.get("/db/organizations/2/dashboard")) == ["HIT"]


async def test_both_are_dropped_by_hand(db: Pair[Database]) -> None:
    """Promise: "… and by hand"."""
    await db.second.get(DASHBOARD)
    await db.first.get(LEADS)
    await db.first.purge(tags=["organization:1"], wait=True)
    assert x_cache(await db.second.get(DASHBOARD), await db.first.get(LEADS)) == ["MISS", "MISS"]
