"""What HTTP says of status codes, as sets.

Floor 1, pure data. A status in no set is judged by its class and, if it is to
be stored, needs explicit freshness.
"""

from __future__ import annotations

from typing import Final

HEURISTICALLY_CACHEABLE: Final = frozenset(
    {200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501}
)
"""May be given a heuristic lifetime (RFC 9110 §15.1)."""

UNDERSTOOD: Final = frozenset(
    {
        *range(200, 206),
        *(300, 301, 302, 303, 307, 308),
        *range(400, 412),
        *(413, 414, 415, 417, 421, 422, 426, 451),
        *range(500, 506),
    }
)
"""Final ones whose caching requirements Larder implements (RFC 9111 §3, must-understand)."""

NEVER_STORED: Final = frozenset(
    {
        304,  # describes another response (RFC 9111 §4.3.3)
        412,  # answers a condition, 416 a range: of no use to a request without them
        416,
        428,  # RFC 6585 §3 to §6: MUST NOT be stored by a cache
        429,
        431,
        511,
    }
)
"""Not stored whatever their fields say."""

EMPTY: Final = frozenset({204, 304})
"""Final answers that are never followed by content (RFC 9110 §6.4.1)."""

WITHOUT_BODY: Final = frozenset({*range(100, 200)}) | EMPTY
"""All that never are."""

NOT_MODIFIED: Final = 304
"""What confirms a stored response, or a client's own copy (RFC 9110 §15.4.5)."""

STALE_IF_ERROR: Final = frozenset({500, 502, 503, 504})
"""The errors that stale-if-error covers (RFC 5861 §4)."""


def is_error(status: int) -> bool:
    """Whether the status is of the 4xx or 5xx class, or of none at all (RFC 9110 §15)."""
    return not 200 <= status < 400
