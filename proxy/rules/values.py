"""JSON values as selectors read them, and the canonical bytes they are keyed by.

Floor 2. Pure. Equal canonical bytes mean equal values: members in any order
are equal, 1 and 1.0 are not, numbers too long for a double keep their digits,
and what two parsers could read differently (a member named twice, NaN) is not
JSON here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import Enum
from typing import Any, Final


class Missing(Enum):
    """The type of MISSING."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""What a selector reads where there is nothing; null is a value, this is none."""

Json = bool | int | float | Decimal | str | list["Json"] | dict[str, "Json"] | None
Value = Json | Missing

_CONTAINERS: Final = (dict, list)
_WRAPPINGS: Final = 4
_FEW: Final = 64
_PIECE: Final = 256
_DEEPEST: Final = 200
_EXACT_CHARACTERS = 16
_NORMAL_RANGE = (1e-300, 1e300)


class _AmbiguousError(ValueError):
    """Two correct parsers may disagree about this text."""


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _AmbiguousError
    return members


def _number(text: str) -> float | Decimal:
    value = float(text)
    low, high = _NORMAL_RANGE
    exact = len(text) <= _EXACT_CHARACTERS and low < abs(value) < high
    return value if exact or repr(value) == text else Decimal(text)


def _constant(_: str) -> Json:
    raise _AmbiguousError


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_number, parse_constant=_constant
)


MAX_JSON: Final = 8 << 20
"""Bytes of a request's JSON that is parsed."""

MAX_VALUES: Final = 500_000
"""Commas and brackets in it, which say how much memory its values take."""


def is_too_much_json(text: bytes) -> bool:
    """Whether a request's body is keyed by its bytes, for parsing it would cost too much."""
    if len(text) <= MAX_VALUES:
        return False
    return len(text) > MAX_JSON or sum(map(text.count, (b",", b"[", b"{"))) > MAX_VALUES


def parse_json(text: bytes) -> Value:
    """The value of a JSON text in UTF-8, or MISSING if it is not unambiguous JSON."""
    try:
        value: Value = _DECODER.decode(text.decode("utf-8"))
    except (ValueError, RecursionError, ArithmeticError):
        return MISSING
    return MISSING if _too_deep(text, value) else value


def _too_deep(text: bytes, value: Value) -> bool:
    """Whether it is nested beyond what every later step, recursive as they are, can follow."""
    if text.count(b"[") + text.count(b"{") <= _DEEPEST:
        return False
    level: list[Json] = [] if value is MISSING else [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)  # type: ignore[union-attr]
            if isinstance(inner, _CONTAINERS)
        ]
        if not level:
            return False
    return True


_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False)


def canonical(value: Json) -> bytes:
    """Bytes that are equal exactly for equal values.

    A Decimal is written NaN, which no JSON text yields, and its digits follow.
    """
    try:
        return _ENCODER.encode(value).encode("ascii")
    except TypeError:
        return _with_decimals(value)


def canonical_in_pieces(value: Json) -> bytes:
    """The same of a value that may be large, in steps between which other threads may run."""
    try:
        return "".join(_pieces(value, _WRAPPINGS)).encode("ascii")
    except TypeError:
        return _with_decimals(value)


def _pieces(value: Json, levels: int) -> Iterator[str]:
    if not isinstance(value, dict | list) or not value:
        yield _ENCODER.encode(value)
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    items: list[Any] = sorted(value.items()) if isinstance(value, dict) else value
    step = 1 if levels and len(items) <= _FEW else _PIECE
    for start in range(0, len(items), step):
        yield "," if start else opening
        some = items[start : start + step]
        if step > 1:
            yield _ENCODER.encode(dict(some) if isinstance(value, dict) else some)[1:-1]
        elif isinstance(value, dict):
            yield f"{_ENCODER.encode(some[0][0])}:"
            yield from _pieces(some[0][1], levels - 1)
        else:
            yield from _pieces(some[0], levels - 1)
    yield closing


def _with_decimals(value: Json) -> bytes:
    decimals: list[str] = []

    def stand_in(number: object) -> float:
        decimals.append(str(number))
        return math.nan

    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=stand_in)
    return "\n".join((text, *decimals)).encode("ascii")


def to_text(value: Json) -> str:
    """How a value reads inside a template: text as it is, everything else as compact JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (list, dict)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return json.dumps(value)


def delimit(parts: Iterable[bytes]) -> bytes:
    """The parts, each after its length, so that none can run into another."""
    return b"".join([b"%d:%s," % (len(part), part) for part in parts])


def encode(text: str) -> bytes:
    """Bytes of any text, lone surrogates included; different texts give different bytes."""
    return text.encode("utf-8", "surrogatepass")
