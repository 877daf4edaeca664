"""Alerts and health compiled."""

from __future__ import annotations

import pytest

from proxy.rules.alerts import HEALTHY, Alert
from tests.support.rules import config_of
from tests.unit.rules.support import problems

ROUTES = "\nupstreams: {api: {url: 'http://up.test', routes: [{name: speech, match: GET /s}]}}"


def test_defaults_and_what_is_written() -> None:
    config = config_of("alerts: [{name: low, hit_rate: 60%}]" + ROUTES)
    assert config.alerts == (Alert(name="low", hit_rate=0.6, over=3600.0, requests=20),)
    assert (config.health, HEALTHY.hit_rate) == (HEALTHY, 0.8)
    text = "alerts: [{name: low, routes: [speech, api], hit_rate: 5%, over: 5m, requests: 3}]"
    (alert,) = config_of(text + ROUTES).alerts
    assert alert == Alert(
        name="low", routes=frozenset({"speech", "api"}), hit_rate=0.05, over=300.0, requests=3
    )


def test_what_health_is() -> None:
    health = config_of("health: {hit_rate: 50%, over: 10m, requests: 5, routes: speech}" + ROUTES)
    assert health.health == Alert(
        name="health", hit_rate=0.5, over=600.0, requests=5, routes=frozenset({"speech"})
    )
    assert config_of("health: {over: 10m}" + ROUTES).health.hit_rate == 0.8
    assert config_of("health: {hit_rate: 0%}" + ROUTES).health.hit_rate == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("alerts: [{name: low, hit_rate: 60%, routes: speach}]", "did you mean `speech`"),
        ("alerts: [{name: low, hit_rate: 60%, routes: []}]", "no route is named"),
        ("health: {routes: []}", "no route is named"),
        ("health: {routes: speach}", "did you mean `speech`"),
        ("alerts: [{name: low}]", "`hit_rate`"),
        ("alerts: [{name: low, hit_rate: 1%, over: 0s}]", "`0s` is not a duration longer than 0"),
        ("health: {over: 0m}", "`0m` is not a duration longer than 0"),
        ("alerts: [{name: a, hit_rate: 1%}, {name: a, hit_rate: 2%}]", "two alerts `a`"),
    ],
)
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    assert problem in "\n".join(problems(text + ROUTES))


def test_a_route_that_stores_nothing_has_no_hit_rate() -> None:
    route = "{name: r, match: POST /a, ttl: off}"
    once = "{name: o, match: POST /b, dedupe: 10m}"
    upstream = f"\nupstreams: {{a: {{url: http://a, routes: [{route}, {once}]}}}}"
    (problem,) = problems("alerts: [{name: low, hit_rate: 60%, routes: [r, o]}]" + upstream)
    assert "the route `r` stores nothing, so it has no hit rate" in problem
