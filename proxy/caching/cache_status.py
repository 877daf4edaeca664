"""The Cache-Status field (RFC 9211).

Floor 1, pure. A member says one thing of how the answer came about: a hit, a
forward with its reason, or neither. Parameters stand in one fixed order.
"""

from __future__ import annotations

from functools import lru_cache
from math import floor
from typing import Final, Literal

from proxy.caching.structured import is_token, string
from proxy.fields import Fields
from proxy.outcomes import Forward

NAME: Final = "larder"
"""How this cache calls itself."""


def render(
    how: Forward | Literal["hit"] | None,
    *,
    forward_status: int | None = None,
    ttl: float | None = None,
    stored: bool = False,
    collapsed: bool = False,
    key: str | None = None,
    detail: str | None = None,
) -> str:
    """Write this cache's member (RFC 9211 §2); `how` is None if it answered by itself.

    `ttl` in seconds is negative once stale. `forward_status`, `stored` and `collapsed` belong to
    a forward and are left out of anything else.
    """
    forwarded = isinstance(how, Forward)
    member = NAME
    if how is not None:
        member += f"; fwd={how}" if forwarded else "; hit"
    if forwarded and forward_status is not None:
        member += f"; fwd-status={forward_status}"
    if ttl is not None:
        member += f"; ttl={floor(ttl)}"
    if forwarded and stored:
        member += "; stored"
    if forwarded and collapsed:
        member += "; collapsed"
    if key is not None:
        member += f"; key={string(key)}"
    return member if detail is None else f"{member}; detail={_token_or_string(detail)}"


@lru_cache(maxsize=256)
def _token_or_string(text: str) -> str:
    return text if is_token(text) else string(text)


def append(fields: Fields, member: str) -> Fields:
    """Add the member after those of the caches nearer to the origin (RFC 9211 §2)."""
    arrived = fields.get("cache-status")
    return fields.with_set("Cache-Status", f"{arrived}, {member}" if arrived else member)
