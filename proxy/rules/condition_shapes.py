"""Shapes of conditions: selectors, and what they must be.

Floor 2. What they read is ready to use: compiled patterns, matchers, clauses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.rules.conditions import Clause, Condition
from proxy.rules.matchers import (
    All,
    Compare,
    Contains,
    Equal,
    Exists,
    Matcher,
    Matches,
    Not,
    Operand,
    Order,
    StartsWith,
)
from proxy.rules.nodes import Map, Node, Scalar, Sequence
from proxy.rules.problems import did_you_mean
from proxy.rules.selectors import Selector
from proxy.rules.shapes import Reading, Refusal, Schema, Single
from proxy.rules.words import boolean, selector, template

_MATCHER_WORDS: Final = (
    "not",
    "in",
    "gt",
    "gte",
    "lt",
    "lte",
    "matches",
    "starts_with",
    "contains",
    "exists",
)
_MATCHER_FORMS: Final = f"a value, a list of values, or a mapping of {', '.join(_MATCHER_WORDS)}"


def _regex(node: Scalar, _reading: Reading) -> re.Pattern[str]:
    try:
        return re.compile(node.text)
    except (re.error, RecursionError) as error:
        raise Refusal(f"this is no regular expression: {error}") from error


_REGEX: Final = Single("a regular expression", "a regular expression", _regex, {"type": "string"})


@dataclass(frozen=True, slots=True)
class MatcherShape:
    """What a value must be. Texts with braces are templates."""

    response: bool

    def read(self, node: Node, reading: Reading) -> Matcher | None:
        """The matcher."""
        if isinstance(node, Scalar):
            return self.one(node, reading, lambda operand: Equal((operand,)))
        if isinstance(node, Sequence):
            return self._choices(node, reading)
        if not node.items:
            reading.report.add(node.mark, "an empty matcher", f"write {_MATCHER_FORMS}")
            return None
        parts = [self._word(key, child, reading) for key, child in node.items]
        known = tuple(part for part in parts if part is not None)
        if len(known) != len(parts):
            return None
        return known[0] if len(known) == 1 else All(known)

    def _operand(self, node: Scalar, reading: Reading) -> tuple[Operand] | None:
        """The operand in a tuple of its own, since it may well be null."""
        if not isinstance(node.value, str) or (
            "{" not in node.template and "}" not in node.template
        ):
            return (node.value,)
        found = template(response=self.response).read(node, reading)
        if found is None:
            return None
        return (found,) if found.selectors else (found.literal,)

    def _choices(self, node: Sequence, reading: Reading) -> Matcher | None:
        choices: list[Operand] = []
        for item in node.items:
            if not isinstance(item, Scalar):
                reading.report.add(
                    item.mark,
                    "a list of values holds single values only",
                    "write one value for each item",
                )
                return None
            operand = self._operand(item, reading)
            if operand is None:
                return None
            choices += operand
        if not choices:
            reading.report.add(node.mark, "an empty list, which nothing equals", "name a value")
            return None
        return Equal(tuple(choices))

    def _word(self, key: Scalar, node: Node, reading: Reading) -> Matcher | None:
        make = _WORDS.get(key.text)
        if make is None:
            remedy = did_you_mean(key.text, _MATCHER_WORDS, f"write {_MATCHER_FORMS}")
            reading.report.add(key.mark, f"`{key.text}` is no matcher", remedy)
            return None
        return make(self, node, reading)

    def one(
        self, node: Node, reading: Reading, make: Callable[[Operand], Matcher]
    ) -> Matcher | None:
        """A matcher with a single operand."""
        if not isinstance(node, Scalar):
            reading.report.add(
                node.mark, "a single value belongs here", "write one value or template"
            )
            return None
        operand = self._operand(node, reading)
        return None if operand is None else make(operand[0])

    def schema(self) -> Schema:
        """A value, a list of values, or the mapping, in which `not` may hold a matcher again."""
        return {"$ref": "#/$defs/matcher"}

    def kinds(self) -> str:
        """The accepted forms."""
        return _MATCHER_FORMS


def _not(shape: MatcherShape, node: Node, reading: Reading) -> Matcher | None:
    inner = shape.read(node, reading)
    return None if inner is None else Not(inner)


def _in(shape: MatcherShape, node: Node, reading: Reading) -> Matcher | None:
    if isinstance(node, Sequence):
        return shape.read(node, reading)
    reading.report.add(node.mark, "`in` takes a list", "write in: [VALUE, VALUE]")
    return None


def _matches(_shape: MatcherShape, node: Node, reading: Reading) -> Matcher | None:
    regex = _REGEX.read(node, reading)
    return None if regex is None else Matches(regex)


def _exists(_shape: MatcherShape, node: Node, reading: Reading) -> Matcher | None:
    wanted = boolean().read(node, reading)
    return None if wanted is None else Exists(wanted)


def _comparison(order: Order) -> Callable[[MatcherShape, Node, Reading], Matcher | None]:
    return lambda shape, node, reading: shape.one(node, reading, lambda to: Compare(order, to))


_WORDS: Final[Mapping[str, Callable[[MatcherShape, Node, Reading], Matcher | None]]] = {
    "not": _not,
    "in": _in,
    **{order.value: _comparison(order) for order in Order},
    "matches": _matches,
    "starts_with": lambda shape, node, reading: shape.one(node, reading, StartsWith),
    "contains": lambda shape, node, reading: shape.one(node, reading, Contains),
    "exists": _exists,
}
MATCHER_SCHEMA: Final[Schema] = {
    "anyOf": [
        {"type": ["string", "number", "boolean", "null"]},
        {
            "type": "array",
            "items": {"type": ["string", "number", "boolean", "null"]},
            "minItems": 1,
        },
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "not": {
                    "$ref": "#/$defs/matcher",
                    "description": "must not be so; holds for a missing value",
                },
                "in": {"type": "array", "description": "one of these"},
                "gt": {"type": ["number", "string"], "description": "greater than"},
                "gte": {"type": ["number", "string"], "description": "greater than or equal"},
                "lt": {"type": ["number", "string"], "description": "less than"},
                "lte": {"type": ["number", "string"], "description": "less than or equal"},
                "matches": {"type": "string", "description": "a regular expression is found in it"},
                "starts_with": {"type": "string", "description": "text that begins so"},
                "contains": {
                    "type": ["string", "number", "boolean"],
                    "description": "has it as item, part or member",
                },
                "exists": {"type": "boolean", "description": "there is a value and it is not null"},
            },
        },
    ]
}


@dataclass(frozen=True, slots=True)
class ConditionShape:
    """A mapping of selectors to matchers, or a list of such mappings."""

    response: bool

    def read(self, node: Node, reading: Reading) -> Condition | None:
        """The condition."""
        nodes = node.items if isinstance(node, Sequence) else (node,)
        read = [self._alternative(item, reading) for item in nodes]
        known = tuple(alternative for alternative in read if alternative is not None)
        if not nodes:
            reading.report.add(node.mark, "an empty condition", f"write {self.kinds()}")
        return Condition(known) if nodes and len(known) == len(read) else None

    def _alternative(self, node: Node, reading: Reading) -> tuple[Clause, ...] | None:
        if not isinstance(node, Map) or not node.items:
            reading.report.add(node.mark, "a condition names selectors", f"write {self.kinds()}")
            return None
        clauses = [self._clause(key, child, reading) for key, child in node.items]
        known = tuple(clause for clause in clauses if clause is not None)
        return known if len(known) == len(clauses) else None

    def _clause(self, key: Scalar, node: Node, reading: Reading) -> Clause | None:
        found: Selector | None = selector(response=self.response).read(key, reading)
        matcher = MatcherShape(self.response).read(node, reading)
        return None if found is None or matcher is None else Clause(found, matcher)

    def schema(self) -> Schema:
        """One alternative, or a list of them."""
        return {"$ref": "#/$defs/condition"}

    def kinds(self) -> str:
        """The accepted forms."""
        return "{SELECTOR: VALUE, …}, or a list of such mappings"


CONDITION_SCHEMA: Final[Schema] = {
    "anyOf": [
        {"$ref": "#/$defs/alternative"},
        {"type": "array", "items": {"$ref": "#/$defs/alternative"}, "minItems": 1},
    ]
}
ALTERNATIVE_SCHEMA: Final[Schema] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"$ref": "#/$defs/matcher"},
}
