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
    *(
        (f"ttl: {{default: {default}, adaptive: {{min: 10s, max: 1m}}}}", "not within its bounds")
        for default in ("9s", "61s")
    ),
    ("ttl: off, refresh: {ahead: 20%}", "`refresh` is of stored answers"),
    ("ttl: off, stale: {if_error: 1h}", "`stale` is of stored answers"),
    ("ttl: {default: 1m, margin: 1s}", "`margin` without `from` means nothing"),
]


@pytest.mark.parametrize(("rule", "said"), CONTRADICTIONS)
def test_what_contradicts_itself_is_told(rule: str, said: str) -> None:
    text = f"upstreams: {{x: {{url: http://x, routes: [{{name: r, {rule}}}]}}}}"
    (problem,) = problems(text)
    assert said in problem


ALLOWED = [
    "routes: [{name: r, ttl: '${TTL:-off}', stale: {if_error: 1h}}]}}",
    "routes: [{name: r, ttl: off}]}}\ndefaults: {stale: {if_error: 1h}}",
    "routes: [{name: r, ttl: {default: 10s, adaptive: {min: 10s, max: 1m}}}]}}",
]


@pytest.mark.parametrize("rest", ALLOWED)
def test_what_is_switched_off_for_a_while_or_meant_for_others_is_right(rest: str) -> None:
    assert problems(f"upstreams: {{x: {{url: http://x, {rest}") == []


REFRESHES = [
    ("ttl: 1m\nrefresh: {ahead: 20%, hits: 3}", Refresh(0.2, 3, unsafe=True)),
    ("ttl: http\nrefresh: {ahead: 20%}", Refresh(0.2, 1, unsafe=False)),
    ("ttl: 1m", None),
]


@pytest.mark.parametrize(("rule", "refresh"), REFRESHES)
def test_what_is_fetched_before_it_is_stale(rule: str, refresh: Refresh | None) -> None:
    assert matched(route_config(rule), request("POST", "/api/a")).route.refresh == refresh


SWITCHED_OFF = """
upstreams:
  db:
    url: http://x
    routes:
      - {name: list, match: GET /rows, ttl: "${LIST:-1m}", prefetch: ["GET /rows/1"], restore: true,
         expand: {each: response.body.items, as: "GET /rows/{item.id}"}}
      - {name: row, match: "GET /rows/{id}", ttl: "${ROW:-1m}", key: "row:{path.id}",
         aliases: ["lead:{response.body.lead}"], stale: {if_error: 1h}}
      - {name: lead, match: "GET /leads/{lead}", ttl: "${LEAD:-1m}", key: "lead:{path.lead}"}
      - {name: write, match: "PUT /rows/{id}", ttl: off, write_through: "GET /rows/{path.id}"}
alerts: [{name: a, routes: [list], hit_rate: 50%}]
"""


@pytest.mark.parametrize("names", [(), ("LIST",), ("ROW",), ("LEAD",), ("LIST", "ROW", "LEAD")])
def test_no_file_is_wrong_for_what_the_environment_switches_off(names: tuple[str, ...]) -> None:
    assert problems(SWITCHED_OFF, dict.fromkeys(names, "off")) == []
