"""The whole program in this process: it serves, reloads, drains, and says why it cannot begin."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.edges.app import App, running
from proxy.edges.control import BreakerState, State
from proxy.edges.settings import Settings
from proxy.errors import SettingsError
from proxy.flow import tasks
from proxy.rules.problems import RuleFileError
from proxy.rules.settings import Address
from tests.support.answers import Close, answer
from tests.support.http import Client, Connection
from tests.support.origin import Origin
from tests.support.ports import LOOPBACK

ANY_PORT = Address(LOOPBACK, 0)
RULES = """
store: {shared: none}
upstreams:
  db:
    url: ORIGIN
    retry: {attempts: 1}
    breaker: {failures: 1, open: 1h}
    routes: [{name: a, match: GET /a, ttl: 1m, scope: shared}]
"""


@pytest.fixture
def settings(tmp_path: Path, origin: Origin) -> Settings:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("ORIGIN", origin.url))
    return Settings(rules=path, listen=ANY_PORT, admin=ANY_PORT, log_level=logging.ERROR)


@asynccontextmanager
async def program(settings: Settings) -> AsyncIterator[tuple[App, Client]]:
    async with running(settings, {}) as app, Client(app.proxy_url) as client:
        yield app, client


async def test_it_serves_and_its_admin_api_answers(origin: Origin, settings: Settings) -> None:
    origin.reply(answer(b"a"))
    async with program(settings) as (app, client), Client(app.admin_url) as admin:
        got = [(await client.get("/db/a"))["X-Cache"] for _ in range(2)]
        assert (app.state(), got) == (State.SERVING, ["MISS", "HIT"])
        assert (await admin.get("/-/ready")).status < 500


async def test_a_reload_puts_new_rules_in_force_for_the_next_request(
    origin: Origin, settings: Settings
) -> None:
    origin.reply(answer(b"a"), answer(b"b"), answer(b"c"))
    async with program(settings) as (app, client):
        await client.get("/db/a")
        before = app.config().digest
        text = settings.rules.read_text()
        settings.rules.write_text(text.replace("ttl: 1m", 'ttl: "off"'))
        assert await app.reload() == ()
        assert app.config().digest != before
        assert (await client.get("/db/a"))["X-Cache"] == "BYPASS"


async def test_a_reload_with_a_problem_tells_it_and_changes_nothing(
    origin: Origin, settings: Settings
) -> None:
    origin.reply(answer(b"a"))
    async with program(settings) as (app, client):
        before = app.config()
        settings.rules.write_text(settings.rules.read_text().replace("ttl", "tll"))
        [problem] = await app.reload()
        assert "tll" in problem
        assert app.config() is before
        assert (await client.get("/db/a")).status == 200


async def test_a_reload_keeps_the_breakers_of_upstreams_that_did_not_change(
    origin: Origin, settings: Settings
) -> None:
    origin.reply((Close(),))
    async with program(settings) as (app, client):
        assert app.readings().breakers == {"db": BreakerState.CLOSED}
        await client.get("/db/x")
        assert app.readings().breakers == {"db": BreakerState.OPEN}
        await app.reload()
        assert app.readings().breakers == {"db": BreakerState.OPEN}
        text = settings.rules.read_text()
        settings.rules.write_text(text.replace("open: 1h", "open: 2h"))
        await app.reload()
        assert app.readings().breakers == {"db": BreakerState.CLOSED}


async def test_a_request_under_way_is_answered_before_the_program_ends(
    origin: Origin, settings: Settings
) -> None:
    go = asyncio.Event()
    origin.reply(answer(b"late", hold_head=go))
    app = await start(settings)
    async with Connection.open(app.proxy_url) as client:
        await client.ask("GET", "/db/a")
        await origin.received(1)
        ending = tasks.spawn(stop(app), "end")
        while app.state() is not State.DRAINING:  # noqa: ASYNC110  the program tells nobody
            await asyncio.sleep(0)
        assert app.readings().in_flight == 1
        go.set()
        assert (await client.answer()).body == b"late"
        assert await client.to_end() == b""
        await ending


async def test_a_request_that_does_not_end_is_cut_off_when_its_time_is_over(
    origin: Origin, settings: Settings
) -> None:
    never = asyncio.Event()
    origin.reply(answer(b"1234", hold_body=never, hold_at=2))
    app = await start(replace(settings, drain_s=0.05))
    async with Connection.open(app.proxy_url) as client:
        await client.ask("GET", "/db/a")
        await origin.received(1)
        async with asyncio.timeout(5):
            await stop(app)
        assert (await client.answer()).complete is False


_CONTEXTS: dict[App, object] = {}


async def start(settings: Settings) -> App:
    """Begin serving; `stop` ends it, from another task if need be."""
    context = running(settings, {})
    app = await context.__aenter__()
    _CONTEXTS[app] = context
    return app


async def stop(app: App) -> None:
    """End it."""
    await _CONTEXTS.pop(app).__aexit__(None, None, None)  # type: ignore[attr-defined]


def at(settings: Settings, name: str, address: Address) -> Settings:
    """Settings with one address changed."""
    if name == "listen":
        return replace(settings, listen=address)
    return replace(settings, admin=address)


@pytest.mark.parametrize("name", ["listen", "admin"])
async def test_an_address_in_use_is_told_with_its_setting(settings: Settings, name: str) -> None:
    taken = await asyncio.start_server(lambda *_: None, LOOPBACK, 0)
    address = Address(LOOPBACK, taken.sockets[0].getsockname()[1])
    async with taken:
        with pytest.raises(SettingsError, match=rf"{address}.*--{name}"):
            await start(at(settings, name, address))


async def test_certificates_that_are_none_are_told_by_their_names(settings: Settings) -> None:
    rules = settings.rules.with_name("tls.yaml")
    tls = "server: {tls: {cert: no.pem, key: no.key}}\n"
    rules.write_text(tls + settings.rules.read_text())
    with pytest.raises(SettingsError, match=r"server\.tls.*no\.pem"):
        await start(replace(settings, rules=rules))


async def test_rules_with_a_problem_do_not_begin(settings: Settings) -> None:
    settings.rules.write_text("upstreams: {db: {}}")
    with pytest.raises(RuleFileError):
        await start(settings)
