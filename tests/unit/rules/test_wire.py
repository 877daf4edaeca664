"""Query pairs, cookies, media types, percent-encoding."""

from __future__ import annotations

import pytest

from proxy.fields import Fields
from proxy.rules.wire import (
    cookies,
    decode_segment,
    is_json,
    media_type,
    query_pairs,
)

PAIRS = [
    ("", []),
    ("a=1&b", [("a", "1"), ("b", "")]),
    ("%61+b=%C3%A9+x", [("a b", "é x")]),
    ("a=b=c&&", [("a", "b=c"), ("", ""), ("", "")]),
    ("a=%FF", [("a", "\udcff")]),
    ("a=\xe9", [("a", "\udce9")]),
    ("a=%zz", [("a", "%zz")]),
    ("a=€%41", [("a", "€A")]),
]


@pytest.mark.parametrize(("query", "expected"), PAIRS)
def test_query_pairs(query: str, expected: list[tuple[str, str]]) -> None:
    assert [(pair.name, pair.value) for pair in query_pairs(query)] == expected


def test_cookies_of_several_lines_and_of_one_name() -> None:
    fields = Fields([("Cookie", 'a=1; b="2"; bare'), ("cookie", "a=3")])
    assert cookies(fields) == {"a": ("1", "3"), "b": ("2",)}


def test_a_plus_in_a_path_is_a_plus() -> None:
    assert decode_segment("a+b%2Fc") == "a+b/c"


@pytest.mark.parametrize(
    ("text", "expected"), [("Text/JSON; x", ("text/json", " x")), ("", ("", ""))]
)
def test_media_types(text: str, expected: tuple[str, str]) -> None:
    assert media_type(text) == expected


@pytest.mark.parametrize(
    ("essence", "expected"),
    [("", True), ("application/json", True), ("a/b+json", True), ("text/plain", False)],
)
def test_json_by_media_type(essence: str, expected: bool) -> None:
    assert is_json(essence) is expected
