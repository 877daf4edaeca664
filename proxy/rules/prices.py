"""Money in the rule file: amounts, units, price tables, and what `cost` compiles to.

Floor 2. Amounts are written as decimal numbers and are integers of millionths (micros) inside,
so that no sum of them is ever rounded. A price is of a million tokens, in micros. Knows no
request and no answer: what one costs is `decisions/costing.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from proxy.rules.conditions import Condition
from proxy.rules.nodes import Scalar
from proxy.rules.selectors import Selector
from proxy.rules.shapes import Entries, Field, Reading, Record, Refusal, Single
from proxy.rules.words import TEXT, from_text, matching

MICROS: Final = 1_000_000
"""How many of them make one of the unit."""

DOLLARS: Final = "usd"
OTHERWISE: Final = "default"
"""The model of a price table that stands for those it does not name."""

_MOST: Final = 10**9
_AMOUNT: Final = r"[0-9]{1,10}(\.[0-9]{1,6})?"
_UNIT: Final = r"[A-Za-z][A-Za-z0-9_-]{0,31}"


def _amount(node: Scalar, _reading: Reading) -> int | None:
    text = node.text.strip()
    if matching(_AMOUNT)(text) is None:
        return None
    try:
        micros = Decimal(text) * MICROS
    except InvalidOperation:  # pragma: no cover - the pattern lets none through
        return None
    if micros > _MOST * MICROS:
        raise Refusal(f"more than {_MOST}: count in a larger unit")
    return int(micros)


AMOUNT: Final = Single(
    "an amount",
    "a number with up to six decimals, such as 20 or 0.075",
    _amount,
    {"type": "number", "minimum": 0, "maximum": _MOST},
)
UNIT: Final = Single(
    "a unit",
    "a word, such as credits or usd",
    from_text(matching(_UNIT)),
    {"type": "string", "pattern": f"^{_UNIT}$"},
)

INPUT: Final = Field("input", AMOUNT, "US dollars for a million input tokens.", required=True)
OUTPUT: Final = Field("output", AMOUNT, "For a million output tokens. Default 0.")
CACHED_INPUT: Final = Field(
    "cached_input", AMOUNT, "For input the upstream had in a cache of its own. Default: as `input`."
)
CACHE_WRITE: Final = Field(
    "cache_write", AMOUNT, "For input it put into that cache. Default: as `input`."
)
PRICE_RECORD: Final = Record("a price", (INPUT, OUTPUT, CACHED_INPUT, CACHE_WRITE))
PRICES: Final = Field(
    "prices",
    Entries(TEXT, Entries(TEXT, PRICE_RECORD)),
    "Price tables by name: for each model, US dollars for a million tokens.",
)


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens of each kind cost, in micros."""

    input: int
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0


Prices = Mapping[str, Price]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedCost:
    """Each upstream answer costs `miss`, each stored one `hit`, in micros of `unit`.

    `when`: only answers for which it holds cost anything.
    """

    miss: int
    hit: int = 0
    unit: str = "credits"
    when: Condition | None = None

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """What must be read to know it."""
        return self.when.selectors if self.when is not None else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCost:
    """An upstream answer costs what its tokens cost; a stored one costs `hit`, in micros."""

    tokens: Selector
    models: tuple[Selector, ...]
    prices: Prices
    hit: int = 0
    unit: str = DOLLARS
    when: Condition | None = None

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """What must be read to know it."""
        judging = self.when.selectors if self.when is not None else ()
        return (self.tokens, *self.models, *judging)


Cost = FixedCost | TokenCost


def price_of(prices: Prices, model: str) -> Price | None:
    """The price of a model, of the longest name it continues (a dated version), or of `default`."""
    name = model
    while name:
        if name in prices:
            return prices[name]
        name = name.rpartition("-")[0]
    return prices.get(OTHERWISE)


def _price(*dollars: str) -> Price:
    micros = [int(Decimal(text) * MICROS) for text in dollars]
    return Price(micros[0], micros[2], micros[1], micros[0])


OPENAI: Final[Prices] = {
    # input, cached input, output: US dollars for a million tokens
    "gpt-5": _price("1.25", "0.125", "10"),
    "gpt-5-mini": _price("0.25", "0.025", "2"),
    "gpt-5-nano": _price("0.05", "0.005", "0.4"),
    "gpt-4.1": _price("2", "0.5", "8"),
    "gpt-4.1-mini": _price("0.4", "0.1", "1.6"),
    "gpt-4.1-nano": _price("0.1", "0.025", "0.4"),
    "gpt-4o": _price("2.5", "1.25", "10"),
    "gpt-4o-mini": _price("0.15", "0.075", "0.6"),
    "gpt-4-turbo": _price("10", "10", "30"),
    "gpt-4": _price("30", "30", "60"),
    "gpt-3.5-turbo": _price("0.5", "0.5", "1.5"),
    "o1": _price("15", "7.5", "60"),
    "o1-mini": _price("1.1", "0.55", "4.4"),
    "o3": _price("2", "0.5", "8"),
    "o3-mini": _price("1.1", "0.55", "4.4"),
    "o4-mini": _price("1.1", "0.275", "4.4"),
    "text-embedding-3-small": _price("0.02", "0.02", "0"),
    "text-embedding-3-large": _price("0.13", "0.13", "0"),
    "text-embedding-ada-002": _price("0.1", "0.1", "0"),
    "gpt-image-1": _price("5", "1.25", "40"),
}
"""What OpenAI charged at the end of 2025; a table `openai` in the rule file adds to it."""

BUILT_IN: Final[Mapping[str, Prices]] = {"openai": OPENAI}
