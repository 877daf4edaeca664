"""Conditions judged before all is known."""

from __future__ import annotations

import pytest

from proxy.rules.condition_shapes import ConditionShape
from proxy.rules.conditions import Condition
from proxy.rules.nodes import parse_nodes
from proxy.rules.problems import Report
from proxy.rules.shapes import Reading
from tests.support.build import request, response
from tests.unit.rules.support import matched, route_config


def condition(text: str) -> Condition:
    report = Report()
    node = parse_nodes(text, "f", {}, report)
    assert node is not None
    read = ConditionShape(response=True).read(node, Reading(report))
    assert read is not None, report.problems
    return read


ROWS = [
    ("{method: POST}", True),
    ("{method: GET}", False),
    ("{body.a: 1}", None),
    ("{body.a: 1, method: GET}", False),
    ("{method: POST, body.a: 1}", None),
    ("[{method: POST}, {body.a: 1}]", True),
    ("[{method: GET}, {body.a: 1}]", None),
    ("{method: {not: '{form.a}'}}", None),
]


@pytest.mark.parametrize(("text", "verdict"), ROWS)
def test_without_the_requests_body(text: str, verdict: bool | None) -> None:
    subject = matched(route_config(), request("POST", "/api/a", body=None)).subject
    assert condition(text).without_body(subject) is verdict


HEADS = [
    ("{response.status: 200, response.body.a: 1}", None),
    ("{response.status: 201, response.body.a: 1}", False),
    ("{response.status: 200}", True),
]


@pytest.mark.parametrize(("text", "verdict"), HEADS)
def test_without_the_answers_body(text: str, verdict: bool | None) -> None:
    subject = matched(route_config(), request("POST", "/api/a")).subject
    answered = subject.with_response(response(200), None)
    assert condition(text).without_answer_body(answered) is verdict


def test_what_a_condition_reads() -> None:
    read = condition("[{body.a: '{header.b}'}, {response.status: {not: {in: ['{query.c}']}}}]")
    assert [each.text for each in read.selectors] == [
        "body.a",
        "header.b",
        "response.status",
        "query.c",
    ]
    assert read.reads_body
