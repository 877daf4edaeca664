"""Freshness lifetimes that a rule gives."""

from __future__ import annotations

import pytest

from proxy.rules.lifetimes import remaining
from tests.support.build import request
from tests.support.clock import NOW
from tests.unit.rules.support import answered, matched, route_config


def soon(seconds: float) -> str:
    return f'{{"at": {NOW + seconds}}}'


LIFETIMES = [
    ("5m", 200, "{}", 300.0),
    ("{default: 5m, status: {404: 10s}}", 404, "{}", 10.0),
    ("{from: response.body.at}", 200, "{}", None),
    ("{from: response.body.at, default: 1m}", 200, '{"at":"soon"}', 60.0),
    ("{from: response.body.at}", 200, soon(90), 90.0),
    ("{from: response.body.at, margin: 15s}", 200, soon(90), 75.0),
    ("{from: response.body.at, margin: 15s}", 200, soon(10), None),
    ("{from: response.body.at, margin: 15s, min: 5s}", 200, soon(10), 5.0),
    ("{from: response.body.at, min: 5s}", 200, soon(2), None),
    ("{from: response.body.at, max: 1m}", 200, soon(90), 60.0),
    ("{from: response.body.at}", 200, '{"at": 3600}', 3600.0),
    ("{from: response.body.at}", 200, f'{{"at": {int((NOW + 30) * 1000)}}}', 30.0),
    ("{from: response.body.at}", 200, soon(-5), None),
    ("{default: 0s}", 200, "{}", None),
]


@pytest.mark.parametrize(("ttl", "status", "body", "expected"), LIFETIMES)
def test_lifetimes(ttl: str, status: int, body: str, expected: float | None) -> None:
    rule = f"ttl: {ttl}"
    route = matched(route_config(rule), request("POST", "/api/a")).route
    found = route.lifetime(answered(rule, status, body), NOW)
    assert found == (None if expected is None else pytest.approx(expected, abs=0.01))


def test_jitter_only_shortens() -> None:
    rule = "ttl: {default: 100s, jitter: 10%}"
    route = matched(route_config(rule), request("POST", "/api/a")).route
    assert [route.lifetime(answered(rule), NOW, random) for random in (0.0, 1.0)] == [100.0, 90.0]


def test_a_named_moment_is_measured_by_the_upstreams_clock() -> None:
    rule = "ttl: {from: response.body.at}"
    route = matched(route_config(rule), request("POST", "/api/a")).route
    subject = answered(
        rule, body='{"at":"2026-11-20T10:05:00Z"}', date="Fri, 20 Nov 2026 10:00:00 GMT"
    )
    assert route.lifetime(subject, NOW + 1e6) == 300.0


@pytest.mark.parametrize("text", ["1e400", "1e308", "1e18", "9999-12-31T23:59:59Z"])
def test_no_moment_is_further_off_than_a_max_age_can_be(text: str) -> None:
    assert remaining(text, NOW, NOW) == 2**31
    assert (remaining(f"-{text}", NOW, NOW) or -(2**31)) == -(2**31)
