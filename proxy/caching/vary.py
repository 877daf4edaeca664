"""Selecting fields: which stored variant fits a request (RFC 9111 §4.1).

Floor 1, pure. Values are normalised only where the meaning cannot change, so a
variant may be missed needlessly but is never served wrongly. None as a value is
an absent field, which no present one matches, not even an empty one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from proxy.caching.syntax import is_token, split_list
from proxy.fields import Fields

Selecting = tuple[tuple[str, str | None], ...]

MAX_NAMES: Final = 16
"""Fields that may select the answers to one key; an answer that names more is not stored."""

_WEIGHT: Final = re.compile(r"[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)
_CODINGS: Final = {"x-gzip": "gzip", "x-compress": "compress"}
_SINGLETONS: Final = frozenset(
    {
        *("authorization", "cookie", "date", "from", "host", "if-range", "origin", "range"),
        *("content-type", "referer", "proxy-authorization", "user-agent"),
    }
)
"""Fields that are no lists: white space after a comma may be part of their value."""


def selecting_names(fields: Fields) -> tuple[str, ...] | None:
    """The field names of Vary, lower case, sorted; None if it matches no request.

    That is so for `*` anywhere, and for a member that cannot be a field name.
    """
    if "vary" not in fields.lowered:
        return ()
    names = {name.lower() for line in fields.get_all("vary") for name in split_list(line)}
    if "*" in names or not all(is_token(name) for name in names):
        return None
    return tuple(sorted(names))


def select(names: Iterable[str], request_fields: Fields) -> Selecting:
    """Pair the names, sorted, with the request's values for them, normalised (RFC 9111 §4.1)."""
    lower = sorted({name.lower() for name in names})
    return tuple((name, _value(name, request_fields.get(name))) for name in lower)


def _value(name: str, text: str | None) -> str | None:
    return None if text is None else _NORMALIZERS.get(name, _normalize_list)(text)


def _normalize_singleton(text: str) -> str:
    return text.strip(" \t")


def _normalize_list(text: str) -> str:
    """White space around commas and empty members mean nothing (RFC 9110 §5.6.1)."""
    return ",".join(split_list(text))


@lru_cache(maxsize=512)
def _normalize_codings(text: str) -> str:
    """Codings in any order of the same weights accept the same answers (RFC 9110 §12.5.3)."""
    weighted = _weighted(text)
    if weighted is None:
        return _normalize_list(text)
    renamed = {(_CODINGS.get(coding, coding), weight) for coding, weight in weighted}
    return _written(sorted(renamed))


@lru_cache(maxsize=512)
def _normalize_languages(text: str) -> str:
    """Neither case nor order means anything, weights do (RFC 9110 §12.5.4)."""
    weighted = _weighted(text)
    if weighted is None:
        return _normalize_list(text)
    return _written(sorted(set(weighted), key=lambda member: (-member[1], member[0])))


def _weighted(text: str) -> list[tuple[str, float]] | None:
    """Read members with their weights; None if one is malformed (RFC 9110 §12.4.2)."""
    members: list[tuple[str, float]] = []
    for member in split_list(text):
        name, _, _ = member.partition(";")
        weight = _WEIGHT.fullmatch(member, len(name.rstrip(" \t")))
        if not is_token(name.rstrip(" \t")) or (weight is None and name != member):
            return None
        members.append((name.rstrip(" \t").lower(), float(weight[1]) if weight else 1.0))
    return members


def _written(weighted: Iterable[tuple[str, float]]) -> str:
    return ",".join(name if weight == 1 else f"{name};q={weight:g}" for name, weight in weighted)


_NORMALIZERS: Final[dict[str, Callable[[str], str]]] = {
    "accept-encoding": _normalize_codings,
    "accept-language": _normalize_languages,
    **dict.fromkeys(_SINGLETONS, _normalize_singleton),
}
