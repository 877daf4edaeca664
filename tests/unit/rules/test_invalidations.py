"""What an answer invalidates."""

from __future__ import annotations

import pytest

from tests.support.build import request
from tests.unit.rules.support import answered, matched, route_config

INVALIDATIONS = [
    ("{tags: [a]}", 200, "{}", [("tag", "a")]),
    ("{tags: [a]}", 302, "{}", [("tag", "a")]),
    ("{tags: [a]}", 404, "{}", []),
    ("{on: error, tags: [a]}", 404, "{}", [("tag", "a")]),
    ("{on: [404, 410], tags: [a]}", 410, "{}", [("tag", "a")]),
    ("{on: [success, 404], tags: [a]}", 404, "{}", [("tag", "a")]),
    ("{on: any, prefix: 'p:{body.p}'}", 500, "{}", [("prefix", "p:7")]),
    ("{match: 'x:*:{response.body.t}'}", 200, '{"t":"a*"}', [("match", "x:*:a[*]")]),
    ("{tags: ['{response.body.t}', b]}", 200, "{}", [("tag", "b")]),
    ("{on: 400, when: {response.body.s: GONE}, tags: [a]}", 400, '{"s":"GONE"}', [("tag", "a")]),
    ("{on: 400, when: {response.body.s: GONE}, tags: [a]}", 400, "{}", []),
]


@pytest.mark.parametrize(("item", "status", "body", "expected"), INVALIDATIONS)
def test_what_an_answer_invalidates(
    item: str, status: int, body: str, expected: list[tuple[str, str]]
) -> None:
    route = f"invalidate: [{item}]"
    subject = answered(route, status, body)
    facts = matched(route_config(route), request("POST", "/api/a")).route.invalidations(subject)
    assert expected == [(fact.kind, fact.value) for fact in facts]
