"""Paths into a JSON value."""

from __future__ import annotations

import pytest

from proxy.rules.paths import edited, parse_path, removed
from proxy.rules.values import Json

PATHS = [
    ("a", ("a",)),
    ("a.b", ("a", "b")),
    ("a[].b", ("a", "[]", "b")),
    ("a[*][]", ("a", "[]", "[]")),
    ('"x y".z', ("x y", "z")),
    ("a.", None),
    (".a", None),
    ("a[0]", None),
    ("", None),
    ("a b", None),
]


@pytest.mark.parametrize(("text", "steps"), PATHS)
def test_paths(text: str, steps: tuple[str, ...] | None) -> None:
    assert parse_path(text) == steps


EDITS: list[tuple[str, Json, Json]] = [
    ("a", {"a": 1, "b": 2}, {"b": 2}),
    ("a.b", {"a": {"b": 1}}, {"a": {}}),
    ("a[].b", {"a": [{"b": 1, "c": 2}, 3]}, {"a": [{"c": 2}, 3]}),
    ("a[]", {"a": [1, 2]}, {"a": []}),
    ("a.b", {"a": 1}, {"a": 1}),
    ("a", [1], [1]),
    ("x.y", {"a": 1}, {"a": 1}),
]


@pytest.mark.parametrize(("text", "value", "expected"), EDITS)
def test_removing(text: str, value: Json, expected: Json) -> None:
    before = repr(value)
    assert edited(value, parse_path(text) or (), removed) == expected
    assert repr(value) == before
