"""Normalising steps: parameters that mean the same are keyed the same.

Floor 2. Pure. A step leaves alone what it does not apply to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from proxy.rules.values import MISSING, Json, Value, canonical

TextStep = Callable[[str], str]

TEXT_STEPS: Final[Mapping[str, TextStep]] = {
    "trim": str.strip,
    "squash": lambda text: " ".join(text.split()),
    "lower": str.lower,
    "upper": str.upper,
}
"""Steps that rewrite text, by name."""

SORT: Final = "sort"
"""The step that puts a list in order."""

WORDS: Final = (*TEXT_STEPS, SORT)
"""Steps written as a bare word."""


@dataclass(frozen=True, slots=True)
class Words:
    """A step named by a word: trim, squash, lower, upper or sort."""

    word: str

    def apply(self, value: Value) -> Value:
        """The value, rewritten if it is of the word's type."""
        if self.word == SORT:
            return sorted(value, key=canonical) if isinstance(value, list) else value
        return TEXT_STEPS[self.word](value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Default:
    """`default: V`: what the upstream takes where nothing, or null, is sent."""

    value: Json

    def apply(self, value: Value) -> Value:
        """The value, or the default in place of none."""
        return self.value if value is MISSING or value is None else value


@dataclass(frozen=True, slots=True)
class Round:
    """`round: N`: numbers to N places, after which 1 and 1.0 are the same."""

    places: int

    def apply(self, value: Value) -> Value:
        """The rounded number; text and everything else as it is."""
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return value
        exponent = Decimal(1).scaleb(-self.places)
        try:
            rounded = Decimal(str(value)).quantize(exponent)
        except ArithmeticError:
            return value
        return rounded or abs(rounded)


Step = Words | Default | Round


def normalized(steps: tuple[Step, ...], value: Value) -> Value:
    """The value after all steps, in order."""
    for step in steps:
        value = step.apply(value)
    return value
