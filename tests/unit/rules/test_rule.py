"""What a route reads: of a request before the look-up, of an answer before it is shown."""

from __future__ import annotations

import pytest

from proxy.outcomes import Bypass
from proxy.rules.route import Route
from tests.support.build import request
from tests.unit.rules.support import SESSIONS, matched, route_config


def of(rule: str, method: str = "GET") -> Route:
    config = route_config(rule, SESSIONS, match=f"{method} /a")
    return matched(config, request(method, "/api/a")).route


BYPASSES = [
    ("ttl: 1m", "GET", None),
    ("ttl: 1m", "POST", None),
    ("ttl: http", "POST", Bypass.METHOD),
    ("ttl: off", "GET", Bypass.TTL_OFF),
    ("ttl: 1m\nenabled: false", "GET", Bypass.ROUTE_DISABLED),
    ("dedupe: 1m", "POST", None),
]


@pytest.mark.parametrize(("rule", "method", "bypass"), BYPASSES)
def test_which_requests_are_looked_up(rule: str, method: str, bypass: Bypass | None) -> None:
    assert of(rule, method).bypass(method) is bypass


REQUEST_BODIES = [
    ("ttl: 1m", "POST", True),
    ("ttl: off", "POST", False),
    ("ttl: http", "GET", False),
    ('ttl: 1m\nkey: "{query.a}"', "POST", False),
    ('ttl: 1m\nkey: "{query.a}"\ntags: ["{body.b}"]', "POST", True),
    ('ttl: 1m\nkey: "{query.a}"\nserve_if: {body.b: 1}', "POST", True),
    ('ttl: off\ninvalidate: [{tags: ["{body.b}"]}]', "POST", True),
    ("enabled: false", "POST", False),
    ("dedupe: 1m", "POST", True),
]


@pytest.mark.parametrize(("rule", "method", "needed"), REQUEST_BODIES)
def test_whose_request_body_must_be_read_first(rule: str, method: str, needed: bool) -> None:
    assert of(rule, method).needs_body(method) is needed


ANSWER_BODIES = [
    ("ttl: 1m", False, False),
    ("ttl: 1m\nstore_if: {response.status: 200}", False, False),
    ("ttl: 1m\nstore_if: {response.body.ok: true}", True, False),
    ("ttl: {from: response.body.until}", True, False),
    ("ttl: 1m\netag: response.body.at", True, False),
    ('ttl: off\ninvalidate: [{tags: ["{response.body.id}"]}]', False, True),
    ('ttl: off\ninvalidate: [{tags: ["{response.header.x-id}"]}]', False, False),
]


@pytest.mark.parametrize(("rule", "reads", "invalidates"), ANSWER_BODIES)
def test_whose_answers_body_must_be_readable_or_whole_first(
    rule: str, reads: bool, invalidates: bool
) -> None:
    route = of(rule)
    assert (route.reads_response_body, route.invalidates_by_body) == (reads, invalidates)


SESSION_ROUTES = [
    ("ttl: 1m", False, False),
    ("ttl: 1m\nscope: session", True, True),
    ('ttl: 1m\nkey: "{session}:{query.a}"', True, True),
    ('ttl: 1m\ntags: ["{session}"]', False, True),
]


@pytest.mark.parametrize(("rule", "keyed", "reads"), SESSION_ROUTES)
def test_which_routes_are_part_of_a_session(rule: str, keyed: bool, reads: bool) -> None:
    route = of(rule)
    assert (route.keyed_by_session, route.reads_session) == (keyed, reads)


INERT = [
    ("ttl: off", "GET", True),
    ("ttl: off", "POST", False),
    ("ttl: off\ninvalidate: [{tags: [x]}]", "GET", False),
    ("ttl: off\ncost: {miss: 1, unit: credits}", "GET", False),
]


@pytest.mark.parametrize(("rule", "method", "inert"), INERT)
def test_from_whose_answers_nothing_follows(rule: str, method: str, inert: bool) -> None:
    assert of(rule, method).is_inert(method) == inert
