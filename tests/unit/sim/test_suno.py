"""Suno: errors in HTTP 200, jobs that move as they are polled, callbacks, retention."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import ClientSession, web

from proxy.sim.base import Simulator, answer, serve
from proxy.sim.suno import PRICE, RETENTION_S, Suno
from tests.support.clock import ManualClock

SONG = {"customMode": False, "model": "V4_5", "prompt": "quiet", "callBackUrl": "http://me/cb"}


class Studio:
    """A client with a key."""

    def __init__(self, sim: Suno, url: str, client: ClientSession) -> None:
        self.sim, self.url, self.client = sim, url, client
        self.key = "key-1"

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        url = self.url + path
        async with self.client.request(method, url, json=body, headers=headers) as reply:
            assert reply.status == 200
            return json.loads(await reply.read())

    async def submit(self, **changes: object) -> Any:
        return await self.ask("POST", "/api/v1/generate", {**SONG, **changes})

    async def poll(self, task: str) -> Any:
        return await self.ask("GET", f"/api/v1/generate/record-info?taskId={task}")


@pytest.fixture
async def studio(client: ClientSession, clock: ManualClock) -> Any:
    async with serve(sim := Suno(clock=clock)) as url:
        yield Studio(sim, url, client)


async def test_a_job_moves_on_with_every_poll(studio: Studio) -> None:
    task = (await studio.submit())["data"]["taskId"]
    records = [(await studio.poll(task))["data"] for _ in range(5)]
    states = [record["status"] for record in records]
    assert states == ["PENDING", "TEXT_SUCCESS", "FIRST_SUCCESS", "SUCCESS", "SUCCESS"]
    assert [len(record["response"]["sunoData"]) for record in records] == [0, 0, 1, 2, 2]
    assert json.loads(records[0]["param"]) == SONG
    assert studio.sim.spent == PRICE


async def test_a_failing_job_says_so_in_its_last_state(studio: Studio) -> None:
    studio.sim.endings.append("SENSITIVE_WORD_ERROR")
    task = (await studio.submit())["data"]["taskId"]
    records = [(await studio.poll(task))["data"] for _ in range(4)]
    assert (records[3]["status"], records[3]["errorCode"]) == ("SENSITIVE_WORD_ERROR", 500)
    assert records[3]["response"]["sunoData"] == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"callBackUrl": ""}, 400), ({"prompt": "x" * 501}, 413), ({}, 455)],
)
async def test_refusals_come_with_http_200(
    studio: Studio, changes: dict[str, object], code: int
) -> None:
    if code == 455:
        studio.sim.troubles.append(455)
    refused = await studio.submit(**changes)
    assert (refused["code"], refused["data"]) == (code, None)
    assert studio.sim.spent == 0


async def test_without_a_key_and_without_credits(studio: Studio) -> None:
    studio.sim.credits = 20
    assert (await studio.submit())["code"] == 200
    assert (await studio.ask("GET", "/api/v1/generate/credit"))["data"] == 8
    assert (await studio.submit())["code"] == 429
    studio.key = ""
    assert (await studio.submit())["code"] == 401


async def test_twenty_calls_in_ten_seconds_are_the_limit(
    studio: Studio, clock: ManualClock
) -> None:
    codes = [(await studio.submit())["code"] for _ in range(21)]
    assert codes == [200] * 20 + [430]
    clock.advance(10)
    assert (await studio.submit())["code"] == 200


async def test_another_account_cannot_poll_the_task(studio: Studio) -> None:
    task = (await studio.submit())["data"]["taskId"]
    studio.key = "key-2"
    assert (await studio.poll(task))["code"] == 404


async def test_files_are_gone_after_their_retention(studio: Studio, clock: ManualClock) -> None:
    task = (await studio.submit())["data"]["taskId"]
    for _ in range(3):
        await studio.poll(task)
    url = (await studio.poll(task))["data"]["response"]["sunoData"][0]["audioUrl"]
    async with studio.client.get(url) as reply:
        assert (reply.status, reply.content_type) == (200, "audio/mpeg")
    clock.advance(RETENTION_S)
    async with studio.client.get(url) as reply:
        assert reply.status == 404


class Listener(Simulator):
    """Takes callbacks; says 500 once it is told to."""

    name = "listener"

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Any] = []
        self.failing = False

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/cb", self._heard)]

    async def _heard(self, request: web.Request) -> web.Response:
        self.heard.append(await request.json())
        return answer(request, {}, 500 if self.failing else 200)


async def test_callbacks_are_in_snake_case(studio: Studio) -> None:
    studio.sim.callbacks = True
    async with serve(listener := Listener()) as url:
        task = (await studio.submit(callBackUrl=f"{url}/cb"))["data"]["taskId"]
        for _ in range(5):
            await studio.poll(task)
    stages = [told["data"]["callbackType"] for told in listener.heard]
    assert stages == ["text", "first", "complete"]
    told = listener.heard[-1]["data"]
    assert told["task_id"] == task
    assert told["data"][0]["audio_url"].startswith(studio.url)


async def test_a_callback_that_fails_ends_the_job(studio: Studio) -> None:
    studio.sim.callbacks = True
    async with serve(listener := Listener()) as url:
        listener.failing = True
        task = (await studio.submit(callBackUrl=f"{url}/cb"))["data"]["taskId"]
        states = [(await studio.poll(task))["data"]["status"] for _ in range(4)]
    assert states[3] == "CALLBACK_EXCEPTION"


async def test_a_path_it_does_not_have(client: ClientSession) -> None:
    async with serve(Suno()) as url, client.get(f"{url}/api/v2") as reply:
        assert reply.status == 404
        assert json.loads(await reply.read())["code"] == 404
