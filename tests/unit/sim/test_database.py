"""The internal database API: five operations, ETags, filters, a dashboard that follows its rows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import ClientSession

from proxy.sim.base import serve
from proxy.sim.database import Database
from tests.support.clock import ManualClock

COLLECTIONS = ["/projects", "/projects/42/scenes", "/sessions", "/organizations/7/leads"]


class Service:
    """A client of the database."""

    def __init__(self, sim: Database, url: str, client: ClientSession) -> None:
        self.sim, self.url, self.client = sim, url, client
        self.etag = ""

    async def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any]:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.url + path
        async with self.client.request(method, url, json=body, headers=fields) as reply:
            self.etag = reply.headers.get("ETag", "")
            content = await reply.read()
            return reply.status, json.loads(content) if content else None


@pytest.fixture
async def db(client: ClientSession, clock: ManualClock) -> Any:
    async with serve(sim := Database(clock=clock)) as url:
        yield Service(sim, url, client)


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_a_row_from_its_beginning_to_its_end(db: Service, collection: str) -> None:
    status, row = await db.ask("POST", collection, {"title": "a"})
    assert status == 201
    path = f"{collection}/{row['id']}"
    assert await db.ask("GET", path) == (200, row)
    _, merged = await db.ask("PATCH", path, {"note": "n", "id": "other"})
    assert (merged["id"], merged["title"], merged["note"]) == (row["id"], "a", "n")
    _, replaced = await db.ask("PUT", path, {"title": "b"})
    assert (replaced["title"], "note" in replaced) == ("b", False)
    assert row["updated_at"] < merged["updated_at"] < replaced["updated_at"]
    assert await db.ask("GET", collection) == (200, {"items": [replaced], "count": 1})
    assert await db.ask("DELETE", path) == (204, None)
    assert (await db.ask("GET", path))[0] == 404


async def test_every_message_is_sent(db: Service) -> None:
    message = {"lead_id": 7, "template": "hello"}
    answers = [await db.ask("POST", "/sms", message) for _ in range(2)]
    assert [(status, said["id"]) for status, said in answers] == [(202, "1"), (202, "2")]
    assert db.sim.sent == [message, message]
    assert (await db.ask("POST", "/sms", {"lead_id": 7}))[0] == 422


@pytest.mark.parametrize("path", ["/sessions", "/sessions/1", "/organizations/7/dashboard"])
async def test_reads_have_etags_that_follow_the_content(db: Service, path: str) -> None:
    db.sim.put("/sessions", {"id": 1})
    db.sim.put("/organizations/7/leads", {"id": 1, "status": "open"})
    await db.ask("GET", path)
    etag = db.etag
    assert await db.ask("GET", path, If_None_Match=f'"other", {etag}') == (304, None)
    assert await db.ask("GET", path, If_None_Match="*") == (304, None)
    db.sim.put("/sessions", {"id": 1})
    db.sim.put("/organizations/7/leads", {"id": 1, "status": "won"})
    assert (await db.ask("GET", path, If_None_Match=etag))[0] == 200
    assert db.etag != etag


async def test_a_write_may_ask_for_the_row_it_knows(db: Service) -> None:
    db.sim.put("/sessions", {"id": 1})
    await db.ask("GET", "/sessions/1")
    assert (await db.ask("PATCH", "/sessions/1", {}, If_Match='"old"'))[0] == 412
    assert (await db.ask("PATCH", "/sessions/1", {}, If_Match=db.etag or "*"))[0] == 200


async def test_lists_are_filtered_by_query(db: Service) -> None:
    for lead in (1, 2):
        db.sim.put("/sessions", {"lead_id": lead})
    _, found = await db.ask("GET", "/sessions?lead_id=2")
    assert [row["lead_id"] for row in found["items"]] == [2]


async def test_the_dashboard_counts_its_own_leads(db: Service) -> None:
    db.sim.put("/organizations/7/leads", {"status": "won"})
    db.sim.put("/organizations/7/leads", {"status": "open"})
    db.sim.put("/organizations/8/leads", {"status": "open"})
    _, shown = await db.ask("GET", "/organizations/7/dashboard")
    assert shown == {"leads": 2, "won": 1, "open": 1}


async def test_bad_requests(db: Service) -> None:
    assert (await db.ask("POST", "/sessions", [1]))[0] == 400
    assert (await db.ask("PUT", "/sessions/none", {}))[0] == 404
    assert (await db.ask("GET", "/nowhere"))[0] == 404
    assert (await db.ask("PUT", "/sessions", {}))[0] == 405


async def test_a_session_is_found_by_its_lead_and_its_conversation(db: Service) -> None:
    db.sim.put("/sessions", {"id": "old", "lead_id": 7, "conversation_id": "c"})
    row = db.sim.put("/sessions", {"id": "new", "lead_id": 7, "conversation_id": "d"})
    assert await db.ask("GET", "/leads/7/session") == (200, row)
    assert (await db.ask("GET", "/conversations/c/session"))[1]["id"] == "old"
    assert (await db.ask("GET", "/leads/8/session"))[0] == 404
