"""Requests that follow from an answer: their targets, and what is none."""

from __future__ import annotations

import json

import pytest

from proxy.rules.request_templates import (
    MAX_ITEMS,
    NOTHING,
    Expand,
    Following,
    RequestTemplate,
    items_of,
)
from proxy.rules.selectors import parse_selector
from proxy.rules.subject import RequestFacts, Sources, Subject
from proxy.rules.templates import parse_template
from proxy.rules.values import MISSING
from tests.support.build import request, response


def template(target: str, each: str | None = None) -> RequestTemplate:
    selector = None if each is None else parse_selector(each)
    return RequestTemplate(f"GET {target}", parse_template(target, item=True), selector)


def subject(body: object = None, **params: str) -> Subject:
    facts = RequestFacts(request("GET", "/list?page=1"))
    plain = Subject(facts, Sources(b"secret"), params)
    return plain.with_response(response(), json.dumps(body).encode())


KEYS = ("write_through", "expand", "prefetch")
VALUES = [
    ("a", "/x/a"),
    ("a b", "/x/a%20b"),
    ("a/b?c#d&e=f", "/x/a%2Fb%3Fc%23d%26e%3Df"),
    ("\r\n", "/x/%0D%0A"),
    ("%41", "/x/%2541"),
    ("é", "/x/%C3%A9"),
    ("-._~", "/x/-._~"),
    ("...", "/x/..."),
    (0, "/x/0"),
    (1.5, "/x/1.5"),
    ("", None),
    (".", None),
    ("..", None),
    ("../a", None),
    ("a\\..", None),
    ("%2e%2e", None),
    (True, None),
    (None, None),
    ([], None),
    ({}, None),
    ("\ud800", None),
]


@pytest.mark.parametrize(("value", "target"), VALUES)
def test_a_value_is_one_segment_or_there_is_no_target(value: object, target: str | None) -> None:
    assert template("/x/{response.body.id}").target_of(subject({"id": value})) == target


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("/plain", "/plain"),
        ("/x/{path.id}?page={query.page}", "/x/7?page=1"),
        ("/x?q={path.dots}", "/x?q=a..b"),
        ("/x/{path.nothing}", None),
        ("/x/{{}}", "/x/{}"),
    ],
)
def test_a_target_is_made_of_the_request_too(text: str, target: str | None) -> None:
    assert template(text).target_of(subject(id="7", dots="a..b")) == target


def test_bytes_that_are_no_text_come_out_as_they_came() -> None:
    assert template("/x/{path.id}").target_of(subject(id="\udcff")) == "/x/%FF"


def test_each_item_names_a_target_once() -> None:
    made = template("/x/{item.id}", "response.body.items")
    items = [{"id": 1}, {"id": 2}, {"no": 3}, {"id": 1}, None]
    assert made.targets(subject({"items": items})) == ("/x/1", "/x/2")


@pytest.mark.parametrize("each", ["response.body.ids[:2]", "response.body.ids[-2:]"])
def test_a_list_may_be_cut(each: str) -> None:
    found = template("/x/{item}", each).targets(subject({"ids": ["a", "b"]}))
    assert found == ("/x/a", "/x/b")


def test_without_a_list_there_is_one_target() -> None:
    assert template("/x/{path.id}").targets(subject(id="7")) == ("/x/7",)
    assert template("/x/{path.id}").targets(subject()) == ()


@pytest.mark.parametrize("value", [MISSING, None, {}, "text", 1])
def test_what_is_no_list_has_no_items(value: object) -> None:
    assert items_of(value) == ()  # type: ignore[arg-type]


def test_of_a_long_list_no_more_are_read() -> None:
    assert len(items_of(list(range(10_000)))) == MAX_ITEMS


def test_the_answer_is_parsed_once_for_all_items() -> None:
    source = subject({"project": "p", "items": [{"id": n} for n in range(5)]})
    made = template("/{response.body.project}/{item.id}", "response.body.items")
    assert made.targets(source)[0] == "/p/0"
    assert source.with_item({}).response_json is source.response_json


def test_it_tells_what_it_reads() -> None:
    assert template("/x/{item.id}", "response.body.a").reads_response_body
    assert not template("/x/{path.id}").reads_response_body


def test_what_follows_is_told_and_what_does_not_is_false() -> None:
    made = template("/x/{item.id}")
    each = parse_selector("response.body.a")
    both = Following(write_through=made, expand=Expand(each, made), prefetch=(made,))
    assert both.texts == tuple(f"{key} GET /x/{{item.id}}" for key in KEYS)
    assert {name.text for name in both.selectors} == {"item.id", "response.body.a"}
    assert (bool(both), bool(NOTHING), NOTHING.selectors) == (True, False, ())
