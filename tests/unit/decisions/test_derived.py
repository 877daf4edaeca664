"""What may be made of an answer, for whom, and how it reads."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from proxy.decisions.derived import (
    Derived,
    derived_from,
    derived_head,
    is_selected,
    is_shaped,
    is_written,
    item_body,
    may_fill,
)
from proxy.rules.request_templates import RequestTemplate
from proxy.rules.route import Match
from proxy.rules.templates import parse_template
from proxy.rules.values import Json, parse_json
from tests.support.build import FieldLines, request, response
from tests.support.rules import config_of

RULES = """
sessions: {{from: [header.x-session-id, query.visit]}}
upstreams:
  db:
    url: http://origin.test
    routes:
      - {{name: list, match: GET /list, ttl: 1m, scope: {scope}}}
      - {{name: write, match: POST /list, ttl: off}}
      - {{name: timed, match: "GET /timed/{{id}}", ttl: 1m, scope: {target}}}
      - {{name: http, match: "GET /http/{{id}}", ttl: http}}
      - {{name: off, match: "GET /off/{{id}}", ttl: off}}
"""


def derive(
    target: str,
    fields: FieldLines = (),
    *,
    asked: str = "/list",
    method: str = "GET",
    scope: str = "credential",
    to: str = "credential",
) -> tuple[Match, Derived | None]:
    """A source by this request, and what is derived of it."""
    config = config_of(RULES.format(scope=scope, target=to))
    upstream = config.upstreams[0]
    match = config.router.match(upstream, request(method, asked, fields=fields))
    assert isinstance(match, Match)
    found = derived_from(config.router, upstream, match.route, match.subject, target)
    return match, found


def test_it_is_a_plain_get_in_the_clients_name() -> None:
    fields = {
        "Authorization": "Bearer a",
        "Cookie": "a=b",
        "X-Session-Id": "s",
        "Accept": "application/json",
        "If-None-Match": '"x"',
        "Range": "bytes=0-",
        "Cache-Control": "no-cache",
        "Content-Type": "text/plain",
        "Content-Length": "3",
        "Connection": "close",
    }
    _, derived = derive("/timed/1", fields, method="POST")
    assert derived is not None
    asked = derived.match.subject.request
    assert (asked.method, asked.target, asked.body) == ("GET", "/timed/1", b"")
    assert asked.fields.names() == {"authorization", "cookie", "x-session-id", "accept"}
    assert derived.match.route.name == "timed"


@pytest.mark.parametrize(
    ("asked", "target", "made"),
    [
        ("/list?api_key=k&page=2", "/timed/1", "/timed/1?api_key=k"),
        ("/list?api_key=k", "/timed/1?x=1", "/timed/1?x=1&api_key=k"),
        ("/list?visit=s&page=2", "/timed/1", "/timed/1?visit=s"),
        ("/list?page=2", "/timed/1", "/timed/1"),
        ("/list?key=a%26b&access_token=t", "/timed/1", "/timed/1?key=a%26b&access_token=t"),
    ],
)
def test_credentials_in_the_query_go_along(asked: str, target: str, made: str) -> None:
    _, derived = derive(target, asked=asked)
    assert derived is not None
    assert derived.match.subject.request.target == made


@pytest.mark.parametrize(
    ("asked", "target", "fields"),
    [
        pytest.param("/list", "/timed/1?api_key=other", {}, id="another-credential"),
        pytest.param("/list", "/timed/1?visit=s", {}, id="another-session"),
        pytest.param("/list", "/off/1", {}, id="nothing-is-stored-there"),
        pytest.param("/list", "/timed/../1", {}, id="dots"),
        pytest.param("/list", "/timed/1", {"Cache-Control": "no-store"}, id="no-store"),
    ],
)
def test_nothing_is_derived_for_anybody_else(asked: str, target: str, fields: FieldLines) -> None:
    assert derive(target, fields, asked=asked)[1] is None


@pytest.mark.parametrize(
    ("scope", "to", "fills"),
    [
        ("credential", "credential", True),
        ("credential", "shared", False),
        ("session", "credential", False),
        ("session", "session", True),
        ("shared", "session", True),
        ("shared", "shared", True),
        ("[header.x-a]", "[header.x-a]", True),
        ("[header.x-a]", "[header.x-b]", False),
    ],
)
def test_a_narrower_source_fills_nothing_wider(scope: str, to: str, fills: bool) -> None:
    fields = {"Authorization": "Bearer a", "X-Session-Id": "s", "X-A": "1", "X-B": "1"}
    match, derived = derive("/timed/1", fields, scope=scope, to=to)
    assert derived is not None
    assert may_fill(match.route, match.subject, derived) is fills


def test_where_the_upstream_says_what_is_stored_nothing_is_filled() -> None:
    match, derived = derive("/http/1")
    assert derived is not None
    assert not may_fill(match.route, match.subject, derived)


@pytest.mark.parametrize(
    ("selecting", "fields", "selected"),
    [
        ((), {}, False),
        (("accept-encoding",), {}, False),
        (("accept-language",), {}, True),
        (None, {}, True),
        ((), {"Content-Encoding": "gzip"}, True),
    ],
)
def test_what_fields_select_is_for_some(
    selecting: tuple[str, ...] | None, fields: FieldLines, selected: bool
) -> None:
    assert is_selected(selecting, response(fields=fields)) is selected


JSON = {"Content-Type": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    ("method", "status", "fields", "body", "written"),
    [
        ("POST", 201, JSON, b'{"id": 1}', True),
        ("PUT", 200, {"Content-Type": "application/hal+json"}, b"[1]", True),
        ("PATCH", 200, {}, b"{}", True),
        ("DELETE", 200, JSON, b'{"id": 1}', False),
        ("GET", 200, JSON, b'{"id": 1}', False),
        ("POST", 202, JSON, b'{"id": 1}', False),
        ("POST", 500, JSON, b'{"id": 1}', False),
        ("POST", 200, {"Content-Type": "text/html"}, b"{}", False),
        ("POST", 200, JSON, b'{"id": ', False),
        ("POST", 200, JSON, b"", False),
        ("POST", 200, JSON, b"1", False),
        ("POST", 200, {**JSON, "Vary": "*"}, b"{}", False),
        ("POST", 200, {**JSON, "Vary": "Accept-Encoding"}, b"{}", True),
    ],
)
def test_what_a_write_has_left(
    method: str, status: int, fields: FieldLines, body: bytes, written: bool
) -> None:
    match, _ = derive("/timed/1", method=method)
    head = response(status, fields=fields)
    assert is_written(match.subject.with_response(head, body), head) is written


@pytest.mark.parametrize(
    ("method", "status", "whole", "validated"),
    [
        ("PUT", 200, True, True),
        ("POST", 201, True, True),
        ("POST", 200, True, False),
        ("GET", 200, False, False),
    ],
)
def test_the_head_says_what_is_true_of_what_is_made(
    method: str, status: int, whole: bool, validated: bool
) -> None:
    match, _ = derive("/timed/1", method=method)
    fields = {"Date": "now", "Surrogate-Key": "a", "ETag": '"1"', "Set-Cookie": "a=b", "X-A": "1"}
    head = derived_head(match.subject, response(status, fields=fields), whole=whole)
    names = {"content-type", "date", "surrogate-key", *(("etag",) if validated else ())}
    assert (head.status, set(head.fields.names())) == (200, names)
    assert head.fields.get("content-type") == "application/json"


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 1.0, 1e5, -0.0, null, true], "é": "\\u2028 \U0001f600"}',
        '{"long": 123456789012345678901234567890.123456789, "n": [0.10000000000000000001, {}]}',
        '{"half": "\\ud800"}',
        '{"both": "\\ud800", "long": 0.10000000000000000001}',
    ],
)
def test_an_item_reads_the_same(text: str) -> None:
    value = parse_json(text.encode())
    assert isinstance(value, dict)
    assert parse_json(item_body(value)) == value


def test_text_stays_text() -> None:
    item: Json = {"a": "é", "b": Decimal("1.10")}
    assert json.loads(item_body(item)) == {"a": "é", "b": 1.1}
    assert item_body({"a": "é"}) == '{"a":"é"}'.encode()


@pytest.mark.parametrize(
    ("query", "alone", "listed"),
    [
        ("", False, False),
        ("?visit=v", False, False),
        ("?page=1&Per-Page=5&page_token=x", True, False),
        ("?page=1;fields=id", True, True),
        ("?fields=id", True, True),
        ("?dry_run", True, True),
        ("?lang=de", False, False),
        ("?utm_source=x", False, False),
    ],
)
def test_a_query_may_shape_an_answer_unless_it_is_known_not_to(
    query: str, *, alone: bool, listed: bool
) -> None:
    rules = RULES.replace(
        "GET /list, ttl: 1m,", "GET /list, ttl: 1m, key: {{ignore: [query.utm_*]}},"
    )
    config = config_of(rules.format(scope="credential", target="credential"))
    match = config.router.match(config.upstreams[0], request("GET", f"/list{query}"))
    assert isinstance(match, Match)
    target = RequestTemplate("", parse_template("/timed/1?lang={query.lang}"))
    asked = match.route, match.subject, target
    assert (is_shaped(*asked, listed=False), is_shaped(*asked, listed=True)) == (alone, listed)
