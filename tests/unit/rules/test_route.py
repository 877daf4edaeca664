"""A compiled route: admission, and what must be read before it can answer."""

from __future__ import annotations

import pytest

from tests.support.build import as_bytes, request, response
from tests.unit.rules.support import answered, matched, route_config

ADMISSION = [
    ("ttl: 5m", 200, "{}", True, False),
    ("ttl: 5m", 404, "{}", False, True),
    ("ttl: {default: 5m, status: {404: 1s}}", 404, "{}", True, False),
    ("ttl: 5m\nstore_if: {response.status: [200, 404]}", 404, "{}", True, False),
    ("ttl: 5m\nstore_if: {response.status: 200}", 404, "{}", False, True),
    ("ttl: 5m\nstore_if: {response.body.ok: true}", 200, '{"ok":true}', True, False),
    ("ttl: 5m\nstore_if: {response.body.ok: true}", 200, '{"ok":false}', False, False),
    ("ttl: http", 404, "{}", True, False),
]


@pytest.mark.parametrize(("rule", "status", "body", "admitted", "refused"), ADMISSION)
def test_which_answers_are_stored(
    rule: str, status: int, body: str, admitted: bool, refused: bool
) -> None:
    route = matched(route_config(rule), request("POST", "/api/a")).route
    whole = answered(rule, status, body)
    head = whole.with_response(response(status), None)
    assert (admitted, refused) == (route.admits(whole), route.refuses_head(head))


def test_serve_if_judges_the_stored_answer_by_the_request() -> None:
    rule = 'ttl: 5m\nserve_if: {"body.ids": {contains: "{response.body.id}"}}'
    match = matched(route_config(rule), request("POST", "/api/a", body={"ids": [1, 2]}))
    stored = [match.subject.with_response(response(), as_bytes({"id": each})) for each in (2, 3)]
    assert [match.route.serves(subject) for subject in stored] == [True, False]


NEEDS = [
    ("ttl: 5m", "POST", True, False, False),
    ("ttl: 5m", "GET", False, False, False),
    ("ttl: http", "GET", False, False, False),
    ("ttl: http\nstore_if: {response.body.ok: true}", "POST", False, True, False),
    ("invalidate: {tags: ['a:{body.p}']}", "POST", True, False, False),
    ("invalidate: {tags: ['a:{response.body.p}']}", "POST", False, False, True),
]


@pytest.mark.parametrize(("rule", "method", "body", "answer", "facts"), NEEDS)
def test_what_must_be_read_first(
    rule: str, method: str, body: bool, answer: bool, facts: bool
) -> None:
    route = matched(route_config(rule), request("POST", "/api/a")).route
    assert (body, answer, facts) == (
        route.needs_body(method),
        route.reads_response_body,
        route.invalidates_by_body,
    )


def test_another_rule_has_another_digest() -> None:
    rules = ["ttl: 5m", "ttl: 6m", "ttl: 5m\ntags: [a]", "ttl: 5m\nclient_cache: no-store"]
    digests = [matched(route_config(r), request("POST", "/api/a")).route.digest for r in rules]
    assert len(set(digests)) == 3
    assert digests[0] == digests[3]
