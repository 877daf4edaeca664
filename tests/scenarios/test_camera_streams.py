"""RULES.md §5.1, camera streams of Google SDM, on SQLite and on Redis, with two instances.

Each test quotes the promise it holds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.sim.sdm import LIVE, GoogleSdm
from proxy.sim.sdm_wire import offer
from tests.support.clock import ManualClock
from tests.support.http import Answer
from tests.support.larder import Larder, until, x_cache
from tests.support.pair import Pair, paired

DEVICES = "/sdm/v1/enterprises/p/devices"


class Page:
    """Promise: "A page that shows cameras: one user, one session"."""

    def __init__(self, token: str, session: str) -> None:
        self.fields = {"Authorization": f"Bearer {token}", "X-Session-ID": session}

    async def command(
        self, larder: Larder, name: str, camera: str = "camera-1", **params: object
    ) -> Answer:
        body = {"command": name if "." in name else LIVE + name, "params": params}
        return await larder.post(f"{DEVICES}/{camera}:executeCommand", body, self.fields)

    async def stream(self, larder: Larder, camera: str = "camera-1") -> Answer:
        return await self.command(larder, "GenerateWebRtcStream", camera, offerSdp=offer())

    async def extend(self, larder: Larder, stream: Answer) -> Answer:
        return await self.command(larder, "ExtendWebRtcStream", mediaSessionId=media(stream))

    async def stop(self, larder: Larder, stream: Answer) -> Answer:
        return await self.command(larder, "StopWebRtcStream", mediaSessionId=media(stream))


def media(stream: Answer) -> str:
    return str(stream.json()["results"]["mediaSessionId"])


@pytest.fixture
async def sdm(shared: str, clock: ManualClock) -> AsyncIterator[Pair[GoogleSdm]]:
    async with paired(GoogleSdm(clock=clock), "SDM_URL", shared, clock) as pair:
        yield pair


@pytest.fixture
def page(sdm: Pair[GoogleSdm]) -> Page:
    return Page(sdm.simulator.token(), "page-1")


async def seen_by(pair: Pair[GoogleSdm], page: Page) -> list[str]:
    """What both instances say of the page's stream."""
    return x_cache(await page.stream(pair.first), await page.stream(pair.second))


async def test_only_generating_is_kept_and_other_commands_pass(
    sdm: Pair[GoogleSdm], page: Page
) -> None:
    """Promise: "`GenerateWebRtcStream` only; other commands pass"."""
    stream = await page.stream(sdm.first)
    assert x_cache(stream, await page.stream(sdm.first)) == ["MISS", "HIT"]
    mode = "sdm.devices.commands.ThermostatMode.SetMode"
    for _ in range(2):
        said = await page.command(sdm.first, mode, "thermostat-1", mode="OFF")
        assert (said.status, said["X-Cache"]) == (200, "BYPASS")
    assert x_cache(await page.extend(sdm.first, stream)) == ["BYPASS"]


async def test_a_stream_belongs_to_one_session_and_one_device(
    sdm: Pair[GoogleSdm], page: Page
) -> None:
    """Promise: "key `stream:{session}:{device}`; session from `X-Session-ID`"."""
    stream = await page.stream(sdm.first)
    other = Page(page.fields["Authorization"].removeprefix("Bearer "), "page-2")
    assert media(await other.stream(sdm.first)) != media(stream)
    assert media(await page.stream(sdm.first, "doorbell-1")) != media(stream)
    again = await page.stream(sdm.first)
    assert (again["X-Cache"], again.body) == ("HIT", stream.body)


LIVES = [(300.0, 284.0, 286.0), (3600.0, 299.0, 301.0)]


@pytest.mark.parametrize(("session_s", "alive", "over"), LIVES)
async def test_a_stream_lives_for_five_minutes_or_until_google_ends_it(
    sdm: Pair[GoogleSdm],
    page: Page,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    session_s: float,
    alive: float,
    over: float,
) -> None:
    """Promise: "5 minutes or the answer's `expiresAt` less a margin, whichever is sooner"."""
    monkeypatch.setattr("proxy.sim.sdm.SESSION_S", session_s)
    await page.stream(sdm.first)
    clock.advance(alive)
    assert x_cache(await page.stream(sdm.first)) == ["HIT"]
    clock.advance(over - alive)
    assert x_cache(await page.stream(sdm.first)) == ["MISS"]


async def test_stopping_drops_it_on_every_instance(sdm: Pair[GoogleSdm], page: Page) -> None:
    """Promise: "Stop … drops the entry"."""
    stream = await page.stream(sdm.first)
    await sdm.first.written(1)
    assert await seen_by(sdm, page) == ["HIT", "HIT"]
    assert (await page.stop(sdm.second, stream)).status == 200

    async def dropped() -> bool:
        return sdm.first.app.cache.position == sdm.second.app.cache.position

    await until(dropped)
    assert media(await page.stream(sdm.first)) != media(stream)


async def test_extending_what_google_has_ended_drops_it(sdm: Pair[GoogleSdm], page: Page) -> None:
    """Promise: "… or a 404, 410 or 400 FAILED_PRECONDITION on Extend, drops the entry"."""
    stream = await page.stream(sdm.first)
    sdm.simulator.sessions.clear()
    refused = await page.extend(sdm.first, stream)
    assert (refused.status, refused.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert x_cache(await page.stream(sdm.first)) == ["MISS"]


async def test_extending_moves_its_end_for_every_instance(
    sdm: Pair[GoogleSdm], page: Page, clock: ManualClock
) -> None:
    """Promise: "Extend moves its end"."""
    stream = await page.stream(sdm.first)
    await sdm.first.written(1)
    clock.advance(200)
    assert (await page.extend(sdm.first, stream)).status == 200
    await sdm.first.written(2)
    clock.advance(200)
    again = [await page.stream(sdm.first), await page.stream(sdm.second)]
    assert x_cache(*again) == ["HIT", "HIT"]
    assert [media(one) for one in again] == [media(stream)] * 2
    clock.advance(100)
    assert x_cache(await page.stream(sdm.first)) == ["MISS"]


async def test_clearing_a_session_drops_all_its_entries(sdm: Pair[GoogleSdm], page: Page) -> None:
    """Promise: "clearing a session drops all its entries"."""
    other = Page(page.fields["Authorization"].removeprefix("Bearer "), "page-2")
    for camera in ("camera-1", "doorbell-1"):
        await page.stream(sdm.first, camera)
        await other.stream(sdm.first, camera)
    await sdm.second.purge(session="page-1", wait=True)
    cleared = [await page.stream(sdm.first, camera) for camera in ("camera-1", "doorbell-1")]
    kept = [await other.stream(sdm.first, camera) for camera in ("camera-1", "doorbell-1")]
    assert (x_cache(*cleared), x_cache(*kept)) == (["MISS", "MISS"], ["HIT", "HIT"])


async def test_entries_survive_a_restart_and_are_seen_by_every_instance(
    sdm: Pair[GoogleSdm], page: Page
) -> None:
    """Promise: "entries survive a restart and are seen by every instance"."""
    stream = await page.stream(sdm.first)
    await sdm.first.written(1)
    assert x_cache(await page.stream(sdm.second)) == ["HIT"]
    await sdm.restart()
    again = await page.stream(sdm.second)
    assert (again["X-Cache"], again.body) == ("HIT", stream.body)
    assert sdm.simulator.count("POST") == 1


async def test_statistics_are_kept_for_each_session(
    sdm: Pair[GoogleSdm], page: Page, clock: ManualClock
) -> None:
    """Promise: "per-session statistics"."""
    for camera in ("camera-1", "camera-1", "doorbell-1"):
        await page.stream(sdm.first, camera)
    clock.advance(10)
    listed: list[dict[str, Any]] = (await sdm.first.manage("GET", "/api/sessions")).json()[
        "sessions"
    ]
    (mine,) = listed
    assert "page-1" not in str(listed)
    assert (mine["hits"], mine["misses"], mine["entries"]) == (1, 2, 2)
    assert mine["counts"] == {"devices": 2}
    assert mine["age_s"] == pytest.approx(10.0)


async def test_pages_of_the_app_may_send_their_session_id(shared: str, clock: ManualClock) -> None:
    """Promise: "CORS lets `X-Session-ID` in"."""
    app = "https://app.example"
    environment = {"CORS_ORIGIN": app}
    async with paired(GoogleSdm(clock=clock), "SDM_URL", shared, clock, environment) as sdm:
        path = f"{DEVICES}/camera-1:executeCommand"
        asked = {
            "Origin": app,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type, x-session-id",
        }
        allowed = await sdm.first.ask("OPTIONS", path, asked)
        assert (allowed.status, allowed["Access-Control-Allow-Origin"]) == (204, app)
        assert "x-session-id" in allowed["Access-Control-Allow-Headers"].lower()
        assert sdm.simulator.count() == 0
        page = Page(sdm.simulator.token(), "page-1")
        page.fields |= {"Origin": app}
        for said in (await page.stream(sdm.first), await page.stream(sdm.first)):
            assert said["Access-Control-Allow-Origin"] == app
        page.fields |= {"Origin": "https://elsewhere.example"}
        assert "access-control-allow-origin" not in (await page.stream(sdm.first)).fields
