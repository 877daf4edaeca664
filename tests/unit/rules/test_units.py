"""Durations, sizes, percentages."""

from __future__ import annotations

import pytest

from proxy.rules.units import parse_duration, parse_percent, parse_size

DURATIONS = [
    ("250ms", 0.25),
    ("30s", 30),
    ("1.5m", 90),
    ("1h30m", 5400),
    ("7d", 604800),
    ("0s", 0),
    ("5", None),
    ("-1s", None),
    ("5 s", None),
    ("1w", None),
    ("99999999d", None),
    ("", None),
]
SIZES = [
    ("0B", 0),
    ("64KiB", 65536),
    ("1MiB", 1 << 20),
    ("2TiB", 2 << 40),
    ("5MB", None),
    ("1.5MiB", None),
    ("5", None),
    ("9" * 30 + "B", None),
]
PERCENTS = [
    ("10%", 0.1),
    ("0%", 0.0),
    ("100%", 1.0),
    ("12.5%", 0.125),
    ("101%", None),
    ("10", None),
]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_durations(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "share"), PERCENTS)
def test_percentages(text: str, share: float | None) -> None:
    assert parse_percent(text) == share
