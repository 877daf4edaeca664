"""Kling: tokens, slots, external ids, both generations, signed URLs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import ClientSession

from proxy.sim.base import serve
from proxy.sim.jwt import sign
from proxy.sim.kling import PRICE, RETENTION_S, Kling
from tests.support.clock import NOW, ManualClock

OLD, NEW = "/v1/videos/text2video", "/text-to-video/kling-3.0"
VIDEO = {"prompt": "a jar"}
TOKEN = sign("access-1", "secret-1", NOW)


class Studio:
    """A client; `credential` is what it shows."""

    def __init__(self, sim: Kling, url: str, client: ClientSession) -> None:
        self.sim, self.url, self.client = sim, url, client
        self.credential = "kling-key-1"

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.credential}"} if self.credential else {}
        url = self.url + path
        async with self.client.request(method, url, json=body, headers=headers) as reply:
            return reply.status, json.loads(await reply.read())

    async def code(self, method: str, path: str, body: object = None) -> tuple[int, int]:
        status, answered = await self.ask(method, path, body)
        return status, answered["code"]


@pytest.fixture
async def studio(client: ClientSession, clock: ManualClock) -> Any:
    async with serve(sim := Kling(clock=clock)) as url:
        yield Studio(sim, url, client)


async def test_the_old_generation(studio: Studio) -> None:
    studio.credential = TOKEN
    _, created = await studio.ask("POST", OLD, {**VIDEO, "external_task_id": "mine"})
    data = created["data"]
    assert (data["task_status"], data["task_info"]) == ("submitted", {"external_task_id": "mine"})
    polls = [await studio.ask("GET", f"{OLD}/{data['task_id']}") for _ in range(3)]
    states = [answered["data"]["task_status"] for _, answered in polls]
    assert states == ["submitted", "processing", "succeed"]
    assert polls[2][1]["data"]["task_result"]["videos"][0]["duration"] == "5"
    _, answered = await studio.ask("GET", f"{OLD}/mine")
    assert answered["data"]["task_id"] == data["task_id"]
    assert studio.sim.spent == PRICE["videos"]


async def test_the_new_generation(studio: Studio) -> None:
    _, created = await studio.ask("POST", NEW, {**VIDEO, "options": {"external_task_id": "mine"}})
    name = created["data"]["id"]
    states = []
    for _ in range(3):
        _, answered = await studio.ask("GET", f"/tasks?task_ids={name}")
        states.append(answered["data"][0]["status"])
    assert states == ["submitted", "processing", "succeeded"]
    _, answered = await studio.ask("GET", "/tasks?external_task_ids=mine")
    assert answered["data"][0]["outputs"][0]["type"] == "video"


async def test_a_failing_task(studio: Studio) -> None:
    studio.sim.failures = 1
    _, created = await studio.ask("POST", OLD, VIDEO)
    path = f"{OLD}/{created['data']['task_id']}"
    _, answered = [await studio.ask("GET", path) for _ in range(3)][2]
    assert answered["data"]["task_status"] == "failed"
    assert "task_result" not in answered["data"]


@pytest.mark.parametrize(
    ("credential", "path", "refusal"),
    [
        ("", OLD, (401, 1001)),
        ("nonsense", OLD, (401, 1002)),
        (sign("who", "secret-1", NOW), OLD, (401, 1002)),
        (sign("access-1", "wrong", NOW), OLD, (401, 1000)),
        (sign("access-1", "secret-1", NOW + 60), OLD, (401, 1003)),
        (sign("access-1", "secret-1", NOW - 1800), OLD, (401, 1004)),
        (TOKEN, NEW, (401, 1002)),
        (TOKEN, OLD, (200, 0)),
        ("kling-key-1", OLD, (200, 0)),
    ],
)
async def test_credentials(
    studio: Studio, credential: str, path: str, refusal: tuple[int, int]
) -> None:
    studio.credential = credential
    assert await studio.code("POST", path, VIDEO) == refusal


async def test_slots_are_held_until_the_task_ends(studio: Studio) -> None:
    studio.sim.slots = 1
    _, created = await studio.ask("POST", OLD, VIDEO)
    assert await studio.code("POST", OLD, VIDEO) == (429, 1303)
    for _ in range(2):
        await studio.ask("GET", f"{OLD}/{created['data']['task_id']}")
    assert await studio.code("POST", OLD, VIDEO) == (200, 0)


async def test_refusals_cost_nothing(studio: Studio) -> None:
    studio.sim.troubles.append(5000)
    assert await studio.code("POST", OLD, VIDEO) == (500, 5000)
    assert await studio.code("POST", OLD, {}) == (400, 1201)
    assert await studio.code("GET", f"{OLD}/none") == (404, 1203)
    assert await studio.code("GET", "/nowhere") == (404, 1202)
    assert studio.sim.spent == 0
    twice = {**VIDEO, "external_task_id": "mine"}
    assert await studio.code("POST", OLD, twice) == (200, 0)
    assert await studio.code("POST", OLD, twice) == (400, 1201)


async def test_another_account_does_not_see_the_task(studio: Studio) -> None:
    _, created = await studio.ask("POST", OLD, VIDEO)
    studio.sim.api_keys["kling-key-2"] = "access-2"
    studio.credential = "kling-key-2"
    path = f"{OLD}/{created['data']['task_id']}"
    assert await studio.code("GET", path) == (404, 1203)


async def test_result_urls_are_signed_and_end(studio: Studio, clock: ManualClock) -> None:
    _, created = await studio.ask("POST", "/v1/images/generations", VIDEO)
    path = f"/v1/images/generations/{created['data']['task_id']}"
    _, answered = [await studio.ask("GET", path) for _ in range(3)][2]
    url = answered["data"]["task_result"]["images"][0]["url"]
    for asked, advance, status in ((url, 0, 200), (url[:-1], 0, 403), (url, RETENTION_S, 403)):
        clock.advance(advance)
        async with studio.client.get(asked) as reply:
            assert reply.status == status
