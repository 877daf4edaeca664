"""Groups an upstream puts its responses in: Cache-Groups and its older cousins (RFC 9875).

Floor 1, pure. The names become tags. One that begins with "@" would be a system
tag, which no upstream may give or purge, so it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from proxy.caching.invalidation import SAFE_METHODS
from proxy.caching.structured import parse_list
from proxy.caching.syntax import split_list
from proxy.fields import Fields

_IN_FIELDS: Final = frozenset({"cache-groups", "surrogate-key", "cache-tag"})


def groups(fields: Fields) -> tuple[str, ...]:
    """The groups of a response: Cache-Groups (RFC 9875 §2), Surrogate-Key, Cache-Tag."""
    if _IN_FIELDS.isdisjoint(fields.lowered):
        return ()
    return _allowed(
        (
            *_strings(fields.get("cache-groups")),
            *(fields.get("surrogate-key") or "").replace(",", " ").split(),
            *split_list(fields.get("cache-tag") or ""),
        )
    )


def groups_invalidated(request_method: str, fields: Fields) -> tuple[str, ...]:
    """The groups an answer to an unsafe request invalidates (RFC 9875 §3)."""
    if request_method in SAFE_METHODS:
        return ()
    return _allowed(_strings(fields.get("cache-group-invalidation")))


def _strings(text: str | None) -> tuple[str, ...]:
    """Read a List of Strings; nothing if a member is anything else (RFC 9651 §1.1)."""
    items = parse_list(text or "") or ()
    strings = tuple(item.value for item in items if type(item.value) is str)
    return strings if len(strings) == len(items) else ()


def _allowed(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name and name[0] not in "@*"))
