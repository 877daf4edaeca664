"""`cost` and `prices` compiled, and what is wrong with them said."""

from __future__ import annotations

import pytest

from proxy.rules.prices import OPENAI, Cost, FixedCost, Price, TokenCost
from tests.unit.rules.support import problems, route_config


def _cost(route: str, top: str = "") -> Cost | None:
    return route_config(route, top).router.tables["api"].routes[0].cost


def test_a_fixed_cost() -> None:
    assert _cost("cost: {miss: 20, hit: 1}") == FixedCost(miss=20_000_000, hit=1_000_000)
    assert _cost("cost: {miss: 0.5, unit: usd}") == FixedCost(miss=500_000, unit="usd")
    assert _cost("ttl: 1m") is None


def test_tokens_have_the_prices_of_a_table() -> None:
    cost = _cost("cost: {tokens: response.body.usage, prices: openai}")
    assert isinstance(cost, TokenCost)
    assert (cost.prices, cost.unit, cost.hit) == (OPENAI, "usd", 0)
    assert [model.text for model in cost.models] == ["response.body.model", "body.model"]


def test_a_table_of_ones_own() -> None:
    top = (
        "prices: {own: {m: {input: 1, output: 2}, n: {input: 3, cached_input: 1, cache_write: 4}}}"
    )
    cost = _cost("cost: {tokens: response.body.usage, prices: own, model: body.engine}", top)
    assert isinstance(cost, TokenCost)
    assert cost.prices == {
        "m": Price(1_000_000, 2_000_000, 1_000_000, 1_000_000),
        "n": Price(3_000_000, 0, 1_000_000, 4_000_000),
    }
    assert [model.text for model in cost.models] == ["body.engine"]


def test_a_built_in_table_is_added_to() -> None:
    cost = _cost(
        "cost: {tokens: response.body.usage, prices: openai}",
        "prices: {openai: {gpt-4o: {input: 9}}}",
    )
    assert isinstance(cost, TokenCost)
    assert cost.prices["gpt-4o"].input == 9_000_000
    assert cost.prices["gpt-4o-mini"] == OPENAI["gpt-4o-mini"]


def test_the_body_is_read_for_it_and_is_not_part_of_the_key() -> None:
    route = route_config("ttl: 1m\nkey: fixed\nparams: [body.model]").router.tables["api"].routes[0]
    assert route.needs_body("POST")
    plain = route_config("ttl: 1m\nkey: fixed").router.tables["api"].routes[0]
    assert not plain.needs_body("POST")
    assert route.digest == plain.digest


@pytest.mark.parametrize(
    ("cost", "problem"),
    [
        ("{}", "either `miss` or `tokens`"),
        ("{hit: 1}", "either `miss` or `tokens`"),
        ("{miss: 1, tokens: response.body.usage, prices: openai}", "either `miss` or `tokens`"),
        ("{miss: 1, prices: openai}", "`prices` belongs to `tokens`"),
        ("{tokens: response.body.usage}", "no price without `prices`"),
        ("{tokens: body.usage, prices: openai}", "write response.body.usage"),
        ("{tokens: response.body.usage, prices: opnai}", "did you mean `openai`"),
    ],
)
def test_what_is_wrong_is_said(cost: str, problem: str) -> None:
    found = problems(f"upstreams: {{a: {{url: 'http://a', routes: [{{name: r, cost: {cost}}}]}}}}")
    assert len(found) == 1
    assert problem in found[0]


def test_an_empty_table_is_a_mistake() -> None:
    (found,) = problems("prices: {own: {}}\nupstreams: {a: {url: 'http://a'}}")
    assert "`own` is empty" in found
