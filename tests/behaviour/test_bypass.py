"""Where the proxy keeps out of the way, and says why: answer, log and metric use one word."""

from __future__ import annotations

import json

import pytest

from tests.support.answers import answer
from tests.support.build import FieldLines
from tests.support.larder import StartLarder, until, x_cache
from tests.support.origin import Origin

JSON = {"Content-Type": "application/json"}
TEMPLATE = "- {name: r, match: 'GET,POST /{any:path}', ttl: 5m, key: 'k:{body.prompt}'}"
BODY_KEY = "- {name: r, match: 'GET,POST /{any:path}', ttl: 5m, key: {body: [model]}}"
ALL = "- {name: r, match: 'GET,POST /{any:path}', ttl: 5m}"


@pytest.mark.parametrize(
    ("routes", "method", "fields", "body", "forward", "reason"),
    [
        pytest.param("- {name: r, ttl: off}", "GET", {}, "", "bypass", "ttl-off", id="ttl-off"),
        pytest.param(
            "- {name: r, ttl: 5m, enabled: false}",
            "GET",
            {},
            "",
            "bypass",
            "route-off",
            id="route-off",
        ),
        pytest.param(
            ALL,
            "GET",
            {"Cache-Control": "no-store"},
            "",
            "bypass",
            "request-no-store",
            id="no-store",
        ),
        pytest.param(ALL, "GET", {"If-Match": '"a"'}, "", "bypass", "condition", id="if-match"),
        pytest.param(
            ALL,
            "GET",
            {"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"},
            "",
            "bypass",
            "condition",
            id="if-unmodified",
        ),
        pytest.param(
            ALL, "GET", {"Range": "bytes=0-1,5-6"}, "", "bypass", "range", id="ranges-on-a-miss"
        ),
        pytest.param(
            ALL,
            "GET",
            {"X-HTTP-Method-Override": "DELETE"},
            "",
            "bypass",
            "override-field",
            id="override",
        ),
        pytest.param(ALL, "PUT", {}, "x", "method", "method", id="method-of-a-rule"),
        pytest.param("", "POST", {}, "x", "method", "method", id="method-of-http"),
        pytest.param("", "DELETE", {}, "", "method", "method", id="delete"),
        pytest.param("", "PROPFIND", {}, "<x/>", "method", "method", id="unknown-method"),
        pytest.param("", "GET", {}, "body", "bypass", "get-body", id="get-with-a-body"),
        pytest.param(
            TEMPLATE,
            "POST",
            JSON,
            '{"other":1}',
            "bypass",
            "missing-selector",
            id="missing-selector",
        ),
        pytest.param(
            TEMPLATE, "POST", JSON, "not json", "bypass", "body-not-json", id="template-not-json"
        ),
        pytest.param(
            BODY_KEY, "POST", JSON, "not json", "bypass", "body-not-json", id="key-not-json"
        ),
        pytest.param(
            "- {name: r, ttl: 5m, scope: session}",
            "GET",
            {},
            "",
            "bypass",
            "no-session",
            id="no-session",
        ),
    ],
)
async def test_every_bypass_says_why(
    larder: StartLarder,
    origin: Origin,
    routes: str,
    method: str,
    fields: FieldLines,
    body: str,
    forward: str,
    reason: str,
) -> None:
    origin.handler = lambda _: answer("x", fields=[("Cache-Control", "max-age=60")])
    proxy = await larder(routes, top="sessions: {from: [header.x-session-id]}")
    told = [await proxy.ask(method, "/db/a", fields, body) for _ in range(2)]
    assert x_cache(*told) == ["BYPASS", "BYPASS"]
    assert told[0]["Cache-Status"] == f"larder; fwd={forward}; fwd-status=200; detail={reason}"
    assert [request.body for request in origin.requests] == [body.encode()] * 2
    record = await proxy.told(2)
    assert (record.outcome, record.reason, record.stored) == ("bypass", reason, False)
    assert await proxy.metric("larder_reasons_total", outcome="bypass", reason=reason) == 2


@pytest.mark.parametrize(
    ("routes", "fields", "status", "body", "reason"),
    [
        pytest.param("", {"Cache-Control": "no-store"}, 200, "x", "no-store", id="no-store"),
        pytest.param("", {"Cache-Control": "private"}, 200, "x", "private", id="private"),
        pytest.param("", {}, 200, "x", "no-lifetime", id="no-lifetime"),
        pytest.param(
            "", {"Vary": "*", "Cache-Control": "max-age=9"}, 200, "x", "vary-star", id="vary-star"
        ),
        pytest.param(
            "",
            {"Cache-Control": "max-age=9", "Content-Range": "bytes 0-0/9"},
            206,
            "x",
            "partial",
            id="partial",
        ),
        pytest.param(ALL, {}, 500, "x", "status", id="status"),
        pytest.param(ALL, {}, 200, "", "empty", id="empty"),
        pytest.param(
            "- {name: r, ttl: 5m, store_if: {response.body.ok: true}}",
            {},
            200,
            "{}",
            "store-if",
            id="store-if",
        ),
        pytest.param(
            "- {name: r, ttl: 5m, tags: ['t:{response.body.id}']}",
            {},
            200,
            "{}",
            "missing-tag",
            id="missing-tag",
        ),
        pytest.param(
            "- {name: r, ttl: {default: 5m, from: response.body.end}}",
            {},
            200,
            '{"end": "2020-01-01T00:00:00Z"}',
            "no-life",
            id="no-life",
        ),
        pytest.param(
            "- {name: r, ttl: 5m, stream: {max: 4B}}", {}, 200, "12345", "too-large", id="too-large"
        ),
    ],
)
async def test_every_answer_not_stored_says_why(
    larder: StartLarder,
    origin: Origin,
    routes: str,
    fields: FieldLines,
    status: int,
    body: str,
    reason: str,
) -> None:
    origin.handler = lambda _: answer(body, status, fields=fields)
    proxy = await larder(routes, upstream="retry: {attempts: 1}")
    for _ in range(2):
        assert (await proxy.get("/db/a"))["X-Cache"] == "MISS"
    record = await proxy.told(2)
    assert (record.stored, record.not_stored) == (False, reason)
    assert await proxy.metric("larder_not_stored_total", reason=reason) == 2
    assert await proxy.metric("larder_stored_total") == 0


async def test_a_body_too_large_for_a_key_passes_unread(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda _: answer("x")
    proxy = await larder(ALL, top="server: {max_body: 1KiB}\nstore: {shared: none}")
    for fields in ({}, {"Transfer-Encoding": "chunked"}):
        big = b"x" * 2000
        sent = b"7d0\r\n" + big + b"\r\n0\r\n\r\n" if fields else big
        told = await proxy.ask("POST", "/db/a", fields, sent)
        assert "detail=body-too-large" in told["Cache-Status"]
        assert origin.last.body == big


async def test_the_access_log_says_the_same_word(
    larder: StartLarder, origin: Origin, capfd: pytest.CaptureFixture[str]
) -> None:
    origin.handler = lambda _: answer("x", fields=[("Cache-Control", "max-age=60")])
    proxy = await larder()
    for fields in ({}, {}, {"Cache-Control": "no-store"}):
        await proxy.get("/db/a?api_key=secret", fields)
    await proxy.told(3)
    printed = ""

    def complete() -> bool:
        nonlocal printed
        printed += capfd.readouterr().out
        return printed.count("\n") == 3

    await until(complete)
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["outcome"] for line in lines] == ["miss", "hit", "bypass"]
    assert [line.get("reason") for line in lines] == ["absent", None, "request-no-store"]
    assert {line["path"] for line in lines} == {"/db/a"}
    assert "secret" not in printed


async def test_no_upstream_is_a_404_of_our_own(larder: StartLarder) -> None:
    proxy = await larder()
    told = await proxy.get("/nowhere")
    assert (told.status, told["X-Cache"], told["Content-Type"]) == (
        404,
        "BYPASS",
        "application/problem+json",
    )
    assert told["Cache-Status"] == "larder; detail=no-upstream"
    assert told.json()["reason"] == "no-upstream"
