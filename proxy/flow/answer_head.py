"""Heads of answers, interim and final, as the parser hands them over.

Door to aiohttp: its parsed message becomes our value here. Knows no connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiohttp.http import RawResponseMessage

from proxy.fields import Fields

SWITCHING: Final = 101
_CODINGS: Final = frozenset({"", "chunked", "identity"})


@dataclass(frozen=True, slots=True)
class Head:
    """A parsed response head, interim or final."""

    status: int
    reason: str
    fields: Fields


def parse_head(message: RawResponseMessage) -> Head:
    """The head in aiohttp's message."""
    # aiohttp reads the reason as UTF-8; here all text of the wire is latin-1.
    reason = message.reason.encode("utf-8", "surrogateescape").decode("latin-1")
    return Head(message.code, reason, Fields.from_raw(message.raw_headers))


def problem_of(head: Head, *, may_switch: bool) -> str:
    """Why nothing can be made of this answer, as the rest of a sentence; "" if something can."""
    if head.status < 100:
        return f"answered with status {head.status:03}, which is none"
    if head.status == SWITCHING and not (may_switch and "upgrade" in head.fields):
        return "switched protocols unasked"
    coding = (head.fields.get("transfer-encoding") or "").strip().lower()
    return "" if coding in _CODINGS else "used a transfer coding nobody asked for"
