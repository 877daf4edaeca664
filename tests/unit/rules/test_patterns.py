"""Path patterns."""

from __future__ import annotations

import pytest

from proxy.rules.patterns import PatternError, parse_pattern, split_path

ROWS = [
    ("/", "/", {}),
    ("/", "", None),
    ("/a/{b}", "/a/1", {"b": "1"}),
    ("/a/{b}", "/a/", None),
    ("/a/{b}", "/a/1/2", None),
    ("/a/{b}", "/A/1", None),
    ("/a%20b", "/a b", {}),
    ("/{a}-{b}", "/1-2-3", {"a": "1", "b": "2-3"}),
    ("/x{a}", "/x", None),
    ("/{a}.json", "/a.b.json", {"a": "a.b"}),
    ("/{a}.json", "/ajson", None),
    ("/{r:path}", "/", {"r": ""}),
    ("/{r:path}", "/a//b/", {"r": "a//b/"}),
    ("/a/{r:path}", "/a", None),
]


@pytest.mark.parametrize(("text", "path", "params"), ROWS)
def test_paths(text: str, path: str, params: dict[str, str] | None) -> None:
    assert parse_pattern(text).match(split_path(path)) == params


def test_what_a_pattern_says_of_itself() -> None:
    pattern = parse_pattern("  GET,POST   /a/{b}/x{c}/{d:path} ")
    assert (pattern.methods, pattern.first) == (frozenset({"GET", "HEAD", "POST"}), "a")
    assert pattern.params == {"b", "c", "d"}
    assert pattern.shape == parse_pattern("/a/{x}/x{y}/{z:path}").shape
    assert parse_pattern("/{a}").first is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "GET",
        "get /",
        "GET POST /",
        "/a?b",
        "/{}",
        "/{a-b}",
        "/{a",
        "/a}",
        "/{a:path}/b",
        "/x{a:path}",
        "/{a}/{a}",
    ],
)
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(PatternError):
        parse_pattern(text)
