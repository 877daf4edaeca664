"""Shapes of `match` and of the parts of a key.

Floor 2. What they read is ready to use: patterns, compiled expressions, steps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from proxy.rules.keys import BodyPart
from proxy.rules.nodes import Map, Node, Scalar, Sequence
from proxy.rules.normalize import WORDS, Default, Round, Step, Words
from proxy.rules.paths import Path, parse_path
from proxy.rules.patterns import FORMS, Pattern, parse_pattern
from proxy.rules.selectors import compile_expression
from proxy.rules.shapes import Reading, Refusal, Schema, Single
from proxy.rules.words import integer

_NAMED_PART: Final = re.compile(r"([A-Za-z_]\w*):\s+(.+)\Z", re.ASCII | re.DOTALL)
_ROOTS: Final = ("body", "query", "header", "form")
_MOST_PLACES: Final = 12


def _pattern(node: Scalar, _reading: Reading) -> Pattern:
    return parse_pattern(node.text)


MATCH: Final = Single("a match", FORMS, _pattern, {"type": "string"})


@dataclass(frozen=True, slots=True)
class BodyPartShape:
    """An item of `key.body`: JMESPath, or `name: JMESPath`."""

    def read(self, node: Node, reading: Reading) -> BodyPart | None:
        """The part."""
        if isinstance(node, Map) and len(node.items) == 1:
            label, child = node.items[0]
            part = _EXPRESSION.read(child, reading)
            return None if part is None else BodyPart(label.text, part.take)
        return _EXPRESSION.read(node, reading)

    def schema(self) -> Schema:
        """Text, or a mapping with one name."""
        named: Schema = {"type": "object", "minProperties": 1, "maxProperties": 1}
        return {
            "anyOf": [{"type": "string"}, {**named, "additionalProperties": {"type": "string"}}]
        }

    def kinds(self) -> str:
        """The accepted forms."""
        return _EXPRESSION.forms


def _expression(node: Scalar, _reading: Reading) -> BodyPart | None:
    text = node.text.strip()
    if not text or node.value is None:
        return None
    named = _NAMED_PART.match(text)
    label, expression = (named[1], named[2]) if named else (text, text)
    return BodyPart(label, compile_expression(expression))


_EXPRESSION: Final = Single(
    "a part of the body", 'JMESPath, or "name: JMESPath"', _expression, {"type": "string"}
)


@dataclass(frozen=True, slots=True)
class Target:
    """What `ignore` and `normalize` point at: a root, and a name, glob or path in it."""

    root: str
    name: str = ""
    path: Path = ()


def _target(node: Scalar, _reading: Reading) -> Target | None:
    root, dot, name = node.text.partition(".")
    if dot and not name:
        return None
    if root not in _ROOTS or (not name and root not in ("body", "query")):
        return None
    if root != "body":
        return Target(root, (name or "*").lower() if root == "header" else name or "*")
    path = parse_path(name) if name else ()
    if path is None:
        raise Refusal(
            "a path in the body is names joined by dots, with [] for each item: body.a[].b"
        )
    return Target(root, name, path)


IGNORE: Final = Single(
    "something to ignore",
    "body, body.PATH, query, query.NAME, form.NAME or header.NAME (names may have *)",
    _target,
    {"type": "string"},
)


def _normal_target(node: Scalar, reading: Reading) -> Target | None:
    found = _target(node, reading)
    return found if found is not None and found.root in ("body", "query") and found.name else None


NORMALIZE_TARGET: Final = Single(
    "something to normalise", "body.PATH or query.NAME", _normal_target, {"type": "string"}
)


@dataclass(frozen=True, slots=True)
class StepsShape:
    """Normalising steps: a word, a list of them, or `{default: V, round: N}`."""

    def read(self, node: Node, reading: Reading) -> tuple[Step, ...] | None:
        """The steps in order."""
        nodes = node.items if isinstance(node, Sequence) else (node,)
        steps: list[Step] = []
        for item in nodes:
            read = self._steps(item, reading)
            if read is None:
                return None
            steps.extend(read)
        return tuple(steps)

    def _steps(self, node: Node, reading: Reading) -> list[Step] | None:
        if isinstance(node, Scalar) and node.text in WORDS:
            return [Words(node.text)]
        if not isinstance(node, Map) or not node.items:
            reading.report.add(node.mark, "this is no normalising step", f"write {self.kinds()}")
            return None
        steps = [self._setting(key, child, reading) for key, child in node.items]
        known = [step for step in steps if step is not None]
        return known if len(known) == len(steps) else None

    def _setting(self, key: Scalar, node: Node, reading: Reading) -> Step | None:
        if key.text == "round":
            places = integer(0, _MOST_PLACES).read(node, reading)
            return None if places is None else Round(places)
        if key.text == "default" and isinstance(node, Scalar) and node.value is not None:
            return Default(node.value)
        reading.report.add(
            key.mark, f"`{key.text}` is no normalising step here", f"write {self.kinds()}"
        )
        return None

    def schema(self) -> Schema:
        """A word, a mapping, or a list of either."""
        setting: Schema = {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "default": {
                    "type": ["string", "number", "boolean"],
                    "description": "stands for nothing sent",
                },
                "round": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": _MOST_PLACES,
                    "description": "places kept",
                },
            },
        }
        step: Schema = {"anyOf": [{"enum": list(WORDS)}, setting]}
        return {"anyOf": [step, {"type": "array", "items": step}]}

    def kinds(self) -> str:
        """The accepted forms."""
        return f"{', '.join(WORDS)}, or {{default: VALUE, round: PLACES}}"
