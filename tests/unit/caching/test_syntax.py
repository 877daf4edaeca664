from __future__ import annotations

import pytest

from proxy.caching.syntax import (
    MAX_DELTA,
    delta_seconds,
    is_token,
    leading_token,
    quote,
    split_list,
    unquote,
)
from tests.unit.caching.table import table

LISTS = table(
    ("empty", "9110 §5.6.1", "", ()),
    ("one", "9110 §5.6.1", "a", ("a",)),
    ("white-space", "9110 §5.6.3", " a ,\tb\t, c", ("a", "b", "c")),
    ("empty-members", "9110 §5.6.1.2", ",a,, b,", ("a", "b")),
    ("quoted-comma", "9110 §5.6.4", 'a="1,2", b', ('a="1,2"', "b")),
    ("escaped-quote", "9110 §5.6.4", r'a="1\",2", b', (r'a="1\",2"', "b")),
    ("unclosed-quote", "9110 §5.6.4", 'a, b="1, c', ("a", 'b="1', "c")),
    ("unclosed-by-escape", "9110 §5.6.4", 'b="1\\", no-store', ('b="1\\"', "no-store")),
    ("trailing-backslash", "9110 §5.6.4", 'a, "b\\', ("a", '"b\\')),
    ("quote-inside", "9110 §5.6.1", 'a"b,c"d, e', ('a"b,c"d', "e")),
)


@pytest.mark.parametrize(("text", "expected"), LISTS)
def test_a_list_is_split_at_its_commas(text: str, expected: tuple[str, ...]) -> None:
    assert split_list(text) == expected


UNQUOTED = table(
    ("token", "9110 §5.6.2", "abc", "abc"),
    ("quoted", "9110 §5.6.4", '"a b"', "a b"),
    ("quoted-empty", "9110 §5.6.4", '""', ""),
    ("escapes", "9110 §5.6.4", r'"a\"\\b"', r"a\"\b".replace('\\"', '"')),
    ("empty", "9110 §5.6.2", "", None),
    ("single-quotes-are-token-characters", "9110 §5.6.2", "'60'", "'60'"),
    ("space", "9110 §5.6.2", "a b", None),
    ("unclosed", "9110 §5.6.4", '"a', None),
    ("lone-quote", "9110 §5.6.4", '"', None),
    ("closed-by-an-escaped-quote", "9110 §5.6.4", '"a\\"', None),
    ("closed-too-early", "9110 §5.6.4", '"a"b"', None),
)


@pytest.mark.parametrize(("text", "expected"), UNQUOTED)
def test_unquoting(text: str, expected: str | None) -> None:
    assert unquote(text) == expected


DELTAS = table(
    ("zero", "9111 §1.2.2", "0", 0),
    ("plain", "9111 §1.2.2", "3600", 3600),
    ("leading-zeros", "9111 §1.2.2", "000060", 60),
    ("many-leading-zeros", "9111 §1.2.2", "0" * 5000 + "7", 7),
    ("greatest", "9111 §1.2.2", "2147483647", 2**31 - 1),
    ("overflow-by-one", "9111 §1.2.2", "2147483649", MAX_DELTA),
    ("overflow-same-length", "9111 §1.2.2", "9999999999", MAX_DELTA),
    ("overflow-by-far", "9111 §1.2.2", "9" * 10_000, MAX_DELTA),
    ("empty", "9111 §1.2.2", "", None),
    ("negative", "9111 §1.2.2", "-1", None),
    ("plus", "9111 §1.2.2", "+1", None),
    ("decimal", "9111 §1.2.2", "1.0", None),
    ("space", "9111 §1.2.2", " 1", None),
    ("newline", "9111 §1.2.2", "1\n", None),
    ("superscript-two", "9111 §1.2.2", "\u00b2", None),
    ("underscore", "9111 §1.2.2", "1_0", None),
)


@pytest.mark.parametrize(("text", "expected"), DELTAS)
def test_delta_seconds_are_digits_and_bounded(text: str, expected: int | None) -> None:
    assert delta_seconds(text) == expected


TOKENS = table(
    ("letters", "9110 §5.6.2", "no-store", True, "no-store"),
    ("all-kinds", "9110 §5.6.2", "!#$%&'*+-.^_`|~09azAZ", True, "!#$%&'*+-.^_`|~09azAZ"),
    ("empty", "9110 §5.6.2", "", False, ""),
    ("space", "9110 §5.6.2", "a b", False, "a"),
    ("comma", "9110 §5.6.2", ",a", False, ""),
    ("latin-1", "9110 §5.6.2", "caf\u00e9", False, "caf"),
)


@pytest.mark.parametrize(("text", "whole", "leading"), TOKENS)
def test_tokens(text: str, whole: bool, leading: str) -> None:
    assert (is_token(text), leading_token(text)) == (whole, leading)


QUOTED = table(
    ("token-stays", "9110 §5.6.2", "abc", "abc"),
    ("port", "7239 §4", "host:80", '"host:80"'),
    ("quote-and-backslash", "9110 §5.6.4", 'a"\\', '"a\\"\\\\"'),
    ("empty", "9110 §5.6.4", "", '""'),
)


@pytest.mark.parametrize(("text", "expected"), QUOTED)
def test_quoting_where_needed(text: str, expected: str) -> None:
    assert quote(text) == expected
    assert unquote(quote(text)) == text
