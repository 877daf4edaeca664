"""The tree of path patterns: it leaves out only what cannot match, and keeps the order."""

from __future__ import annotations

import pytest

from proxy.rules.patterns import parse_pattern, split_path
from proxy.rules.route_tree import RouteTree

PATTERNS = (
    "/a/{x}",
    "/{x}/b",
    "/a/b",
    "/a/{rest:path}",
    "/",
    "/a/{x}.json",
    "/a/b/c",
    "/{rest:path}",
)
"""In the order of a file; behind them stands one without a pattern."""


def tree() -> RouteTree[str]:
    """All of them."""
    made: RouteTree[str] = RouteTree()
    for place, text in enumerate(PATTERNS):
        made.add(place, parse_pattern(text), text)
    made.add(len(PATTERNS), None, "*")
    return made


@pytest.mark.parametrize(
    "path", ["/", "/a", "/a/b", "/a/", "/a/b/c", "/z/b", "/a/x.json", "/z/y/x"]
)
def test_all_that_match_are_found_in_order(path: str) -> None:
    segments = split_path(path)
    found = tree().find(segments)
    matching = [text for text in PATTERNS if parse_pattern(text).match(segments) is not None]
    assert [text for text in found if text == "*" or text in matching] == [*matching, "*"]
    assert found == sorted(found, key=(*PATTERNS, "*").index)


def test_what_is_elsewhere_is_not_looked_at() -> None:
    made: RouteTree[int] = RouteTree()
    for number in range(500):
        made.add(number, parse_pattern(f"/api/v1/things{number}/{{id}}"), number)
    assert made.find(split_path("/api/v1/things321/7")) == [321]
    assert made.find(split_path("/api/v2/things321/7")) == []
