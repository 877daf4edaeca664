"""The life of a session: when it began, whether it goes on, what of it is told the others.

Pure. Each instance sees requests of its own and, every tenth of the ttl, the note that all share;
so a note is believed a tenth longer than what was seen here. No life known: a new one begins,
and what was stored in an earlier one is not served. Times are epoch seconds, `ttl` is seconds.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final

TELL_SHARE: Final = 0.1
"""How much of the ttl may pass between two notes, or two questions for one."""

SKEW_S: Final = 5.0
"""How much instances' clocks may differ, and what was fetched before a session's first request."""

_FORM: Final = struct.Struct("!cdd")
_VERSION: Final = b"1"


@dataclass(frozen=True, slots=True)
class Life:
    """From its first request to the latest."""

    began_at: float
    seen_at: float


def slack(ttl: float) -> float:
    """Seconds within which two instances' moments count as the same."""
    return min(ttl / 2, SKEW_S)


def note_ttl(ttl: float) -> float:
    """How long a note is kept, and believed."""
    return ttl * (1 + TELL_SHARE)


def serves_since(life: Life, ttl: float) -> float:
    """What was asked for before this moment is of an earlier life."""
    return life.began_at - slack(ttl)


def goes_on(life: Life, now: float, ttl: float) -> bool:
    """Whether it has not ended."""
    return now - life.seen_at <= ttl


def met(known: Life | None, noted: Life | None, now: float, ttl: float) -> Life:
    """The life a request at `now` belongs to: that known here, that of the note, or a new one."""
    if known is not None and goes_on(known, now, ttl):
        return Life(_began(known, noted, ttl), max(now, known.seen_at))
    if noted is not None and now - noted.seen_at <= note_ttl(ttl):
        newer = known is None or noted.seen_at > known.seen_at
        return Life(noted.began_at if newer else now, now)
    return Life(now, now)


def joined(known: Life, noted: Life | None, ttl: float) -> Life:
    """What to note, where that stood."""
    if noted is None:
        return known
    began = _began(known, noted, ttl)
    same = began == noted.began_at
    return Life(began, max(known.seen_at, noted.seen_at) if same else known.seen_at)


def _began(known: Life, noted: Life | None, ttl: float) -> float:
    """When it began, if the note is of the same life: one that ended before is not."""
    if noted is None or noted.seen_at < known.began_at - slack(ttl):
        return known.began_at
    return noted.began_at


def encode(life: Life) -> bytes:
    """The note of a life."""
    return _FORM.pack(_VERSION, life.began_at, life.seen_at)


def decode(note: bytes) -> Life | None:
    """The life of a note; None if it is none that this version reads."""
    if len(note) != _FORM.size or note[:1] != _VERSION:
        return None
    _, began, seen = _FORM.unpack(note)
    return Life(began, seen) if math.isfinite(began) and began <= seen < math.inf else None
