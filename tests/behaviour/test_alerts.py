"""Alerts and the cache's health: told when too few look-ups are hits, and when that is over."""

from __future__ import annotations

import logging

import pytest

from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.larder import Larder, StartLarder
from tests.support.origin import Origin

ROUTES = """
- {name: speech, match: "GET /speech/{n}", ttl: 1d}
- {name: music, match: "GET /music/{n}", ttl: 1d}
"""
TOP = """
alerts: [{name: low, routes: [speech], hit_rate: 50%, over: 1h, requests: 4}]
health: {requests: 4, over: 1h}
"""


async def _alert(proxy: Larder) -> tuple[bool, float | None]:
    told = (await proxy.manage("GET", "/api/alerts")).json()["alerts"][0]
    return told["firing"], told["hit_rate"]


async def _get(proxy: Larder, *targets: str) -> None:
    for target in targets:
        assert (await proxy.get(f"/db/{target}")).status == 200


async def test_an_alert_fires_and_ends(
    larder: StartLarder, origin: Origin, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "larder.alerts")
    clock = ManualClock()
    proxy = await larder(ROUTES, top=TOP, clock=clock)
    origin.handler = lambda _: answer(b"x")
    await _get(proxy, "speech/1", "speech/2", "speech/3", "music/1")
    assert await _alert(proxy) == (False, 0.0)  # too few to tell
    await _get(proxy, "speech/4")
    assert await _alert(proxy) == (True, 0.0)
    assert await proxy.metric("larder_alert_firing", alert="low") == 1
    assert "alert low" in caplog.text
    await _get(proxy, *(f"speech/{n}" for n in (1, 2, 3, 4)))
    assert await _alert(proxy) == (False, 0.5)
    assert await proxy.metric("larder_alert_firing", alert="low") == 0
    assert "is over" in caplog.text


async def test_only_the_window_counts(larder: StartLarder, origin: Origin) -> None:
    clock = ManualClock()
    proxy = await larder(ROUTES, top=TOP, clock=clock)
    origin.handler = lambda _: answer(b"x")
    await _get(proxy, *(f"speech/{n}" for n in range(6)))
    assert await _alert(proxy) == (True, 0.0)
    clock.advance(3700)
    assert await _alert(proxy) == (False, None)


async def test_the_health_of_the_cache_is_its_hit_rate(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(ROUTES, top=TOP, clock=ManualClock())
    origin.handler = lambda _: answer(b"x")

    async def health() -> tuple[bool, float | None]:
        told = (await proxy.manage("GET", "/api/health/cache")).json()
        return told["healthy"], told["hit_rate"]

    assert await health() == (True, None)
    await _get(proxy, *("music/1" for _ in range(4)))
    assert await health() == (False, 0.75)  # 80 % unless the file says otherwise
    await _get(proxy, "music/1")
    assert await health() == (True, 0.8)


async def test_health_may_ask_for_less(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(ROUTES, top="health: {hit_rate: 50%, requests: 2}", clock=ManualClock())
    origin.handler = lambda _: answer(b"x")
    await _get(proxy, "music/1", "music/1")
    told = (await proxy.manage("GET", "/api/health/cache")).json()
    assert (told["healthy"], told["least_hit_rate"]) == (True, 0.5)


async def test_a_reset_begins_the_window_anew(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(ROUTES, top=TOP, clock=ManualClock())
    origin.handler = lambda _: answer(b"x")
    await _get(proxy, *(f"speech/{n}" for n in range(6)))
    assert await _alert(proxy) == (True, 0.0)
    await proxy.manage("POST", "/api/stats/reset")
    assert await _alert(proxy) == (False, None)
