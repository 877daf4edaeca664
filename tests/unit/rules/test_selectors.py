"""Selectors read values, or MISSING, and never raise."""

from __future__ import annotations

import pytest

from proxy.rules.selectors import SelectorError, parse_selector
from proxy.rules.subject import RequestFacts, Sources, Subject
from proxy.rules.values import MISSING
from tests.support.build import request, response

ASKED = request(
    "POST",
    "/p?q=1&r=a&r=b&e",
    authority="H.test:80",
    fields=[("X-A", "1"), ("x-a", "2"), ("Cookie", "c=v"), ("content-type", "application/json")],
    body='{"a":{"b":null,"c":[{"d":1},{"d":2}]},"n":1.5,"big":0.12345678901234567890}',
)
SOURCES = Sources(b"s", (parse_selector("header.x-none"), parse_selector("cookie.c")))
SUBJECT = Subject(RequestFacts(ASKED), SOURCES, {"id": "7"}).with_response(
    response(201, fields={"ETag": "e"}), b'{"ok":true}'
)
FORM = Subject(
    RequestFacts(request(fields={"content-type": "application/x-www-form-urlencoded"}, body="f=1")),
    SOURCES,
)
ROWS = [
    ("method", "POST"),
    ("host", "h.test:80"),
    ("path", "/p"),
    ("path.id", "7"),
    ("path.no", MISSING),
    ("query.q", "1"),
    ("query.r", ["a", "b"]),
    ("query.e", ""),
    ("query.no", MISSING),
    ("header.X-A", "1, 2"),
    ("cookie.c", "v"),
    ("body.a.b", None),
    ("body.a.x", MISSING),
    ("body.n.x", MISSING),
    ("body.a.c[].d", [1, 2]),
    ("body.a.c[5].d", MISSING),
    ("body.length(a)", 2),
    ("body.length(n)", MISSING),
    ("body.sum(big)", MISSING),
    ("form.f", MISSING),
    ("session", "v"),
    ("credential", MISSING),
    ("jwt.sub", MISSING),
    ("response.status", 201),
    ("response.header.etag", "e"),
    ("response.body", {"ok": True}),
    ("response.body.ok", True),
]


@pytest.mark.parametrize(("text", "expected"), ROWS)
def test_what_a_selector_reads(text: str, expected: object) -> None:
    assert parse_selector(text).read(SUBJECT) == expected


def test_a_form_field() -> None:
    assert parse_selector("form.f").read(FORM) == "1"


@pytest.mark.parametrize(
    "text", ["response.status", "response.header.x", "response.body.x", "body", "body.x"]
)
def test_what_is_not_there_yet(text: str) -> None:
    bare = Subject(RequestFacts(request(body=None)), SOURCES)
    assert parse_selector(text).read(bare) is MISSING


SECRETS = [
    ("session", True),
    ("header.Authorization", True),
    ("cookie.any", True),
    ("query.api_key", True),
    ("header.mine", True),
    ("header.other", False),
    ("credential", False),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_which_values_are_secret(text: str, secret: bool) -> None:
    assert parse_selector(text, frozenset({"header.mine"})).secret is secret


@pytest.mark.parametrize(
    "text", ["", "x", "header", "method.a", "job.id", "item", "response", "response.x", "body.a["]
)
def test_what_is_no_selector(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_selector(text)
