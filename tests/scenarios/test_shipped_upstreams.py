"""The shipped rules against the simulated upstreams, over real sockets: what each rule promises.

Each test is one upstream and one promise of rules.yaml that a wrong rule would break.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from proxy.edges.app import running
from proxy.edges.settings import Settings
from proxy.rules.settings import Address
from proxy.sim.base import Simulator, serve
from proxy.sim.database import Database
from proxy.sim.jwt import sign
from proxy.sim.kling import Kling
from proxy.sim.openai import OpenAI
from proxy.sim.openai_service import Trouble
from proxy.sim.sdm import LIVE, GoogleSdm
from proxy.sim.sdm_wire import offer
from proxy.sim.suno import Suno

RULES = Path(__file__).parents[2] / "rules.yaml"
FREE = Address("127.0.0.1", 0)
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
SONG = {"customMode": False, "prompt": "quiet", "callBackUrl": "http://me/cb"}


class Client:
    """Asks one upstream through the proxy; `said` is the last answer's X-Cache."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self.session, self.url = session, url
        self.headers = {"Authorization": "Bearer key-1"}
        self.said = ""

    async def bytes(self, method: str, path: str, body: object = None) -> bytes:
        url = self.url + path
        async with self.session.request(method, url, json=body, headers=self.headers) as reply:
            self.said = reply.headers.get("X-Cache", "")
            return await reply.read()

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        content = await self.bytes(method, path, body)
        return json.loads(content) if content else None


@asynccontextmanager
async def through(simulator: Simulator, mount: str, variable: str) -> AsyncIterator[Client]:
    """A client of the simulator behind a proxy with the shipped rules."""
    settings = Settings(rules=RULES, listen=FREE, admin=FREE)
    async with serve(simulator) as url:
        environment = {variable: url, "REDIS_URL": "none", "KLING_SCOPE": "shared"}
        async with running(settings, environment) as app, ClientSession() as session:
            yield Client(session, app.proxy_url + mount)


@pytest.mark.parametrize(
    ("trouble", "changes"),
    [
        (Trouble.STREAM_ERROR, {"stream": True}),
        (Trouble.DROP, {"stream": True}),
        (Trouble.FILTERED, {}),
        (Trouble.RATE_LIMIT, {}),
        (Trouble.SERVER_ERROR, {}),
    ],
)
async def test_openai_answers_that_went_wrong_are_not_kept(
    trouble: Trouble, changes: dict[str, object]
) -> None:
    sim, chat = OpenAI(), "/v1/chat/completions"
    sim.troubles.append(trouble)
    async with through(sim, "/openai", "OPENAI_URL") as client:
        if trouble is Trouble.DROP:
            with pytest.raises(ClientError):
                await client.bytes("POST", chat, CHAT | changes)
        else:
            await client.bytes("POST", chat, CHAT | changes)
        whole = await client.bytes("POST", chat, CHAT | changes)
        assert client.said == "MISS"
        assert await client.bytes("POST", chat, CHAT | changes) == whole
        assert client.said == "HIT"
    assert sim.count() == 2


async def test_an_openai_stream_cut_anywhere_is_replayed_byte_for_byte() -> None:
    sim = OpenAI()
    sim.wire.pieces = (1, 7, 2)
    async with through(sim, "/openai", "OPENAI_URL") as client:
        for path, body in (("chat/completions", CHAT), ("responses", {"model": "m", "input": "a"})):
            first = await client.bytes("POST", f"/v1/{path}", body | {"stream": True})
            again = await client.bytes("POST", f"/v1/{path}", body | {"stream": True})
            assert (client.said, again) == ("HIT", first)


async def test_an_openai_response_that_is_deleted_is_forgotten() -> None:
    async with through(OpenAI(), "/openai", "OPENAI_URL") as client:
        body = {"model": "m", "input": "a"}
        first = await client.ask("POST", "/v1/responses", body)
        await client.ask("GET", f"/v1/responses/{first['id']}")
        await client.ask("DELETE", f"/v1/responses/{first['id']}")
        gone = await client.ask("GET", f"/v1/responses/{first['id']}")
        assert gone["error"]["code"] is None
        assert (await client.ask("POST", "/v1/responses", body))["id"] != first["id"]


async def test_an_openai_call_that_passes_through_drops_no_other_answer() -> None:
    """All chats have one URL: a POST there that is not kept must not count as a write to it."""
    chat, tools = "/v1/chat/completions", [{"type": "function", "function": {"name": "f"}}]
    async with through(OpenAI(), "/openai", "OPENAI_URL") as client:
        first = await client.bytes("POST", chat, CHAT)
        await client.bytes("POST", chat, CHAT | {"stream": True, "tools": tools})
        assert client.said == "BYPASS"
        assert (await client.bytes("POST", chat, CHAT), client.said) == (first, "HIT")


async def test_a_camera_stream_is_its_sessions_until_it_is_stopped() -> None:
    sim = GoogleSdm()
    async with through(sim, "/sdm", "SDM_URL") as client:
        path = "/v1/enterprises/p/devices/camera-1:executeCommand"
        start = {"command": LIVE + "GenerateWebRtcStream", "params": {"offerSdp": offer()}}
        client.headers = {"Authorization": f"Bearer {sim.token()}", "X-Session-ID": "a"}
        first = await client.ask("POST", path, start)
        assert (await client.ask("POST", path, start), client.said) == (first, "HIT")
        client.headers |= {"X-Session-ID": "b"}
        assert await client.ask("POST", path, start) != first
        client.headers |= {"X-Session-ID": "a"}
        params = {"mediaSessionId": first["results"]["mediaSessionId"]}
        for command, kept in (("ExtendWebRtcStream", True), ("StopWebRtcStream", False)):
            await client.ask("POST", path, {"command": LIVE + command, "params": params})
            await client.ask("POST", path, start)
            assert client.said == ("HIT" if kept else "MISS")


async def test_a_camera_session_that_google_ended_is_dropped_when_extending_fails() -> None:
    sim = GoogleSdm()
    async with through(sim, "/sdm", "SDM_URL") as client:
        path = "/v1/enterprises/p/devices/camera-1:executeCommand"
        start = {"command": LIVE + "GenerateWebRtcStream", "params": {"offerSdp": offer()}}
        client.headers = {"Authorization": f"Bearer {sim.token()}", "X-Session-ID": "a"}
        first = await client.ask("POST", path, start)
        sim.sessions.clear()
        params = {"mediaSessionId": first["results"]["mediaSessionId"]}
        extend = {"command": LIVE + "ExtendWebRtcStream", "params": params}
        assert (await client.ask("POST", path, extend))["error"]["status"] == "FAILED_PRECONDITION"
        assert await client.ask("POST", path, start) != first


async def test_a_device_command_drops_what_is_known_of_the_device() -> None:
    sim = GoogleSdm()
    async with through(sim, "/sdm", "SDM_URL") as client:
        client.headers = {"Authorization": f"Bearer {sim.token()}"}
        path = "/v1/enterprises/p/devices/thermostat-1"
        mode = "sdm.devices.traits.ThermostatMode"
        for wanted in ("OFF", "HEAT"):
            body = {"command": "sdm.devices.commands.ThermostatMode.SetMode"}
            await client.ask("POST", f"{path}:executeCommand", body | {"params": {"mode": wanted}})
            for _ in range(2):
                shown = await client.ask("GET", path)
                assert shown["traits"][mode]["mode"] == wanted
            assert client.said == "HIT"


async def test_a_suno_job_that_fails_is_not_handed_out_again() -> None:
    sim = Suno()
    sim.endings.append("GENERATE_AUDIO_FAILED")
    sim.troubles.append(455)
    async with through(sim, "/suno", "SUNO_URL") as client:
        assert (await client.ask("POST", "/api/v1/generate", SONG))["code"] == 455
        first = await client.ask("POST", "/api/v1/generate", SONG)
        assert await client.ask("POST", "/api/v1/generate", SONG) == first
        path = f"/api/v1/generate/record-info?taskId={first['data']['taskId']}"
        states = [(await client.ask("GET", path))["data"]["status"] for _ in range(4)]
        assert states[-1] == "GENERATE_AUDIO_FAILED"
        second = await client.ask("POST", "/api/v1/generate", SONG)
        assert second["data"]["taskId"] != first["data"]["taskId"]


async def test_kling_jobs_are_shared_by_clients_that_sign_anew_each_time() -> None:
    sim = Kling()
    sim.failures = 1
    async with through(sim, "/kling", "KLING_URL") as client:
        path, tasks, states = "/v1/videos/text2video", [], []
        for age in (60, 30, 0):
            token = sign("access-1", "secret-1", sim.clock() - age)
            client.headers = {"Authorization": f"Bearer {token}"}
            tasks.append((await client.ask("POST", path, {"prompt": "a"}))["data"]["task_id"])
            for _ in range(3):
                told = await client.ask("GET", f"{path}/{tasks[-1]}")
                states.append(told["data"]["task_status"])
        assert states[2] == "failed"
        assert states[5:] == ["succeed"] * 4
        assert tasks[0] != tasks[1] == tasks[2]
        assert client.said == "HIT"
    assert sim.count("POST") == 2


async def test_database_reads_follow_writes() -> None:
    sim = Database()
    async with through(sim, "/db", "DB_URL") as client:
        client.headers = {}
        sim.put("/projects/42/scenes", {"id": "s", "take": 1})
        for path in ("/projects/42/scenes", "/projects/42/scenes/s"):
            await client.ask("GET", path)
            await client.ask("GET", path)
            assert client.said == "HIT"
        await client.ask("PATCH", "/projects/42/scenes/s", {"take": 2})
        assert (await client.ask("GET", "/projects/42/scenes"))["items"][0]["take"] == 2
        assert (await client.ask("GET", "/projects/42/scenes/s"))["take"] == 2
        await client.ask("DELETE", "/projects/42/scenes/s")
        assert (await client.ask("GET", "/projects/42/scenes"))["count"] == 0
