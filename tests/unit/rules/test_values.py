"""JSON values and their canonical bytes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.rules.values import (
    MAX_JSON,
    MAX_VALUES,
    MISSING,
    canonical,
    canonical_in_pieces,
    is_too_much_json,
    parse_json,
    to_text,
)

NOT_JSON = [
    b"",
    b"{",
    b"nan",
    b"[NaN]",
    b"[Infinity]",
    b'{"a":1,"a":1}',
    b'[{"a":{"b":1,"b":2}}]',
    b"\xff",
    b"\xef\xbb\xbf{}",
    b"[" * 100_000,
    b"[" * 300 + b"]" * 300,
    b"9" * 5000,
    b"1e999999999999999999999",
]


@pytest.mark.parametrize("text", NOT_JSON, ids=lambda text: f"{text[:12].hex()}-{len(text)}")
def test_what_two_parsers_could_read_differently_is_not_json(text: bytes) -> None:
    assert parse_json(text) is MISSING


def test_many_brackets_are_not_deep() -> None:
    assert parse_json(b"[" + b"[[]]," * 300 + b"{}]") is not MISSING


CANONICAL = [
    (b'{"b":1,"a":[1.0,true,null]}', b'{"a":[1.0,true,null],"b":1}'),
    (b"1.50", b"1.5"),
    (b"0.1", b"0.1"),
    (b"-0.0", b"-0.0"),
    (b'"\\ud800"', b'"\\ud800"'),
    ('"é"'.encode(), b'"\\u00e9"'),
    (b"123456789012345678901", b"123456789012345678901"),
    (b"0.12345678901234567890", b"NaN\n0.12345678901234567890"),
]


@pytest.mark.parametrize(("text", "expected"), CANONICAL)
def test_canonical_bytes(text: bytes, expected: bytes) -> None:
    value = parse_json(text)
    assert value is not MISSING
    assert canonical(value) == expected


TEXTS = [
    ("a", "a"),
    (1, "1"),
    (1.5, "1.5"),
    (True, "true"),
    (None, "null"),
    ({"b": 1, "a": []}, '{"a":[],"b":1}'),
]


@pytest.mark.parametrize(("value", "expected"), TEXTS)
def test_values_inside_a_text(value: object, expected: str) -> None:
    assert to_text(value) == expected  # type: ignore[arg-type]


SIZES = {
    "long text": (b'"' + b"x" * (MAX_JSON - 2) + b'"', False),
    "too long": (b'"' + b"x" * MAX_JSON + b'"', True),
    "many": (b"[" + b"0," * (MAX_VALUES - 1) + b"0]", False),
    "too many": (b"[" + b"0," * MAX_VALUES + b"0]", True),
    "too many objects": (b"[" + b"{}," * MAX_VALUES + b"{}]", True),
}


@pytest.mark.parametrize(("text", "expected"), SIZES.values(), ids=SIZES)
def test_how_much_json_is_parsed(text: bytes, expected: bool) -> None:
    assert is_too_much_json(text) is expected


PIECES = [
    {},
    [],
    7,
    {"b": [{"z": 1, "a": 2}] * 1000, "a": {str(i): [i] for i in range(1000)}},
    [[[[[list(range(300))]]]]],
    {"x": Decimal("0.12345678901234567890"), "y": list(range(600))},
]


@pytest.mark.parametrize("value", PIECES, ids=range(len(PIECES)))
def test_pieces_make_the_same_canonical_bytes(value: object) -> None:
    assert canonical_in_pieces(value) == canonical(value)  # type: ignore[arg-type]
