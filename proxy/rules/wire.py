"""The small grammars inside a request: query pairs, cookies, media types, percent-encoding.

Floor 2. Pure, and lenient as servers are: nothing here refuses a request. Raw
text is kept beside the decoded name, because keys are made of what was sent.
What paths mean is in `targets.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from proxy.fields import Fields


class QueryPair(NamedTuple):
    """One pair of a query: its decoded name, and its text as sent."""

    name: str
    raw: str

    @property
    def value(self) -> str:
        """The decoded value; "" where there is no equals sign."""
        return _decoded(self.raw.partition("=")[2])


def _decoded(text: str) -> str:
    return decode_segment(text.replace("+", " "))


def decode_segment(text: str) -> str:
    """Text with its percent-encoding undone (RFC 3986 §2.1); plus stays plus.

    The wire's bytes are latin-1 text here; what they spell is UTF-8, or else kept as it is.
    """
    if text.isascii() and "%" not in text:
        return text
    raw = text.encode("latin-1" if text.isascii() or max(text) <= "\xff" else "utf-8")
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")


def query_pairs(query: str) -> tuple[QueryPair, ...]:
    """The pairs of a query, or of an urlencoded body, in order."""
    if not query:
        return ()
    if "%" not in query and "+" not in query and query.isascii():
        return tuple([QueryPair(raw.partition("=")[0], raw) for raw in query.split("&")])
    return tuple(QueryPair(_decoded(raw.partition("=")[0]), raw) for raw in query.split("&"))


def cookies(fields: Fields) -> Mapping[str, tuple[str, ...]]:
    """Cookie values by name (RFC 6265 §5.4); a name sent twice has both."""
    found: dict[str, list[str]] = {}
    for line in fields.get_all("cookie"):
        for pair in line.split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals:
                found.setdefault(name, []).append(value.strip().strip('"'))
    return {name: tuple(values) for name, values in found.items()}


def media_type(content_type: str) -> tuple[str, str]:
    """The lower-cased type/subtype, and the parameters as they stand (RFC 9110 §8.3.1)."""
    essence, _, parameters = content_type.partition(";")
    return essence.strip().lower(), parameters


def is_json(essence: str) -> bool:
    """Whether a media type, or having none, promises JSON (RFC 6839 §3.1)."""
    return essence in ("", "application/json", "text/json") or essence.endswith("+json")
