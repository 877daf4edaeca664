"""The small grammar that the fields of RFC 9110 and 9111 share.

Floor 1, pure. Knows no field by name. Reads are strict where a value grants
something and forgiving where leniency is the cautious side. Nothing here raises
on any text, and everything takes time linear in the text.
"""

from __future__ import annotations

import re
from typing import Final

MAX_DELTA: Final = 2**31
"""The greatest number of seconds told apart from a greater one (RFC 9111 §1.2.2)."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DIGITS: Final = re.compile(r"[0-9]+")
_PIECE: Final = re.compile(r'(?P<quoted>"(?:[^"\\]|\\.)*+(?P<closed>"?))|[^",]++|,', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_OWS: Final = " \t"


def is_token(text: str) -> bool:
    """Whether the text is a token (RFC 9110 §5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def leading_token(text: str) -> str:
    """The token the text begins with; "" if there is none."""
    found = _TOKEN.match(text)
    return found[0] if found else ""


def split_list(text: str) -> tuple[str, ...]:
    """Split a list into its non-empty members, trimmed (RFC 9110 §5.6.1).

    Commas in quoted strings do not divide. A quote that is never closed quotes
    nothing, so that it cannot hide the members behind it.
    """
    members = text.split(",") if '"' not in text else _split_quoted(text)
    return tuple(trimmed for member in members if (trimmed := member.strip(_OWS)))


def _split_quoted(text: str) -> list[str]:
    members: list[str] = []
    start = 0
    for piece in _PIECE.finditer(text):
        if piece["quoted"] and not piece["closed"]:
            break
        if piece[0] == ",":
            members.append(text[start : piece.start()])
            start = piece.end()
    else:
        return [*members, text[start:]]
    quoted_before, rest = text[start : piece.start()], text[piece.start() :].split(",")
    return [*members, quoted_before + rest[0], *rest[1:]]


def unquote(text: str) -> str | None:
    """Read a token or a quoted string as the text it stands for; None if it is neither."""
    if is_token(text):
        return text
    if len(text) < len('""') or text[0] != '"' or text[-1] != '"':
        return None
    piece = _PIECE.fullmatch(text)
    return _ESCAPED.sub(r"\1", text[1:-1]) if piece and piece["closed"] else None


def quote(text: str) -> str:
    """Write text as it stands if it is a token, else as a quoted string (RFC 9110 §5.6.4)."""
    if is_token(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def delta_seconds(text: str) -> int | None:
    """Read digits and nothing else, at most MAX_DELTA; None otherwise (RFC 9111 §1.2.2)."""
    if not _DIGITS.fullmatch(text):
        return None
    # int() refuses thousands of digits, so the length decides first.
    digits = text.lstrip("0") or "0"
    return min(int(digits), MAX_DELTA) if len(digits) <= len(str(MAX_DELTA)) else MAX_DELTA
