"""Checks between the keys of a route, and what its silence means."""

from __future__ import annotations

import pytest

from proxy.rules.lifetimes import HttpTtl, OffTtl, TimedTtl, Ttl
from proxy.rules.rule import StaleWindows
from proxy.rules.scopes import CredentialScope, Scope, SessionScope, SharedScope
from tests.support.build import request
from tests.unit.rules.support import matched, problems, route_config

ROWS: list[tuple[str, Ttl, Scope]] = [
    ("", HttpTtl(), SharedScope()),
    ("ttl: http", HttpTtl(), SharedScope()),
    ("ttl: http\nscope: credential", HttpTtl(), CredentialScope()),
    ("ttl: off", OffTtl(), SharedScope()),
    ("ttl: 5m", TimedTtl(default=300), CredentialScope()),
    ("ttl: {default: 5m}\nscope: shared", TimedTtl(default=300), SharedScope()),
    ("ttl: 1s\nscope: session", TimedTtl(default=1), SessionScope()),
]


@pytest.mark.parametrize(("rule", "ttl", "scope"), ROWS)
def test_lifetime_and_scope(rule: str, ttl: Ttl, scope: Scope) -> None:
    config = route_config(rule, "sessions: {from: header.x-sid}")
    route = matched(config, request("POST", "/api/a")).route
    assert (route.ttl, route.scope) == (ttl, scope)


def test_the_rest_of_a_route() -> None:
    rule = "stale: {if_error: 1h}\nstream: {max: 1GiB, complete: openai}\nclient_cache: no-store"
    route = matched(
        route_config(rule, "store: {max_object: 2MiB}"), request("POST", "/api/a")
    ).route
    assert route.stale == StaleWindows(0, 3600)
    assert (route.stream_max, route.stream_complete) == (2 << 20, "openai")
    assert (route.client_cache, route.collapse, route.enabled) == ("no-store", True, True)


PARAMETERS = [
    ("key: '{path.b}'", 1),
    ("when: {path.b: 1}", 1),
    ("store_if: {method: '{path.b}'}", 1),
    ("tags: ['{path.b}']", 1),
    ("scope: [path.b]", 1),
    ("credentials: [path.b]", 1),
    ("invalidate: [{tags: ['{path.b}']}, {prefix: '{path.b}'}]", 2),
    ("ttl: {from: path.b}", 1),
    ("tags: ['{path.a}{path}']", 0),
]


@pytest.mark.parametrize(("rule", "count"), PARAMETERS)
def test_parameters_that_the_pattern_lacks(rule: str, count: int) -> None:
    text = f"upstreams: {{x: {{url: http://x, routes: [{{name: r, match: '/{{a}}', {rule}}}]}}}}"
    found = problems(text)
    assert bool(found) == bool(count)
    assert all("`path.b` is not in this route's match" in problem for problem in found)


CLAIMS = [("scope: [jwt.sub]", 1), ("key: '{jwt.sub}'", 1), ("tags: ['{jwt.sub}']", 0)]


@pytest.mark.parametrize(("rule", "count"), CLAIMS)
def test_claims_decide_only_where_they_are_verified(rule: str, count: int) -> None:
    text = f"upstreams: {{x: {{url: http://x, routes: [{{name: r, ttl: 1s, {rule}}}]}}}}"
    assert len(problems(text)) == count
    assert problems(f"jwt: {{key: k}}\n{text}") == []


@pytest.mark.parametrize(("spared", "count"), [("body.at", 1), ('"{body.at}"', 0)])
def test_an_etag_to_spare_that_is_text_spares_nothing(spared: str, count: int) -> None:
    item = f"invalidate: {{tags: t, unless_etag: {spared}}}"
    route = f"{{name: r, match: PUT /a, ttl: off, {item}}}"
    found = problems(f"upstreams: {{a: {{url: http://a, routes: [{route}]}}}}")
    assert len(found) == count
    assert all(each.endswith("write it in braces: {body.at}") for each in found)
