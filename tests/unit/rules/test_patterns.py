"""Path patterns."""

from __future__ import annotations

import pytest

from proxy.rules.patterns import PatternError, is_ambiguous, parse_pattern, split_path

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
    ("/{r:path}", "/a%2fb/c%20d", {"r": "a%2Fb/c d"}),
    ("/{r:path}", "/a%252Fb", {"r": "a%252Fb"}),
    ("/{a}", "/a%2fb", {"a": "a/b"}),
]


@pytest.mark.parametrize(("text", "path", "params"), ROWS)
def test_paths(text: str, path: str, params: dict[str, str] | None) -> None:
    assert parse_pattern(text).match(split_path(path)) == params


def test_what_a_pattern_says_of_itself() -> None:
    pattern = parse_pattern("  GET,POST   /a/{b}/x{c}/{d:path} ")
    assert pattern.methods == frozenset({"GET", "HEAD", "POST"})
    assert pattern.params == {"b", "c", "d"}
    assert pattern.shape == parse_pattern("/a/{x}/x{y}/{z:path}").shape


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


AMBIGUOUS = [
    *("/a/../b", "/a/..", "/./a", "/a/%2e%2E/b", "/a%2fb", "/a%5Cb", "/a\\b", "/a;b", "/a%3bb"),
    *("/a%00", "/a%0A.css", "/a%1f", "/a%7f", "/a%23", "/a%3F.css", "/a%252fb"),
]
PLAIN = [
    "/",
    "/a/b.css",
    "/a..b/...",
    "/a%20b",
    "/a%C3%BC",
    "/a//b/",
    "/a:b@c,d=e!",
    "/.well-known",
]


@pytest.mark.parametrize("path", AMBIGUOUS)
def test_a_path_that_may_be_read_as_another(path: str) -> None:
    assert is_ambiguous(path)


@pytest.mark.parametrize("path", PLAIN)
def test_a_path_that_is_what_it_seems(path: str) -> None:
    assert not is_ambiguous(path)
