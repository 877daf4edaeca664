"""Attacks on whoever looks: what clients send is shown to operators, never obeyed or told."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import answer
from tests.support.cli import CommandLine
from tests.support.larder import StartLarder
from tests.support.origin import Origin

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b1A\r\n\u202efake  row"
SECRET = "s3ssion-of-somebody"
ROUTES = """
- name: ask
  match: POST /ask
  key: "ask:{body.prompt}"
  ttl: 1h
  tags: ["asked:{body.prompt}"]
  params: [body.prompt]
"""
TELLING = """
- name: mine
  scope: session
  key: "mine:{session}:{path}:{query.sid}"
  ttl: 1h
  tags: ["of:{session}", "sid:{query.sid}"]
  params: [session, query.sid]
  cost: {miss: 1}
"""


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Where an operator runs commands."""
    return CommandLine(capsys, monkeypatch)


async def test_no_client_writes_on_an_operators_terminal(
    larder: StartLarder, origin: Origin, terminal: CommandLine
) -> None:
    origin.reply(answer(b"answer"))
    proxy = await larder(ROUTES)
    await proxy.post("/db/ask", {"prompt": ESCAPE}, {"Content-Type": "application/json"})
    admin = ("--admin", proxy.app.admin_url)
    listed = await terminal.ask("entries", *admin)
    key = (await proxy.entries())[0]["key"]
    shown = await terminal.ask("entries", "--show", key, *admin)
    for ran in (listed, shown):
        assert (ran.code, "owned" in ran.out) == (0, True)
        assert all(line.isprintable() for line in ran.out.split("\n"))
    assert len(listed.out.splitlines()) == 2


async def test_a_session_id_is_told_nowhere(
    larder: StartLarder, origin: Origin, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not by any address of the admin API, nor by any line of a log, wherever it was sent."""
    top = "sessions: {from: [query.sid, header.x-session-id], ttl: 10m, count: {ids: query.sid}}"
    origin.handler = lambda _: answer(b"mine")
    proxy = await larder(TELLING, top=top)
    for target in (f"/db/a?sid={SECRET}", f"/db/a?SID={SECRET}", f"/db/a?x=1;sid={SECRET}"):
        for _ in range(3):
            await proxy.get(target, {"X-Session-ID": SECRET})
    asked = ["/metrics", "/api/stats", "/api/sessions", "/api/entries", "/api/alerts", "/api/warm"]
    asked += [f"/api/entries/{entry['key']}" for entry in await proxy.entries()]
    told = await asyncio.gather(*(proxy.manage("GET", each) for each in asked))
    assert {each.status for each in told} == {200}
    said = [each.body.decode() for each in told]
    assert all(SECRET not in text for text in (*said, *capfd.readouterr()))


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/api/sessions"),
        ("DELETE", "/api/sessions/0"),
        ("POST", "/api/warm"),
        ("POST", "/api/stats/reset"),
        ("GET", "/api/alerts"),
        ("GET", "/api/health/cache"),
    ],
)
@pytest.mark.parametrize(
    "fields",
    [
        {"Host": "rebound.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_no_page_reaches_the_admin_api_through_its_operators_browser(
    larder: StartLarder, method: str, target: str, fields: dict[str, str]
) -> None:
    proxy = await larder("- {name: all, ttl: 1h}", top="sessions: {from: cookie.sid, ttl: 10m}")
    host = {"Host": proxy.app.admin_url.removeprefix("http://")}
    told = await proxy.admin.request(method, target, {**host, **fields})
    assert told.status in (403, 421)
