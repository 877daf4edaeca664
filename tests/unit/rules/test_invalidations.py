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


SPARED = [
    ("{response.body.e}", '{"e": "a"}', "a"),
    ("{response.body.e}", '{"e": "W/\\"a\\""}', "a"),
    ("{response.body.e}", '{"e": 7}', "7"),
    ("{response.body.e}", "{}", ""),
    ("{response.body.e}", f'{{"e": "{"x" * 257}"}}', ""),
]


@pytest.mark.parametrize(("template", "body", "spared"), SPARED)
def test_what_it_spares(template: str, body: str, spared: str) -> None:
    route = f"invalidate: {{tags: [a, b], unless_etag: '{template}'}}"
    found = matched(route_config(route), request("POST", "/api/a")).route
    facts = found.invalidations(answered(route, 200, body))
    assert [(fact.value, fact.unless) for fact in facts] == [("a", spared), ("b", spared)]
    assert found.invalidates_by_body


@pytest.mark.parametrize(("item", "status", "body", "expected"), INVALIDATIONS)
def test_what_an_answer_invalidates(
    item: str, status: int, body: str, expected: list[tuple[str, str]]
) -> None:
    route = f"invalidate: [{item}]"
    subject = answered(route, status, body)
    facts = matched(route_config(route), request("POST", "/api/a")).route.invalidations(subject)
    assert expected == [(fact.kind, fact.value) for fact in facts]


@pytest.mark.parametrize(
    ("item", "after"),
    [
        ("{tags: [a]}", 0.0),
        ("{tags: [a], after: 30s}", 30.0),
        ("{prefix: 'p:', after: 250ms}", 0.25),
        ("{match: 'x:*', after: 1h}", 3600.0),
    ],
)
def test_how_long_from_now_until_it_holds(item: str, after: float) -> None:
    route = f"invalidate: [{item}]"
    subject = answered(route, 200, "{}")
    (fact,) = matched(route_config(route), request("POST", "/api/a")).route.invalidations(subject)
    assert fact.after == after
