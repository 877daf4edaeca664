"""`ttl` as written: the lifetime it means, the methods it makes storable, and what contradicts."""

from __future__ import annotations

import pytest

from proxy.rules.lifetimes import Adaptive, Refresh, TimedTtl, Ttl
from tests.support.build import request
from tests.unit.rules.support import matched, problems, route_config

LONG: list[tuple[str, Ttl]] = [
    ("ttl: {default: 5m, min: 1s, max: 1h}", TimedTtl(default=300, minimum=1, maximum=3600)),
    ("ttl: {status: {404: 10s}}", TimedTtl(status={404: 10.0})),
    (
        "ttl: {default: 1m, sliding: true, jitter: 10%}",
        TimedTtl(default=60, sliding=True, jitter=0.1),
    ),
    ("ttl: {adaptive: {min: 10s, max: 1h}}", TimedTtl(adaptive=Adaptive(10.0, 3600.0))),
]


@pytest.mark.parametrize(("rule", "ttl"), LONG)
def test_the_long_form(rule: str, ttl: Ttl) -> None:
    assert matched(route_config(rule), request("POST", "/api/a")).route.ttl == ttl


METHODS = [("ttl: 1m", {"POST"}), ("ttl: http", {"GET", "HEAD"}), ("ttl: off", {"GET", "HEAD"})]


@pytest.mark.parametrize(("rule", "methods"), METHODS)
def test_only_a_lifetime_of_its_own_stores_what_a_route_matches(
    rule: str, methods: set[str]
) -> None:
    route = matched(route_config(rule), request("POST", "/api/a")).route
    assert route.stored_methods == methods


CONTRADICTIONS = [
    ("ttl: {default: 1m, min: 1h, max: 1s}", "`min` is longer than `max`; swap them"),
    ("ttl: {jitter: 10%}", "this ttl names no lifetime; add default, from, status or adaptive"),
    ("ttl: {adaptive: {min: 2s, max: 1s}}", "`min` is longer than `max`; swap them"),
    ("ttl: {adaptive: {min: 0s, max: 1s}}", "nothing lives for no time; write 1s or more"),
    (
        "ttl: {from: response.body.end, adaptive: {min: 1s, max: 1m}}",
        "`adaptive` guesses an end that `from` reads; take one of them out",
    ),
    ("ttl: {default: 1m, margin: 1s}", "`margin` without `from` means nothing"),
]


@pytest.mark.parametrize(("rule", "said"), CONTRADICTIONS)
def test_what_contradicts_itself_is_told(rule: str, said: str) -> None:
    text = f"upstreams: {{x: {{url: http://x, routes: [{{name: r, {rule}}}]}}}}"
    (problem,) = problems(text)
    assert said in problem


REFRESHES = [
    ("ttl: 1m\nrefresh: {ahead: 20%, hits: 3}", Refresh(0.2, 3, unsafe=True)),
    ("ttl: http\nrefresh: {ahead: 20%}", Refresh(0.2, 1, unsafe=False)),
    ("ttl: 1m", None),
]


@pytest.mark.parametrize(("rule", "refresh"), REFRESHES)
def test_what_is_fetched_before_it_is_stale(rule: str, refresh: Refresh | None) -> None:
    assert matched(route_config(rule), request("POST", "/api/a")).route.refresh == refresh
