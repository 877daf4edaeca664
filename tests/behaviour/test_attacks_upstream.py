"""Attacks by a compromised upstream: what it may not do to clients, to other upstreams, to keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.answers import answer
from tests.support.behind import settled
from tests.support.larder import StartLarder, serving, x_cache
from tests.support.origin import Origin

JSON = {"Content-Type": "application/json"}
ENDLESS = b"1" + b"0" * 400
BY_COOKIE = "sessions: {from: cookie.sid, issue: cookie, ttl: 10m}"
BY_HEADER = "sessions: {from: header.x-session-id, issue: header, ttl: 10m}"
SESSIONS = """
- {name: mine, match: GET /mine, scope: session, ttl: 1d}
- {name: others, ttl: 1d, scope: shared, set_cookie: store}
"""
LEASES = """
- name: lease
  match: POST /leases/{id}
  key: "lease:{path.id}"
  ttl: {default: 5m, from: response.body.end}
  tags: ["lease:{path.id}"]
- name: lease-extend
  match: POST /leases/{id}/extend
  ttl: off
  extend: {key: "lease:{path.id}", tags: ["lease:{path.id}"], until: response.body.end}
"""
TWO = """
upstreams:
  db:
    url: ${ORIGIN}
    routes:
      - name: items
        match: GET /items
        ttl: 1h
        prefetch: "GET /{item.kind}/{item.id} for item in response.body.items"
      - {name: others, ttl: 1h}
  vault: {url: "${VAULT}", mount: /db/vault}
store: {shared: none}
"""


@pytest.mark.parametrize("end", [ENDLESS, b"1e308", b"1e18", b'"9999-12-31T23:59:59Z"'])
@pytest.mark.parametrize("extends", [True, False], ids=["extend", "ttl-from"])
async def test_an_end_beyond_all_measure_breaks_no_answer(
    larder: StartLarder, origin: Origin, every_store: str, end: bytes, *, extends: bool
) -> None:
    """It is served, listed and purged like any other."""
    body = b'{"end": %s}' % end
    proxy = await larder(LEASES, shared=every_store)
    origin.reply(answer(b"{}" if extends else body, fields=JSON))
    await proxy.post("/db/leases/1", b"")
    if extends:
        origin.reply(answer(body, fields=JSON))
        assert (await proxy.post("/db/leases/1/extend", b"")).status == 200
    told = await proxy.post("/db/leases/1", b"")
    assert (told.status, told["X-Cache"], len(told["Cache-Status"]) < 60) == (200, "HIT", True)
    assert len(await proxy.entries()) == 1
    await proxy.purge(tags=["lease:1"])
    origin.reply(answer(b"new"))
    assert (await proxy.post("/db/leases/1", b"")).body == b"new"


@pytest.mark.parametrize(
    "line", ["{}; Path=/", "{}", " {}; Secure", "={}", "{}; Domain=larder.test"]
)
async def test_no_upstream_gives_a_client_the_session_cookie_of_another(
    larder: StartLarder, origin: Origin, line: str
) -> None:
    """1. an attacker is given an id; 2. an upstream hands it to everybody; 3. it is nobody's."""
    proxy = await larder(SESSIONS, top=BY_COOKIE)
    origin.reply(answer(b"1"))
    theirs = (await proxy.get("/db/mine"))["Set-Cookie"].partition(";")[0]  # 1
    other = ("Set-Cookie", "theme=dark")
    origin.reply(answer(b"2", fields=[("Set-Cookie", line.format(theirs)), other]))
    told = [await proxy.get("/db/logo"), await proxy.get("/db/logo")]  # 2
    assert x_cache(*told) == ["MISS", "HIT"]
    assert [each.fields.get_all("Set-Cookie") for each in told] == [("theme=dark",)] * 2  # 3
    origin.reply(answer(b"3", fields={"Set-Cookie": theirs}))
    own = (await proxy.get("/db/mine")).fields.get_all("Set-Cookie")
    assert (len(own), theirs in own[0]) == (1, False)


async def test_no_upstream_gives_a_client_the_session_header_of_another(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder(SESSIONS, top=BY_HEADER)
    origin.reply(answer(b"1"))
    theirs = (await proxy.get("/db/mine"))["X-Session-ID"]
    origin.reply(answer(b"2", fields={"X-Session-ID": theirs}))
    told = [await proxy.get("/db/logo"), await proxy.get("/db/logo")]
    assert ["X-Session-ID" in each.fields for each in told] == [False, False]


async def test_a_prefetch_takes_no_credential_to_another_upstream(
    origin: Origin, tmp_path: Path
) -> None:
    """What an answer names is asked of the upstream that gave it, or of nobody."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(TWO)
    items = [{"kind": "vault", "id": "x"}, {"kind": "plain", "id": "y"}]
    origin.reply(answer(json.dumps({"items": items}).encode(), fields=JSON))
    origin.handler = lambda _: answer(b"item")
    async with (
        Origin(lambda _: answer(b"open")) as vault,
        serving(rules, {"ORIGIN": origin.url, "VAULT": vault.url}) as proxy,
    ):
        await proxy.get("/db/items", {"Authorization": "Bearer for-db"})
        await settled(proxy)
        assert [each.target for each in origin.requests] == ["/items", "/plain/y"]
        assert vault.requests == []


async def test_an_upstream_does_not_tell_what_its_answers_cost(
    larder: StartLarder, origin: Origin
) -> None:
    lies = {"X-Cost": "0", "X-Cost-Saved": "99", "X-Cost-Unit": "usd", "X-Cache": "HIT"}
    origin.handler = lambda _: answer(b"x", fields=lies)
    proxy = await larder("- {name: paid, ttl: 1d, cost: {miss: 20, hit: 1}}")
    told = [await proxy.get("/db/a"), await proxy.get("/db/a")]
    shown = [
        [each.fields.get_all(name) for name in ("X-Cost", "X-Cost-Unit", "X-Cost-Saved", "X-Cache")]
        for each in told
    ]
    assert shown == [
        [("20",), ("credits",), (), ("MISS",)],
        [("1",), ("credits",), ("19",), ("HIT",)],
    ]


@pytest.mark.parametrize("tokens", [-(10**9), "-1e9", -1e300, True, None, []])
async def test_an_upstream_that_counts_below_nothing_gives_no_money_back(
    larder: StartLarder, origin: Origin, tokens: object
) -> None:
    """1. an answer claims to cost less than nothing; 2. the budget is spent; 3. it stays so."""
    routes = """
    - {name: free, match: GET /free, ttl: 1h, cost: {tokens: response.body.usage, prices: openai}}
    - {name: paid, ttl: 1h, cost: {miss: 5, unit: usd}}
    """
    proxy = await larder(routes, top="budgets: [{name: all, limit: 5, unit: usd}]")
    told = {"model": "gpt-4o", "usage": {"prompt_tokens": tokens, "completion_tokens": 0}}
    origin.reply(answer(told, fields=JSON), answer(b"paid"))
    assert (await proxy.get("/db/free")).status == 200  # 1
    assert (await proxy.get("/db/1")).status == 200  # 2
    assert (await proxy.get("/db/2")).status == 429  # 3


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", 'a", "b', "\u20ac", "\x00", "x" * 5000, [1]])
async def test_a_value_of_an_answer_is_no_more_than_a_tag(
    larder: StartLarder, origin: Origin, value: object
) -> None:
    origin.reply(answer({"at": value}, fields=JSON))
    proxy = await larder("- {name: all, ttl: 1d, etag: response.body.at}")
    first = await proxy.get("/db/a")
    assert "X-Evil" not in first.fields
    again = await proxy.get("/db/a", {"If-None-Match": first["ETag"]})
    assert (again.status, len(first["ETag"]) < 300) == (304, True)
