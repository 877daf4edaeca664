"""Whether a request that comes again is answered, or passed on, the same way (the lanes).

Pure. It knows the request, the route and the stored response it was a hit of; not how either
is kept. Invariant: what may change the answer, or is changed by it, other than the passing of
time and the end of what is stored, is left to the driver; so is whatever is in doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.caching.hop_by_hop import connection_options
from proxy.caching.status import EMPTY
from proxy.rules.lifetimes import TimedTtl

if TYPE_CHECKING:
    from proxy.messages import Request, StoredResponse
    from proxy.rules.issuing import SessionSettings
    from proxy.rules.route import Route

LARGEST: Final = 256 << 10
"""Bytes of a body that is written in one piece; a larger one is watched while it goes out."""

_JUDGED: Final = frozenset(
    {"cache-control", "pragma", "expect", "upgrade", "max-forwards", "transfer-encoding"}
    | {"range", "if-range", "if-match", "if-none-match", "if-modified-since"}
    | {"if-unmodified-since"}
)
"""Request fields that are weighed against the answer's age or state, or frame something."""

_KEPT_ALIVE: Final = frozenset({"keep-alive"})


def repeats(
    route: Route, sessions: SessionSettings, request: Request, stored: StoredResponse
) -> bool:
    """Whether each such request is this hit again for as long as the response stands fresh."""
    if request.method == "HEAD" or request.version < (1, 1):
        return False
    if request.fields.names() & _JUDGED:
        return False
    if stored.status in EMPTY or stored.part is not None or len(stored.body) > LARGEST:
        return False
    if route.refresh is not None or route.deduping is not None:
        return False
    if isinstance(route.ttl, TimedTtl) and route.ttl.sliding:
        return False
    return not (route.reads_session and sessions.attended)


def passes_alike(route: Route, request: Request) -> bool:
    """Whether each such request is passed on like this one, past the cache."""
    if request.method != "GET" or request.version < (1, 1):
        return False
    if request.fields.names() & _JUDGED or not connection_options(request.fields) <= _KEPT_ALIVE:
        return False
    return not (route.has_consequences or route.deduping is not None or route.etag is not None)
