"""From `prices` and `cost` as written to price tables and what a route's answers cost.

Floor 2. What a key cannot know of its neighbours is checked here: two kinds of cost at once,
tokens without prices, a table that is not there.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.rules import prices as p
from proxy.rules.condition_shapes import ConditionShape
from proxy.rules.prices import BUILT_IN, DOLLARS, Cost, FixedCost, Price, Prices, TokenCost
from proxy.rules.problems import Report, did_you_mean
from proxy.rules.selectors import Selector, parse_selector
from proxy.rules.shapes import Field, Record, Written
from proxy.rules.words import NAME, of_answer, selector

MISS = Field("miss", p.AMOUNT, "What an answer of the upstream costs.")
HIT = Field("hit", p.AMOUNT, "What an answer from the cache costs. Default 0.")
UNIT = Field("unit", p.UNIT, "What is counted. Default credits, of tokens usd.")
TOKENS = Field("tokens", of_answer(), "Where the answer says how many tokens it took.")
TABLE = Field("prices", NAME, "The price table: one of `prices`, or the built-in openai.")
MODEL = Field(
    "model",
    selector(response=True),
    "Where the model is named. Default response.body.model, else body.model.",
)
WHEN = Field("when", ConditionShape(response=True), "Only answers for which this holds cost.")
COST_RECORD = Record("cost", (MISS, HIT, UNIT, TOKENS, TABLE, MODEL, WHEN))

_MODELS = ("response.body.model", "body.model")

Tables = Mapping[str, Prices]


def compile_prices(written: Written, report: Report) -> Tables:
    """Every price table by name: the built-in ones, with what the file adds to them."""
    tables = dict(BUILT_IN)
    for mark, name, models in written.get(p.PRICES) or ():
        if not models:
            report.add(mark, f"the price table `{name}` is empty", "name a model in it")
        tables[name] = {
            **tables.get(name, {}),
            **{model: _price(price) for _, model, price in models},
        }
    return tables


def _price(written: Written) -> Price:
    given = written.get(p.INPUT) or 0
    cached, write = written.get(p.CACHED_INPUT), written.get(p.CACHE_WRITE)
    return Price(
        input=given,
        output=written.get(p.OUTPUT) or 0,
        cached_input=given if cached is None else cached,
        cache_write=given if write is None else write,
    )


def compile_cost(written: Written | None, tables: Tables, report: Report) -> Cost | None:
    """What answers cost; None where nothing is written, or it has a problem."""
    if written is None:
        return None
    miss, tokens = written.get(MISS), written.get(TOKENS)
    if written.given(MISS) == written.given(TOKENS):
        remedy = "write miss: AMOUNT, or tokens: response.body.usage and prices: NAME"
        report.add(written.mark, "cost takes either `miss` or `tokens`", remedy)
        return None
    hit, when = written.get(HIT) or 0, written.get(WHEN)
    if tokens is not None:
        prices = _table(written, tables, report)
        unit = written.get(UNIT) or DOLLARS
        models = _models(written)
        return TokenCost(tokens=tokens, models=models, prices=prices, hit=hit, unit=unit, when=when)
    for key in (TABLE, MODEL):
        if written.given(key) and not written.given(TOKENS):
            report.add(written.mark_of(key), f"`{key.name}` belongs to `tokens`", "take it out")
    unit = written.get(UNIT) or "credits"
    return None if miss is None else FixedCost(miss=miss, hit=hit, unit=unit, when=when)


def _models(written: Written) -> tuple[Selector, ...]:
    named = written.get(MODEL)
    return tuple(map(parse_selector, _MODELS)) if named is None else (named,)


def _table(written: Written, tables: Tables, report: Report) -> Prices:
    name = written.get(TABLE)
    if name is not None and name in tables:
        return tables[name]
    if name is not None:
        remedy = did_you_mean(name, tables, f"there are {', '.join(tables)}")
        report.add(written.mark_of(TABLE), f"there is no price table `{name}`", remedy)
    elif not written.given(TABLE):
        report.add(written.mark, "tokens have no price without `prices`", "add prices: openai")
    return {}
