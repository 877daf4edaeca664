"""Targeted cache control: which field decides, and how it is read (RFC 9213).

Floor 1, pure. A targeted field is a Dictionary of Structured Fields; one that is
malformed, empty or has a directive of the wrong type is ignored whole.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from proxy.caching.directives import Directives, interpret, parse_cache_control
from proxy.caching.structured import Item, Token, parse_dictionary
from proxy.fields import Fields

TARGETS: Final = ("larder-cache-control", "cdn-cache-control")
"""The target list: the first of these with a valid value decides (RFC 9213 §2.2)."""

_SECONDS: Final = frozenset({"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"})
_FLAGS: Final = frozenset(
    {
        *("no-store", "public", "must-revalidate", "proxy-revalidate", "must-understand"),
        *("no-transform", "immutable"),
    }
)
_FLAGS_OR_NAMES: Final = frozenset({"no-cache", "private"})

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(_SECONDS, (int,)),
    **dict.fromkeys(_FLAGS, (bool,)),
    **dict.fromkeys(_FLAGS_OR_NAMES, (bool, str, Token)),
}
"""The Structured Field types a known directive may have (RFC 9213 §2.1)."""


def response_directives(fields: Fields, targets: tuple[str, ...] = TARGETS) -> Directives:
    """Read what decides on this response: a targeted field, else Cache-Control (RFC 9213 §2.2)."""
    for name in targets:
        text = fields.get(name)
        directives = None if text is None else parse_targeted(text)
        if directives is not None:
            return directives
    return parse_cache_control(fields)


@lru_cache(maxsize=256)
def parse_targeted(text: str) -> Directives | None:
    """Read a targeted field's combined value; None if it is to be ignored (RFC 9213 §2.1)."""
    members = parse_dictionary(text)
    if not members or not all(_fits(name, item) for name, item in members.items()):
        return None
    said = {name: item.value for name, item in members.items() if item.value is not False}
    arguments = {name: (None if value is True else str(value),) for name, value in said.items()}
    return interpret(arguments, targeted=True)


def _fits(name: str, item: Item) -> bool:
    """Whether the value's type is one the directive may have; unknown directives may have any."""
    return name not in _TYPES or type(item.value) in _TYPES[name]
