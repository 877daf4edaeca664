"""Matchers: what a value must be, one small class each.

Floor 2. Pure. A value that is MISSING or null passes only `not`, `exists:
false` and a null. Operands are values or templates, read when the request is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from operator import ge, gt, le, lt
from typing import Final, Protocol

from proxy.rules.subject import Subject
from proxy.rules.templates import Template
from proxy.rules.values import MISSING, Json, Value, canonical

Operand = Json | Template


class Matcher(Protocol):
    """Judges one value."""

    def accepts(self, value: Value, subject: Subject) -> bool:
        """Whether the value passes."""

    @property
    def operands(self) -> tuple[Template, ...]:
        """The templates it reads."""


def _resolved(operand: Operand, subject: Subject) -> Value:
    return operand.plain(subject) if isinstance(operand, Template) else operand


def _templates(*operands: Operand) -> tuple[Template, ...]:
    return tuple(operand for operand in operands if isinstance(operand, Template))


def same(left: Value, right: Value) -> bool:
    """Equality between JSON values and text from the wire.

    Text equals a number or boolean that is written like it, because paths,
    queries and header fields have no other type; 1 equals 1.0, true is not 1.
    """
    if left is MISSING or right is MISSING:
        return False
    if isinstance(left, str) != isinstance(right, str):
        text, other = (left, right) if isinstance(left, str) else (right, left)
        return isinstance(other, bool | int | float) and text == canonical(other).decode()
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


@dataclass(frozen=True, slots=True)
class Equal:
    """A bare value, or a list of them: one must be equal."""

    choices: tuple[Operand, ...]

    def accepts(self, value: Value, subject: Subject) -> bool:
        """Whether one of the choices is the value; null also stands for nothing."""
        if value is MISSING:
            return None in self.choices
        return any(same(value, _resolved(choice, subject)) for choice in self.choices)

    @property
    def operands(self) -> tuple[Template, ...]:
        """The templates among the choices."""
        return _templates(*self.choices)


@dataclass(frozen=True, slots=True)
class Not:
    """`not`: the inner matcher must fail, as it does where the value is missing."""

    inner: Matcher

    def accepts(self, value: Value, subject: Subject) -> bool:
        """Whether the inner matcher refuses."""
        return not self.inner.accepts(value, subject)

    @property
    def operands(self) -> tuple[Template, ...]:
        """The inner matcher's templates."""
        return self.inner.operands


@dataclass(frozen=True, slots=True)
class All:
    """Several matchers in one mapping: all must pass."""

    parts: tuple[Matcher, ...]

    def accepts(self, value: Value, subject: Subject) -> bool:
        """Whether every part accepts."""
        return all(part.accepts(value, subject) for part in self.parts)

    @property
    def operands(self) -> tuple[Template, ...]:
        """All parts' templates."""
        return tuple(template for part in self.parts for template in part.operands)


class Order(StrEnum):
    """The comparisons of numbers."""

    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"


_COMPARE: Final[dict[Order, Callable[[Decimal, Decimal], bool]]] = {
    Order.GT: gt,
    Order.GTE: ge,
    Order.LT: lt,
    Order.LTE: le,
}


def number(value: Value) -> Decimal | None:
    """The value as a number: numbers, and text that spells one."""
    if value is MISSING or value is None or isinstance(value, bool | list | dict):
        return None
    try:
        spelled = Decimal(str(value))
    except ArithmeticError:
        return None
    return spelled if spelled.is_finite() else None


@dataclass(frozen=True, slots=True)
class Compare:
    """`gt gte lt lte`: numeric; text that spells a number counts as one."""

    order: Order
    operand: Operand

    def accepts(self, value: Value, subject: Subject) -> bool:
        """Whether both sides are numbers and stand in this order."""
        left, right = number(value), number(_resolved(self.operand, subject))
        return left is not None and right is not None and _COMPARE[self.order](left, right)

    @property
    def operands(self) -> tuple[Template, ...]:
        """Its operand, if a template."""
        return _templates(self.operand)


@dataclass(frozen=True, slots=True)
class Matches:
    """`matches`: a regular expression is found in the text."""

    pattern: re.Pattern[str]

    def accepts(self, value: Value, _subject: Subject) -> bool:
        """Whether the value is text that the pattern is found in."""
        return isinstance(value, str) and self.pattern.search(value) is not None

    @property
    def operands(self) -> tuple[Template, ...]:
        """None: the pattern was compiled with the file."""
        return ()


@dataclass(frozen=True, slots=True)
class StartsWith:
    """`starts_with`."""

    operand: Operand

    def accepts(self, value: Value, subject: Subject) -> bool:
        """Whether the value is text that begins with the operand."""
        prefix = _resolved(self.operand, subject)
        return isinstance(value, str) and isinstance(prefix, str) and value.startswith(prefix)

    @property
    def operands(self) -> tuple[Template, ...]:
        """Its operand, if a template."""
        return _templates(self.operand)


@dataclass(frozen=True, slots=True)
class Contains:
    """`contains`: a list has the operand as an item, a text as a part, a mapping as a name."""

    operand: Operand

    def accepts(self, value: Value, subject: Subject) -> bool:
        """Whether the operand is in the value."""
        wanted = _resolved(self.operand, subject)
        if isinstance(value, list):
            return any(same(item, wanted) for item in value)
        return isinstance(value, str | dict) and isinstance(wanted, str) and wanted in value

    @property
    def operands(self) -> tuple[Template, ...]:
        """Its operand, if a template."""
        return _templates(self.operand)


@dataclass(frozen=True, slots=True)
class Exists:
    """`exists: true|false`: there is a value and it is not null."""

    wanted: bool

    def accepts(self, value: Value, _subject: Subject) -> bool:
        """Whether presence is as wanted."""
        return (value is not MISSING and value is not None) is self.wanted

    @property
    def operands(self) -> tuple[Template, ...]:
        """None."""
        return ()
