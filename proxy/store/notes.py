"""Notes: small values that several instances share and that are not answers.

What is due later, who does something now, who was seen when, what was counted.
The protocol of all implementations and what each refuses alike; nothing here
knows where notes are kept. A note belongs to no epoch: it outlives flushes of
the cache. Every operation is about one key and is atomic; an expired note is
absent at once. A key of a space holds a value or counters, never both.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Mapping
from typing import Final, Protocol

from proxy.errors import StoreError

MAX_VALUE_BYTES: Final = 64 * 1024
MAX_AMOUNT: Final = 2.0**53

_SPACE: Final = re.compile("[a-z][a-z0-9_-]{0,31}")


class NotesFullError(StoreError):
    """There is no room for more notes: to try again at once would not help."""


class Notes(Protocol):
    """`space` is a word, `key` any text; lives are in seconds, ≤ 0 is over at once.

    StoreError when out of reach, CorruptEntryError (one of them) when what is there is no note;
    ValueError for what no store may hold: `check` and its siblings say.
    """

    async def get(self, space: str, key: str) -> bytes | None:
        """The value of a note that is there."""

    async def put(self, space: str, key: str, value: bytes, ttl_s: float) -> None:
        """Leave a note for `ttl_s`, in place of what was there."""

    async def claim(self, space: str, key: str, value: bytes, ttl_s: float) -> bytes | None:
        """Leave a note unless one is there. None: it is ours now; else what is there, unchanged.

        Of any number of claims at once exactly one gets None.
        """

    async def replace(
        self, space: str, key: str, old: bytes, new: bytes | None, ttl_s: float = 0.0
    ) -> bool:
        """Put `new` for `ttl_s` in place of exactly `old`, or remove it if None; whether it was."""

    async def delete(self, space: str, key: str) -> bool:
        """Remove a note or counters; whether there was any."""

    def list(self, space: str) -> AsyncIterator[tuple[str, bytes]]:
        """Every value with its key, in any order, none twice; damaged ones are left out.

        What comes or goes meanwhile may be missing. Costs as much as the space holds, however much
        else the store does.
        """

    async def add(
        self, space: str, key: str, amounts: Mapping[str, float], ttl_s: float | None = None
    ) -> dict[str, float]:
        """Add to counters, all or none; the new sums of the fields given. A new field begins at 0.

        With `ttl_s` all counters of the key live that long from now on; with None as long as
        they would have, new ones for ever. Integers are exact up to MAX_AMOUNT.
        """

    def counters(self, space: str) -> AsyncIterator[tuple[str, dict[str, float]]]:
        """Every key with all its sums, as `list` gives the values."""


def check(space: str, *lives_s: float | None) -> None:
    """ValueError unless the space is a word and each life a number of seconds."""
    if _SPACE.fullmatch(space) is None:
        raise ValueError(f"{space!r} is no space of notes: a word of small letters")
    for life_s in lives_s:
        if life_s is not None and not math.isfinite(life_s):
            raise ValueError(f"a note cannot live for {life_s} seconds")


def check_value(value: bytes) -> None:
    """ValueError if it is too large for a note."""
    if len(value) > MAX_VALUE_BYTES:
        raise ValueError(f"a note of {len(value)} bytes is larger than {MAX_VALUE_BYTES}")


def check_amounts(amounts: Mapping[str, float]) -> None:
    """ValueError if one is no number, or so large that adding 1 would change nothing."""
    for field, amount in amounts.items():
        if not abs(amount) <= MAX_AMOUNT:
            raise ValueError(f"{amount} cannot be added to {field!r}")
