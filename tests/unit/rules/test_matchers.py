"""Matchers, by the conditions that write them."""

from __future__ import annotations

import pytest

from tests.support.build import request
from tests.unit.rules.support import matched, route_config

ROWS = [
    ("{body.a: 1}", '{"a":1}', True),
    ("{body.a: 1}", '{"a":1.0}', True),
    ("{body.a: 1}", '{"a":"1"}', True),
    ("{body.a: true}", '{"a":1}', False),
    ("{body.a: true}", '{"a":"true"}', True),
    ("{body.a: null}", '{"a":null}', True),
    ("{body.a: null}", "{}", True),
    ("{body.a: null}", '{"a":0}', False),
    ("{body.a: [x, 2]}", '{"a":2}', True),
    ("{body.a: {in: [x, 2]}}", '{"a":3}', False),
    ("{body.a: {not: 1}}", "{}", True),
    ("{body.a: {not: {in: [1, 2]}}}", '{"a":2}', False),
    ("{body.a: {gt: 1, lte: 2}}", '{"a":2}', True),
    ("{body.a: {gt: 1, lte: 2}}", '{"a":1}', False),
    ("{body.a: {gte: 1.5}}", '{"a":"1.5"}', True),
    ("{body.a: {lt: 1}}", '{"a":"x"}', False),
    ("{body.a: {lt: 1}}", '{"a":"-Infinity"}', False),
    ("{body.a: {lt: 1}}", '{"a":false}', False),
    ("{body.a: {lt: '{body.b}'}}", '{"a":1,"b":2}', True),
    ("{body.a: {matches: '^x+$'}}", '{"a":"xx"}', True),
    ("{body.a: {matches: x}}", '{"a":1}', False),
    ("{body.a: {starts_with: '{method}-'}}", '{"a":"POST-1"}', True),
    ("{body.a: {starts_with: '{body.no}'}}", '{"a":""}', False),
    ("{body.a: {contains: 2}}", '{"a":[1,2]}', True),
    ("{body.a: {contains: '2'}}", '{"a":"123"}', True),
    ("{body.a: {contains: m}}", '{"a":{"m":1}}', True),
    ("{body.a: {contains: 2}}", '{"a":2}', False),
    ("{body.a: {exists: true}}", '{"a":0}', True),
    ("{body.a: {exists: true}}", '{"a":null}', False),
    ("{body.a: {exists: false}}", "{}", True),
    ("{body.a: '{body.b}'}", '{"a":[1],"b":[1]}', True),
    ("{body.a: '{body.b}'}", "{}", False),
    ("{body.a: '{{x}}'}", '{"a":"{x}"}', True),
    ("{body.a: 1, body.b: 2}", '{"a":1,"b":3}', False),
    ("[{body.a: 1}, {body.b: 2}]", '{"a":0,"b":2}', True),
    ("{header.n: 5}", "{}", True),
    ("{header.n: {gt: 4}}", "{}", True),
]


@pytest.mark.parametrize(("condition", "body", "holds"), ROWS)
def test_conditions(condition: str, body: str, holds: bool) -> None:
    config = route_config(f"when: {condition}")
    match = matched(config, request("POST", "/api/a", fields={"n": "5"}, body=body))
    assert (match.route.name == "it") is holds
