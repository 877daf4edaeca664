"""Requests that an upstream may read in another way than their key does are not looked up."""

from __future__ import annotations

import pytest

from proxy.messages import Request
from proxy.outcomes import Bypass
from proxy.rules.misleading import OVERRIDE_FIELDS, may_deceive, misleading
from tests.support.build import request
from tests.unit.rules.support import matched, route_config

SHARED = "ttl: 1m\nscope: shared"
REQUESTS = [
    *((SHARED, request("GET", "/api/a", fields={name: "x"}), True) for name in OVERRIDE_FIELDS),
    (SHARED, request("GET", "/api/a", fields={"X_HTTP_Method_Override": "PUT"}), True),
    (f"{SHARED}\nkey: {{headers: [x-http-method]}}", request("GET", "/api/a"), False),
    (SHARED, request("GET", "/api/a", fields={"X-Other": "x"}), False),
]


@pytest.mark.parametrize(("rule", "asked", "refused"), REQUESTS)
def test_a_field_that_names_another_method_or_target(
    rule: str, asked: Request, refused: bool
) -> None:
    match = matched(route_config(rule, match="GET /a"), asked)
    found = misleading(match.route, match.subject.request)
    assert found is (Bypass.OVERRIDE_FIELD if refused else None)


BODIES = [
    ("ttl: 1m", "GET", None),
    ("ttl: http", "GET", Bypass.GET_BODY),
    ('ttl: 1m\nkey: "{query.a}"', "GET", Bypass.GET_BODY),
]


@pytest.mark.parametrize(("rule", "method", "bypass"), BODIES)
def test_a_get_with_a_body_that_is_no_part_of_its_key(
    rule: str, method: str, bypass: Bypass | None
) -> None:
    asked = request(method, "/api/a", body="fat")
    match = matched(route_config(rule, match="GET /a"), asked)
    assert misleading(match.route, match.subject.request) is bypass


PATHS = [
    (SHARED, "/api/static/..%2faccount", True, True),
    (SHARED, "/api/static/..%2faccount", False, False),
    (SHARED, "/api/static/account", True, False),
    ("ttl: 1m", "/api/static/..%2faccount", True, False),
    ("ttl: http", "/api/static/..%2faccount", True, False),
]


@pytest.mark.parametrize(("rule", "target", "credential", "deceives"), PATHS)
def test_only_answers_for_many_can_be_deceived_out_of_one_clients_path(
    rule: str, target: str, credential: bool, deceives: bool
) -> None:
    fields = {"Authorization": "Bearer one"} if credential else {}
    match = matched(route_config(rule, match="/{all:path}"), request("GET", target, fields=fields))
    assert may_deceive(match.route, match.subject) is deceives
