"""What a rule's ETag is made of."""

from __future__ import annotations

import pytest

from proxy.rules.etags import CollectionEtag, ContentEtag, EtagRule, ValuesEtag, reads_body
from proxy.rules.selectors import parse_selector
from proxy.rules.subject import Subject
from tests.support.build import as_bytes, request, response
from tests.unit.rules.support import matched, route_config

AT, ITEMS = parse_selector("response.body.at"), parse_selector("response.body.items")
LATEST = parse_selector("response.body.items[].at")
HEADER = parse_selector("response.header.x-version")
LIST = CollectionEtag(ITEMS, LATEST)
NUMBERED = CollectionEtag(parse_selector("response.body.total"), AT)
EAST, WEST = "2026-01-02T01:00:00+09:00", "2026-01-01T23:00:00-05:00"


def subject(body: object, **fields: str) -> Subject:
    asked = matched(route_config(match="GET /a"), request(target="/api/a")).subject
    return asked.with_response(response(fields=fields), as_bytes(body))


TEXTS: list[tuple[ValuesEtag | CollectionEtag, object, tuple[str, ...] | None]] = [
    (ValuesEtag((AT,)), {"at": 7}, ("7",)),
    (ValuesEtag((AT,)), {"at": "7"}, ("7",)),
    (ValuesEtag((AT,)), {"at": None}, None),
    (ValuesEtag((AT,)), {}, None),
    (ValuesEtag((AT,)), b"no json", None),
    (ValuesEtag((AT, ITEMS)), {"at": 1, "items": [1]}, ("1", "[1]")),
    (LIST, {"items": [{"at": 1}, {"at": 10}, {"at": 9}]}, ("3", "10")),
    (LIST, {"items": [{"at": EAST}, {"at": WEST}]}, ("2", WEST)),
    (LIST, {"items": [{"at": "b"}, {"at": "a"}]}, ("2", "b")),
    (LIST, {"items": []}, ("0",)),
    (LIST, {"items": [{}]}, None),
    (LIST, {}, None),
    (NUMBERED, {"total": 5, "at": "x"}, ("5", "x")),
    (NUMBERED, {"total": 0}, ("0",)),
    (NUMBERED, {"total": 5}, None),
]


@pytest.mark.parametrize(("rule", "body", "texts"), TEXTS)
def test_the_values(
    rule: ValuesEtag | CollectionEtag, body: object, texts: tuple[str, ...] | None
) -> None:
    assert rule.texts(subject(body)) == texts


def test_a_secret_is_a_digest() -> None:
    rule = ValuesEtag((parse_selector("response.header.set-cookie"),))
    (text,) = rule.texts(subject({}, **{"Set-Cookie": "sid=secret"})) or ("",)
    assert "secret" not in text
    assert len(text) == 24


READERS: list[tuple[EtagRule | None, bool]] = [
    (None, False),
    (ContentEtag(), True),
    (ValuesEtag((HEADER, AT)), True),
    (ValuesEtag((HEADER,)), False),
    (LIST, True),
]


@pytest.mark.parametrize(("rule", "reads"), READERS)
def test_which_need_the_body(rule: EtagRule | None, reads: bool) -> None:
    assert reads_body(rule) is reads
