"""The admin API called from a command: where it is, what goes wrong, where the token goes."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.cli.client import AbsentError, AdminClient
from proxy.errors import SettingsError
from tests.support.cli import CONFIG, CommandLine, admin_api
from tests.support.control import SmallProgram
from tests.support.ports import free_port

TOKEN = "0123456789abcdef"


async def test_where_the_admin_api_is_comes_from_option_or_environment(larder: CommandLine) -> None:
    async with admin_api(SmallProgram(CONFIG)) as url:
        assert (await larder.ask("stats", "--admin", url)).code == 0
        assert (await larder.ask("stats", "--admin", url.removeprefix("http://"))).code == 0
        larder.env(LARDER_ADMIN=f"0.0.0.0:{url.rpartition(':')[2]}")
        assert (await larder.ask("stats")).code == 0


async def test_the_token_comes_from_the_environment(larder: CommandLine) -> None:
    async with admin_api(SmallProgram(CONFIG), TOKEN) as url:
        ran = await larder.ask("stats", "--admin", url)
        assert ran.code == 1
        assert "LARDER_ADMIN_TOKEN" in ran.err
        larder.env(LARDER_ADMIN_TOKEN=TOKEN)
        assert (await larder.ask("stats", "--admin", url)).code == 0


def test_nothing_running_is_told_with_a_remedy(larder: CommandLine) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ran = larder.run("stats", "--admin", url)
    assert ran.code == 1
    assert ran.err == (
        f"larder stats: no Larder answers at {url} (Connection refused); start one with "
        "`larder run`, or name its admin API with --admin or LARDER_ADMIN\n"
    )


@pytest.mark.parametrize("body", ["<html>", "[]", ""])
async def test_another_server_is_recognised(larder: CommandLine, body: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body)

    app = web.Application()
    app.router.add_get("/api/stats", answer)
    async with TestServer(app) as server:
        ran = await larder.ask("stats", "--admin", f"http://127.0.0.1:{server.port}")
    assert ran.code == 1
    assert "is not the admin API of a Larder (status 200)" in ran.err


@pytest.mark.parametrize("url", ["nonsense", "ftp://h:1", "http://h", "http://:80", "http://h:x"])
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="--admin: must be http://HOST:PORT"):
        AdminClient(url)


async def test_what_is_not_there_is_told_apart() -> None:
    async with admin_api(SmallProgram(CONFIG)) as url:
        client = AdminClient(url)
        with pytest.raises(AbsentError, match="nothing is known"):
            await asyncio.to_thread(client.delete, f"/api/sessions/{'0' * 24}")
