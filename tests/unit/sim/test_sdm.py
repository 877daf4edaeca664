"""Google SDM: budgets with Google's texts, offers, sessions, tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import ClientSession

from proxy.sim.base import serve
from proxy.sim.sdm import INVALID_SESSION, LIVE, GoogleSdm
from proxy.sim.sdm_wire import offer
from tests.support.clock import ManualClock

DEVICES = "/v1/enterprises/p/devices"
Reply = tuple[int, Any]


class Home:
    """A signed-in client of the simulator."""

    def __init__(self, sim: GoogleSdm, url: str, client: ClientSession) -> None:
        self.sim, self.url, self.client = sim, url, client
        self.token = sim.token()

    async def get(self, path: str) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.client.get(self.url + path, headers=headers) as reply:
            return reply.status, json.loads(await reply.read())

    async def command(self, name: str, device: str = "camera-1", **params: object) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}"}
        body = {"command": name, "params": params}
        url = f"{self.url}{DEVICES}/{device}:executeCommand"
        async with self.client.post(url, json=body, headers=headers) as reply:
            return reply.status, json.loads(await reply.read())

    async def stream(self, device: str = "camera-1", ufrag: str = "aaaa") -> Any:
        name = LIVE + "GenerateWebRtcStream"
        status, body = await self.command(name, device, offerSdp=offer(ufrag))
        assert status == 200
        return body["results"]


@pytest.fixture
async def home(client: ClientSession, clock: ManualClock) -> Any:
    async with serve(sim := GoogleSdm(clock=clock)) as url:
        yield Home(sim, url, client)


def message(reply: Reply) -> tuple[int, str, str]:
    status, body = reply
    assert body["error"]["code"] == status
    return status, body["error"]["status"], body["error"]["message"]


async def test_list_and_get(home: Home) -> None:
    status, body = await home.get(DEVICES)
    assert status == 200
    names = [device["name"] for device in body["devices"]]
    assert "enterprises/p/devices/camera-1" in names
    assert (await home.get(f"{DEVICES}/camera-1"))[1] == body["devices"][0]
    assert (await home.get("/v1/enterprises/p/structures"))[1]["structures"]
    assert (await home.get("/v1/enterprises/p/structures/home-1/rooms"))[1]["rooms"]


async def test_an_unknown_device_is_not_found(home: Home) -> None:
    text = "Device enterprises/p/devices/none not found."
    assert message(await home.get(f"{DEVICES}/none")) == (404, "NOT_FOUND", text)
    assert message(await home.get("/v1/nowhere"))[:2] == (404, "NOT_FOUND")


async def test_every_stream_is_new_and_lasts_five_minutes_of_the_clock(home: Home) -> None:
    first, second = await home.stream(), await home.stream()
    assert first["mediaSessionId"] != second["mediaSessionId"]
    assert first["answerSdp"] != second["answerSdp"]
    assert first["expiresAt"] == "2027-01-15T08:05:00.000Z"


async def test_an_offer_is_checked(home: Home) -> None:
    reply = await home.command(LIVE + "GenerateWebRtcStream", offerSdp="")
    text = "offerSdp value must be set. This is a required field."
    assert message(reply) == (400, "INVALID_ARGUMENT", text)


async def test_extend_and_stop(home: Home, clock: ManualClock) -> None:
    session = (await home.stream())["mediaSessionId"]
    clock.advance(200)
    status, body = await home.command(LIVE + "ExtendWebRtcStream", mediaSessionId=session)
    assert (status, body["results"]["expiresAt"]) == (200, "2027-01-15T08:08:20.000Z")
    assert await home.command(LIVE + "StopWebRtcStream", mediaSessionId=session) == (200, {})
    reply = await home.command(LIVE + "ExtendWebRtcStream", mediaSessionId=session)
    assert message(reply) == (400, "FAILED_PRECONDITION", INVALID_SESSION)


async def test_a_session_that_expired_or_is_not_ones_own_cannot_be_extended(
    home: Home, clock: ManualClock
) -> None:
    extend = LIVE + "ExtendWebRtcStream"
    session = (await home.stream())["mediaSessionId"]
    own, home.token = home.token, home.sim.token("user-2")
    assert message(await home.command(extend, mediaSessionId=session))[2] == INVALID_SESSION
    home.token = own
    clock.advance(300)
    assert message(await home.command(extend, mediaSessionId=session))[2] == INVALID_SESSION


async def test_a_battery_doorbell_does_not_extend(home: Home) -> None:
    session = (await home.stream("doorbell-1"))["mediaSessionId"]
    extend = LIVE + "ExtendWebRtcStream"
    reply = await home.command(extend, "doorbell-1", mediaSessionId=session)
    assert message(reply)[:2] == (400, "FAILED_PRECONDITION")
    stop = await home.command(LIVE + "StopWebRtcStream", "doorbell-1", mediaSessionId=session)
    assert stop == (200, {})


async def test_rtsp_tokens_change_with_every_extension(home: Home) -> None:
    _, body = await home.command(LIVE + "GenerateRtspStream")
    first = body["results"]
    assert first["streamToken"] in first["streamUrls"]["rtspUrl"]
    extension = {"streamExtensionToken": first["streamExtensionToken"]}
    _, body = await home.command(LIVE + "ExtendRtspStream", **extension)
    second = body["results"]
    assert second["streamToken"] != first["streamToken"]
    stop = LIVE + "StopRtspStream"
    assert message(await home.command(stop, **extension))[0] == 400
    extension = {"streamExtensionToken": second["streamExtensionToken"]}
    assert await home.command(stop, **extension) == (200, {})


async def test_the_budget_of_a_command_is_five_a_minute_and_device(
    home: Home, clock: ManualClock
) -> None:
    for _ in range(5):
        await home.stream()
    reply = await home.command(LIVE + "GenerateWebRtcStream", offerSdp=offer())
    text = "Rate limited for the GenerateWebRtcStream API for the user."
    assert message(reply) == (429, "RESOURCE_EXHAUSTED", text)
    clock.advance(60)
    await home.stream()


async def test_the_budget_of_all_commands_is_ten_a_minute_and_user(home: Home) -> None:
    for device in ("camera-1", "doorbell-1"):
        for _ in range(5):
            await home.stream(device)
    reply = await home.command(LIVE + "GenerateRtspStream")
    text = "Rate limited for the ExecuteDeviceCommand API for the user."
    assert message(reply) == (429, "RESOURCE_EXHAUSTED", text)
    home.token = home.sim.token("user-2")
    await home.stream()


@pytest.mark.parametrize(("path", "budget"), [(DEVICES, 5), (f"{DEVICES}/camera-1", 10)])
async def test_reading_has_budgets_too(home: Home, path: str, budget: int) -> None:
    statuses = [(await home.get(path))[0] for _ in range(budget + 1)]
    assert statuses == [200] * budget + [429]


async def test_a_thermostat_shows_what_it_was_set_to(home: Home) -> None:
    command = "sdm.devices.commands.ThermostatMode.SetMode"
    assert await home.command(command, "thermostat-1", mode="OFF") == (200, {})
    _, body = await home.get(f"{DEVICES}/thermostat-1")
    assert body["traits"]["sdm.devices.traits.ThermostatMode"] == {"mode": "OFF"}


@pytest.mark.parametrize(
    ("command", "device", "params"),
    [
        ("sdm.devices.commands.Fan.Unknown", "thermostat-1", {}),
        ("sdm.devices.commands.ThermostatMode.SetMode", "camera-1", {"mode": "OFF"}),
        ("sdm.devices.commands.ThermostatMode.SetMode", "thermostat-1", {}),
        (LIVE + "GenerateWebRtcStream", "thermostat-1", {"offerSdp": offer()}),
    ],
)
async def test_a_command_the_device_cannot_follow_is_an_invalid_argument(
    home: Home, command: str, device: str, params: dict[str, str]
) -> None:
    assert message(await home.command(command, device, **params))[:2] == (400, "INVALID_ARGUMENT")


async def test_access_tokens_rotate_and_expire(home: Home, clock: ManualClock) -> None:
    grant = {"grant_type": "refresh_token", "refresh_token": "user-1"}
    async with home.client.post(f"{home.url}/oauth2/v4/token", data=grant) as reply:
        fresh = json.loads(await reply.read())["access_token"]
    assert fresh != home.token
    clock.advance(3600)
    assert message(await home.get(DEVICES))[:2] == (401, "UNAUTHENTICATED")
    async with home.client.post(f"{home.url}/oauth2/v4/token", data={}) as reply:
        assert reply.status == 400
