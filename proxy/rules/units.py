"""Durations, sizes and percentages as the rule file writes them.

Floor 2. Pure. None means the text is none of them; the constants say what is.
"""

from __future__ import annotations

import re
from typing import Final

DURATION_FORMS: Final = "a number with ms, s, m, h or d: 250ms, 30s, 5m, 1h30m, 7d"
SIZE_FORMS: Final = "a whole number with B, KiB, MiB, GiB or TiB: 64KiB, 1MiB"
PERCENT_FORMS: Final = "a number from 0 to 100 with %: 10%"

DURATION_PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
SIZE_PATTERN: Final = r"^[0-9]{1,15}(B|KiB|MiB|GiB|TiB)$"
PERCENT_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?%$"

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_DURATION_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_LONGEST_S: Final = 100 * 366 * 86400
_HUNDRED: Final = 100


def parse_duration(text: str) -> float | None:
    """Seconds; at most a hundred years."""
    if not re.match(DURATION_PATTERN, text):
        return None
    parts = _DURATION_PART.findall(text)
    seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    return seconds if seconds <= _LONGEST_S else None


def parse_size(text: str) -> int | None:
    """Bytes."""
    if not re.match(SIZE_PATTERN, text):
        return None
    digits = text.rstrip("BKiMGT")
    return int(digits) * _BYTES[text[len(digits) :]]


def parse_percent(text: str) -> float | None:
    """A share of 0..1."""
    if not re.match(PERCENT_PATTERN, text):
        return None
    share = float(text[:-1])
    return share / _HUNDRED if share <= _HUNDRED else None
