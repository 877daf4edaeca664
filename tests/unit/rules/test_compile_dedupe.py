"""`dedupe` in the rule file: how it is written, and what cannot stand beside it."""

from __future__ import annotations

import pytest

from proxy.outcomes import Bypass
from proxy.rules.dedupe import Dedupe
from proxy.rules.lifetimes import OffTtl
from proxy.rules.route import Identity
from proxy.rules.scopes import CredentialScope, SharedScope
from tests.support.build import request
from tests.unit.rules.support import identity, matched, problems, route_config

POST = request("POST", "/api/a", body="{}")


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("10m", Dedupe(window=600.0)),
        ("{window: 10m}", Dedupe(window=600.0)),
        ("{window: 1s, when_store_down: refuse}", Dedupe(window=1.0, forward_when_down=False)),
        ("{window: 1s, in_doubt: forward}", Dedupe(window=1.0, forward_in_doubt=True)),
        ("{window: 1s, unkeyed: refuse}", Dedupe(window=1.0, forward_unkeyed=False)),
        (
            "{window: 1s, when_store_down: forward, in_doubt: refuse, unkeyed: forward}",
            Dedupe(window=1.0),
        ),
    ],
)
def test_how_it_is_written(written: str, rule: Dedupe) -> None:
    assert matched(route_config(f"dedupe: {written}"), POST).route.deduping == rule


def test_such_a_route_stores_nothing_and_keys_its_requests() -> None:
    config = route_config("dedupe: 10m")
    route = matched(config, POST).route
    assert isinstance(route.ttl, OffTtl)
    assert "POST" not in route.stored_methods  # so its answers invalidate (RFC 9111 §4.4)
    assert route.needs_body("POST")
    assert isinstance(route.scope, CredentialScope)
    assert isinstance(identity(config, POST), Identity)


def test_a_scope_of_its_own_holds() -> None:
    assert isinstance(
        matched(route_config("dedupe: 10m\nscope: shared"), POST).route.scope, SharedScope
    )


def test_switched_off_it_is_no_gate() -> None:
    config = route_config("dedupe: 10m\nenabled: false")
    assert matched(config, POST).route.deduping is None
    assert identity(config, POST) is Bypass.ROUTE_DISABLED


def problem_lines(route: str, match: str = "POST /a", top: str = "") -> list[str]:
    text = f"{top}\nupstreams:\n  a:\n    url: http://a\n    routes:\n      - name: it\n"
    text += f"        match: {match}\n        {route}\n"
    return problems(text)


@pytest.mark.parametrize("match", ["GET /a", "GET,POST /a", "QUERY /a", "/a"])
def test_it_is_for_methods_that_change_something(match: str) -> None:
    (problem,) = problem_lines("dedupe: 10m", match)
    assert "`dedupe` is for requests that change something" in problem


@pytest.mark.parametrize(
    "beside",
    [
        *("ttl: 5m", "ttl: http", "stale: {if_error: 1h}", "serve_if: {method: POST}"),
        *("store_if: {response.status: 200}", "tags: [a]", "reload: ignore", "collapse: true"),
        *("set_cookie: store", "targets: [x]", "stream: {max: 1MiB}"),
    ],
)
def test_what_speaks_of_stored_answers_cannot_stand_beside_it(beside: str) -> None:
    (problem,) = problem_lines(f"dedupe: 10m\n        {beside}")
    name = beside.partition(":")[0]
    assert f"`{name}` means nothing beside `dedupe`" in problem


def test_in_the_defaults_it_is_not_meant() -> None:
    top = "defaults: {ttl: 5m, stale: {if_error: 1h}, tags: [a]}"
    assert problem_lines("dedupe: 10m", top=top) == []


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ("dedupe: soon", "`soon` is not a duration longer than 0"),
        ("dedupe: 0s", "`0s` is not a duration longer than 0"),
        ("dedupe: {window: 0ms}", "`0ms` is not a duration longer than 0"),
        ("dedupe: {in_doubt: refuse}", "dedupe has no `window`"),
        ("dedupe: {window: 1m, in_doubt: ask}", "`ask` is not one of the words for this"),
    ],
)
def test_what_is_no_such_rule(route: str, said: str) -> None:
    (problem,) = problem_lines(route)
    assert said in problem


def test_the_defaults_cannot_have_it() -> None:
    (problem,) = problems("defaults: {dedupe: 10m}\nupstreams: {a: {url: 'http://a'}}")
    assert "it belongs to a route of unsafe methods" in problem
