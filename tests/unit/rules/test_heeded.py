"""Whatever field a rule may read of a request is heeded, and little else."""

from __future__ import annotations

import pytest

from proxy.rules.heeded import OF_HTTP, heeded
from tests.unit.rules.support import route_config

RULES = [
    ("ttl: 1m", set()),
    ("ttl: 1m\nkey: {headers: [X-Model, accept-language]}", {"x-model", "accept-language"}),
    ('ttl: 1m\nkey: "{header.X-Tenant}/{query.a}"', {"x-tenant"}),
    ("ttl: 1m\nscope: [header.x-team, cookie.t]", {"x-team"}),
    ("ttl: 1m\nserve_if: {header.x-deny: {exists: false}}", {"x-deny"}),
    ("ttl: 1m\nstore_if: {header.x-keep: yes}", {"x-keep"}),
    ('ttl: 1m\ntags: ["of:{header.x-owner}"]', {"x-owner"}),
    ('ttl: 1m\nwhen: {header.x-beta: {starts_with: "{header.x-prefix}"}}', {"x-beta", "x-prefix"}),
    ('ttl: 1m\nkey: "k/{header.x-id}"\naliases: ["k/{header.x-alias}"]', {"x-id", "x-alias"}),
]


@pytest.mark.parametrize(("rule", "names"), RULES)
def test_the_fields_that_rules_name(rule: str, names: set[str]) -> None:
    plain = heeded(route_config("ttl: 5m"))
    assert heeded(route_config(rule)) - plain == names


def test_what_is_counted_of_sessions() -> None:
    counts = "sessions: {from: [header.x-sid], count: {devices: header.x-device, pages: query.p}}"
    config = route_config("ttl: 1m", top=counts)
    assert heeded(config) - heeded(route_config("ttl: 1m")) >= {"x-device"}


def test_credentials_and_sessions_wherever_they_are() -> None:
    config = route_config("ttl: 1m", top="sessions: {from: [header.x-visit, cookie.sid, query.s]}")
    names = heeded(config)
    assert {"authorization", "cookie", "x-api-key", "x-visit"} <= names
    assert names >= OF_HTTP


@pytest.mark.parametrize(
    "name", ["traceparent", "x-request-id", "accept", "accept-encoding", "user-agent"]
)
def test_what_only_tells_requests_apart_is_not(name: str) -> None:
    assert name not in heeded(route_config("ttl: 1m"))
