"""Fields that end at this hop (RFC 9110 §7.6.1).

Floor 1, pure. Take them off before anything reads the message for a key or adds
fields of its own, so that a Connection option cannot remove what Larder set.
"""

from __future__ import annotations

from typing import Final

from proxy.caching.syntax import split_list
from proxy.fields import Fields

HOP_BY_HOP: Final = frozenset(
    {
        *("connection", "http2-settings", "keep-alive", "proxy-connection"),
        *("te", "transfer-encoding", "upgrade"),
    }
)
"""Meant for the next hop only, whether or not Connection names them."""

_NONE: Final[frozenset[str]] = frozenset()


def connection_options(fields: Fields) -> frozenset[str]:
    """The options of Connection, lower case (RFC 9110 §7.6.1)."""
    text = fields.get("connection")
    return _NONE if text is None else frozenset([each.lower() for each in split_list(text)])


def end_to_end(fields: Fields) -> Fields:
    """The fields to pass on: without the hop-by-hop ones and those Connection names."""
    return fields.without_any(ends_here(fields, HOP_BY_HOP))


def ends_here(fields: Fields, names: frozenset[str]) -> frozenset[str]:
    """These names and those Connection names, all lower case."""
    return names | connection_options(fields) if "connection" in fields.lowered else names
