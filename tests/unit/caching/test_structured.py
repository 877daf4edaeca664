from __future__ import annotations

import pytest

from proxy.caching.structured import (
    BareItem,
    Date,
    DisplayString,
    Item,
    Token,
    is_token,
    parse_dictionary,
    parse_list,
    string,
)
from tests.unit.caching.table import table

BARE = table(
    ("integer", "9651 §4.2.4", "42", int, 42),
    ("negative", "9651 §4.2.4", "-42", int, -42),
    ("leading-zero", "9651 §4.2.4", "0042", int, 42),
    ("decimal", "9651 §4.2.4", "4.5", float, 4.5),
    ("string", "9651 §4.2.5", '"a, b"', str, "a, b"),
    ("string-escapes", "9651 §4.2.5", r'"\"\\"', str, '"\\'),
    ("token", "9651 §4.2.6", "foo/Bar:1", Token, "foo/Bar:1"),
    ("token-star", "9651 §4.2.6", "*", Token, "*"),
    ("bytes", "9651 §4.2.7", ":aGVsbG8=:", bytes, b"hello"),
    ("bytes-unpadded", "9651 §4.2.7", ":aGVsbG8:", bytes, b"hello"),
    ("true", "9651 §4.2.8", "?1", bool, True),
    ("false", "9651 §4.2.8", "?0", bool, False),
    ("date", "9651 §4.2.9", "@1659578233", Date, 1_659_578_233),
    ("display-string", "9651 §4.2.10", '%"f%c3%bc"', DisplayString, "f\u00fc"),
)


@pytest.mark.parametrize(("text", "kind", "value"), BARE)
def test_bare_items(text: str, kind: type, value: BareItem) -> None:
    parsed = parse_list(text)
    assert parsed == (Item(value),)
    assert type(parsed[0].value) is kind


LISTS = table(
    ("empty", "9651 §4.2", "", ()),
    ("spaces", "9651 §4.2", "   ", ()),
    ("two", "9651 §4.2.1", '"a",\t "b"', (Item("a"), Item("b"))),
    ("parameters", "9651 §4.2.3.2", "a;x; y=1;x=2", (Item(Token("a"), {"x": 2, "y": 1}),)),
    (
        "inner",
        "9651 §4.2.1.2",
        "( 1  2;q );r",
        (Item((Item(1), Item(2, {"q": True})), {"r": True}),),
    ),
    ("inner-empty", "9651 §4.2.1.2", "()", (Item(()),)),
)


@pytest.mark.parametrize(("text", "expected"), LISTS)
def test_lists(text: str, expected: tuple[Item, ...]) -> None:
    assert parse_list(text) == expected


DICTIONARIES = table(
    ("empty", "9651 §4.2", "", {}),
    (
        "values",
        "9651 §4.2.2",
        "a=1, b=?0,c",
        {"a": Item(1), "b": Item(value=False), "c": Item(value=True)},
    ),
    ("bare-with-parameters", "9651 §4.2.2", "a;x=1", {"a": Item(value=True, parameters={"x": 1})}),
    ("last-wins", "9651 §4.2.2", "a=1, a=2", {"a": Item(2)}),
    ("key-characters", "9651 §4.2.3.3", "*a_-.*9=1", {"*a_-.*9": Item(1)}),
)


@pytest.mark.parametrize(("text", "expected"), DICTIONARIES)
def test_dictionaries(text: str, expected: dict[str, Item]) -> None:
    assert parse_dictionary(text) == expected


MALFORMED = table(
    ("trailing-comma", "9651 §4.2.2", "a=1,"),
    ("leading-comma", "9651 §4.2.2", ",a=1"),
    ("no-comma", "9651 §4.2.2", "a=1 b=2"),
    ("upper-case-key", "9651 §4.2.3.3", "A=1"),
    ("digit-key", "9651 §4.2.3.3", "1a=1"),
    ("space-before-equals", "9651 §4.2.2", "a =1"),
    ("space-after-equals", "9651 §4.2.2", "a= 1"),
    ("no-value", "9651 §4.2.3.1", "a="),
    ("leading-tab", "9651 §4.2", "\ta=1"),
    ("sixteen-digits", "9651 §4.2.4", "a=1234567890123456"),
    ("minus-only", "9651 §4.2.4", "a=-"),
    ("plus", "9651 §4.2.4", "a=+1"),
    ("decimal-without-fraction", "9651 §4.2.4", "a=1."),
    ("decimal-long-fraction", "9651 §4.2.4", "a=1.2345"),
    ("decimal-thirteen-digits", "9651 §4.2.4", "a=1234567890123.1"),
    ("decimal-two-points", "9651 §4.2.4", "a=1.2.3"),
    ("string-unclosed", "9651 §4.2.5", 'a="b'),
    ("string-bad-escape", "9651 §4.2.5", r'a="\b"'),
    ("string-control", "9651 §4.2.5", 'a="\x01"'),
    ("string-latin-1", "9651 §4.2.5", 'a="\u00e9"'),
    ("single-quotes", "9651 §4.2.6", "a='b'"),
    ("bytes-unclosed", "9651 §4.2.7", "a=:aGVsbG8="),
    ("bytes-bad-padding", "9651 §4.2.7", "a=:a=b:"),
    ("bytes-one-digit", "9651 §4.2.7", "a=:a:"),
    ("boolean-2", "9651 §4.2.8", "a=?2"),
    ("date-decimal", "9651 §4.2.9", "a=@1.5"),
    ("display-upper-hex", "9651 §4.2.10", 'a=%"%C3%BC"'),
    ("display-not-utf-8", "9651 §4.2.10", 'a=%"%ff"'),
    ("inner-unclosed", "9651 §4.2.1.2", "a=(1 2"),
    ("inner-no-space", "9651 §4.2.1.2", 'a=("b""c")'),
    ("inner-nested", "9651 §4.2.1.2", "a=((1))"),
    ("parameter-upper-case", "9651 §4.2.3.2", "a=1;B"),
    ("ampersands", "9651 §4.2.2", "max-age=10000, &&&&&"),
)


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_is_nothing_at_all(text: str) -> None:
    assert parse_dictionary(text) is None
    assert parse_list(text) is None


WRITTEN = table(
    ("token", "9651 §4.1.7", "stale-if-error", True, '"stale-if-error"'),
    ("space", "9651 §4.1.6", "a b", False, '"a b"'),
    ("quote", "9651 §4.1.6", 'a"\\', False, '"a\\"\\\\"'),
    ("not-ascii", "9651 §4.1.6", "\u00e9\n", False, '"??"'),
    ("empty", "9651 §4.1.6", "", False, '""'),
)


@pytest.mark.parametrize(("text", "as_token", "as_string"), WRITTEN)
def test_writing(text: str, as_token: bool, as_string: str) -> None:
    assert is_token(text) == as_token
    assert string(text) == as_string
