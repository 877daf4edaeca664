"""The small grammars inside a request: query pairs, cookies, media types, percent-encoding.

Floor 2. Pure, and lenient as servers are: nothing here refuses a request. Raw
text is kept beside the decoded name, because keys are made of what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from proxy.fields import Fields

CREDENTIAL_PARAMETERS: Final = frozenset({"key", "api_key", "access_token", "oauth_token"})
"""Query parameters that carry credentials: never in key heads, tags or logs."""


@dataclass(frozen=True, slots=True)
class QueryPair:
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
    return tuple(QueryPair(_decoded(raw.partition("=")[0]), raw) for raw in query.split("&"))


def cookies(fields: Fields) -> Mapping[str, tuple[str, ...]]:
    """Cookie values by name (RFC 6265 §5.4); a name sent twice has both."""
    found: dict[str, tuple[str, ...]] = {}
    for line in fields.get_all("cookie"):
        for pair in line.split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals:
                found[name] = (*found.get(name, ()), value.strip().strip('"'))
    return found


def media_type(content_type: str) -> tuple[str, str]:
    """The lower-cased type/subtype, and the parameters as they stand (RFC 9110 §8.3.1)."""
    essence, _, parameters = content_type.partition(";")
    return essence.strip().lower(), parameters


def is_json(essence: str) -> bool:
    """Whether a media type, or having none, promises JSON (RFC 6839 §3.1)."""
    return essence in ("", "application/json", "text/json") or essence.endswith("+json")


def public_target(target: str) -> str:
    """The target without the values of credential parameters, for heads and tags."""
    path, mark, query = target.partition("?")
    if not mark:
        return target
    pairs = [
        pair.raw for pair in query_pairs(query) if pair.name.lower() not in CREDENTIAL_PARAMETERS
    ]
    return f"{path}?{'&'.join(pairs)}" if pairs else path
