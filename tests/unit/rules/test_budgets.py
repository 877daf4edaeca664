"""Budgets compiled: of which routes, in which unit, shared by whom, in which window."""

from __future__ import annotations

import pytest

from proxy.rules.budgets import Budget
from tests.support.build import request
from tests.support.rules import config_of
from tests.unit.rules.support import matched, problems

ROUTES = """
upstreams:
  api:
    url: http://up.test
    routes:
      - {name: speech, match: POST /speech, cost: {miss: 20}}
      - {name: music, match: POST /music, cost: {miss: 20}}
      - {name: chat, match: POST /chat, cost: {tokens: response.body.usage, prices: openai}}
      - {name: free, match: GET /free}
"""


def _budget(text: str, top: str = "") -> Budget:
    return config_of(f"{top}\nbudgets: [{{name: b, limit: 40, {text}}}]{ROUTES}").budgets[0]


def test_all_routes_of_the_unit_are_held_to_it() -> None:
    budget = _budget("unit: credits")
    assert budget.routes == {"speech", "music"}
    assert (budget.limit, budget.per, budget.by) == (40_000_000, 86_400, None)


def test_the_unit_is_that_of_its_routes() -> None:
    assert _budget("routes: [chat], per: 1h").unit == "usd"
    assert _budget("routes: speech").routes == {"speech"}


def test_windows_are_counted_from_the_epoch() -> None:
    budget = _budget("unit: credits, per: 1h")
    assert budget.window(3599.0) == 0
    assert budget.window(3600.0) == 1
    assert budget.ends(3599.0) == 1.0
    assert budget.ends(7200.0) == 3600.0


@pytest.mark.parametrize(
    ("by", "alike"),
    [("all", True), ("route", True), ("credential", False), ("header.x-team", False)],
)
def test_who_shares_it(by: str, alike: bool) -> None:
    text = f"unit: credits, by: {by}"
    config = config_of(f"budgets: [{{name: b, limit: 40, {text}}}]{ROUTES}")
    sharers = []
    for name in ("a", "b"):
        fields = {"Authorization": f"Bearer {name}", "X-Team": name}
        match = matched(config, request("POST", "/api/speech", fields=fields))
        sharers.append(config.budgets[0].sharer(match.route, match.subject))
    assert (sharers[0] == sharers[1]) is alike
    assert "Bearer" not in str(sharers)


def test_those_without_what_it_goes_by_share_one() -> None:
    config = config_of(
        f"budgets: [{{name: b, limit: 4, unit: credits, by: header.x-team}}]{ROUTES}"
    )
    match = matched(config, request("POST", "/api/speech"))
    assert config.budgets[0].sharer(match.route, match.subject) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{name: b, limit: 1}", "of which unit is not clear; write unit: credits or usd"),
        ("{name: b, limit: 1, routes: [free]}", "`free` has no `cost`"),
        ("{name: b, limit: 1, routes: [speach, chat]}", "did you mean `speech`"),
        ("{name: b, limit: 1, unit: stars}", "limits nothing"),
        ("{name: b, limit: 1, unit: usd, per: 10ms}", "write 1s or more"),
        ("{name: b, limit: 1, unit: usd, per: 0s}", "`0s` is not a duration longer than 0"),
        ("{name: b, limit: 1, unit: usd, by: jwt.sub}", "`jwt.sub` is not verified"),
        ("{name: b, limit: 1, unit: usd, by: session}", "nothing says where a session id is"),
        ("{name: b, limit: 1, unit: usd, routes: []}", "no route is named"),
        ("{name: b, limit: 1, unit: usd, by: body.user}", "is in the body"),
        ("{name: b, limit: 1, unit: usd}, {name: b, limit: 2, unit: usd}", "two budgets `b`"),
    ],
)
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    assert problem in "\n".join(problems(f"budgets: [{text}]{ROUTES}"))


def test_a_verified_claim_may_have_one() -> None:
    assert _budget("unit: usd, by: jwt.sub", "jwt: {key: a-key-for-tests}").by is not None
