"""Who may read."""

from __future__ import annotations

import pytest

from proxy.rules.cors import ANY, Cors

APP = Cors(origins=frozenset({"https://app.example", "http://localhost:5173"}))


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example", True),
        ("HTTPS://App.Example", True),
        ("http://localhost:5173", True),
        ("http://app.example", False),
        ("https://app.example:8443", False),
        ("https://app.example.evil.example", False),
        ("https://app.example/", False),
        ("null", False),
        ("*", False),
        ("", False),
    ],
)
def test_origins_are_compared_whole(origin: str, allowed: bool) -> None:
    assert APP.allows(origin) is allowed


def test_everybody() -> None:
    every = Cors(origins=frozenset({ANY}))
    assert every.everybody
    assert every.allows("https://anywhere.example")
