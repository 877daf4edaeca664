"""The rules in force as plain data, and why a route is passed over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.edges.listing import (
    cost_listed,
    refusal_of,
    route_names,
    routes_listed,
    routes_of,
    scope_of_route,
    ttl_listed,
)
from proxy.messages import Request
from proxy.rules.subject import RequestFacts, Sources, Subject
from tests.support.rules import config_of
from tests.unit.rules.support import SESSIONS, route_config

CONFIG = config_of(
    """
    upstreams:
      db:
        url: https://db.example
        headers: {set: {authorization: Bearer hunter2}}
        routes:
          - {name: scenes, match: "GET /scenes/{id}", ttl: 5m}
          - name: chat
            match: POST /chat
            when: {body.stream: {not: true}}
            ttl: {default: 1h, from: response.body.expires, min: 1s, status: {404: 10s}}
          - {name: either, match: GET /either, when: [{query.a: "1"}, {query.b: "2"}], ttl: off}
      api: {url: https://api.example, host: api.local}
    """
)


def test_the_rules_are_listed_in_order_with_the_implicit_route_last() -> None:
    listed: Any = json.loads(json.dumps(routes_listed(CONFIG)))
    db, api = listed["upstreams"]
    assert [route["name"] for route in db["routes"]] == ["scenes", "chat", "either", "db"]
    assert [route["match"] for route in db["routes"]] == [
        "GET /scenes/{id}",
        "POST /chat",
        "GET /either",
        None,
    ]
    assert (db["at"], api["at"]) == ("/db", "Host: api.local")
    assert listed["digest"] == CONFIG.digest


def test_no_secret_is_listed() -> None:
    assert "hunter2" not in json.dumps(routes_listed(CONFIG))


def test_route_names_include_the_implicit_ones() -> None:
    assert route_names(CONFIG) == {"scenes", "chat", "either", "db", "api"}


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ("scope: session", "session"),
        ("scope: shared", "shared"),
        ("ttl: 1m", "credential"),
        ("scope: [header.a, query.b]", "header.a, query.b"),
    ],
)
def test_scopes_are_said_as_the_rules_say_them(lines: str, word: str) -> None:
    config = route_config(lines, SESSIONS)
    assert scope_of_route(config, "it") == word
    assert scope_of_route(config, "nobody") is None


def test_costs_are_in_their_unit() -> None:
    fixed = route_config("cost: {miss: 20, hit: 0.5}").router.tables["api"].routes[0].cost
    tokens = "cost: {tokens: response.body.usage, prices: own}"
    priced = route_config(tokens, "prices: {own: {m: {input: 1}}}").router.tables["api"].routes[0]
    assert fixed is not None
    assert priced.cost is not None
    common = {"hit": "0.5", "unit": "credits", "when": False}
    assert cost_listed(fixed) == {**common, "miss": "20"}
    assert cost_listed(priced.cost) == {
        "hit": "0",
        "unit": "usd",
        "when": False,
        "tokens": "response.body.usage",
        "models": ["m"],
    }


def test_ttls() -> None:
    by_name = {
        entry.route.name: entry.route.ttl for entry in routes_of(CONFIG, CONFIG.upstreams[0])
    }
    assert ttl_listed(by_name["scenes"]) == {"default_s": 300.0}
    assert ttl_listed(by_name["chat"]) == {
        "default_s": 3600.0,
        "from": "response.body.expires",
        "min_s": 1.0,
        "status": {"404": 10.0},
    }
    assert ttl_listed(by_name["either"]) == "off"
    assert ttl_listed(CONFIG.router.routes(CONFIG.upstreams[1])[-1].ttl) == "http"


@pytest.mark.parametrize(
    ("route", "request_", "why"),
    [
        ("scenes", Request(method="PUT", target="/scenes/7"), "the method is not one of GET, HEAD"),
        ("scenes", Request(method="GET", target="/x"), "the path does not match GET /scenes/{id}"),
        (
            "chat",
            Request(method="POST", target="/chat", body=b'{"stream": true}'),
            "when: body.stream is not what the route asks for",
        ),
        (
            "either",
            Request(method="GET", target="/either?a=2"),
            "when: query.a, query.b is not what the route asks for",
        ),
    ],
)
def test_why_a_route_is_passed_over(route: str, request_: Request, why: str) -> None:
    entries = routes_of(CONFIG, CONFIG.upstreams[0])
    entry = next(entry for entry in entries if entry.route.name == route)
    subject = Subject(RequestFacts(request_), Sources(b"secret"))
    assert refusal_of(entry, subject) == why
