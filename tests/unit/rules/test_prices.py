"""Amounts, units and price tables as the rule file writes them."""

from __future__ import annotations

import pytest

from proxy.rules.prices import BUILT_IN, OPENAI, Price, price_of
from tests.unit.rules.support import problems, route_config

TABLE = {"gpt-4o": Price(1), "gpt-4o-mini": Price(2), "default": Price(3)}


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-4o", 1),
        ("gpt-4o-2024-08-06", 1),
        ("gpt-4o-mini", 2),
        ("gpt-4o-mini-2024-07-18", 2),
        ("gpt-4", 3),
        ("", 3),
    ],
)
def test_a_dated_version_has_the_price_of_its_model(model: str, price: int) -> None:
    assert price_of(TABLE, model) == Price(price)


def test_without_a_default_an_unknown_model_has_no_price() -> None:
    assert price_of(OPENAI, "unheard-of") is None
    assert BUILT_IN["openai"]["gpt-4o-mini"] == Price(150_000, 600_000, 75_000, 150_000)


@pytest.mark.parametrize(
    ("written", "micros"),
    [("20", 20_000_000), ("0.075", 75_000), ("0", 0), ('"1.5"', 1_500_000), ("1e3", None),
     ("-1", None), ("0.0000001", None), ("2000000000", None), ("many", None)],
)  # fmt: skip
def test_amounts(written: str, micros: int | None) -> None:
    text = f"cost: {{miss: {written}}}"
    if micros is None:
        config = "upstreams: {a: {url: 'http://a', routes: [{name: r, match: GET /a, %s}]}}"
        assert problems(config % text)
    else:
        cost = route_config(text).router.tables["api"].routes[0].cost
        assert cost is not None
        assert getattr(cost, "miss", None) == micros


@pytest.mark.parametrize("unit", ["two words", "ünit", "1st", "x" * 40])
def test_a_unit_is_one_word(unit: str) -> None:
    cost = f"{{miss: 1, unit: {unit}}}"
    assert problems(f"upstreams: {{a: {{url: 'http://a', routes: [{{name: r, cost: {cost}}}]}}}}")
