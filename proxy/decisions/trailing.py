"""Which fields before and behind an answer go on to a client (RFC 9110 §6.5, §15.2).

Pure. Trailers are relayed with the answer they came with; a stored response has none,
which §6.5.1 allows any recipient, and nothing that is judged by is ever taken from one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.caching.hop_by_hop import HOP_BY_HOP, end_to_end
from proxy.caching.syntax import split_list
from proxy.fields import NO_FIELDS

if TYPE_CHECKING:
    from proxy.fields import Fields

NOT_IN_TRAILERS: Final = HOP_BY_HOP | {
    # Framing and routing.
    *("content-length", "host", "trailer", "max-forwards", "expect"),
    # What says how to read the content.
    *("content-encoding", "content-type", "content-range", "content-location"),
    # Control of caches and of clients.
    *("age", "cache-control", "cdn-cache-control", "larder-cache-control", "expires", "date"),
    *("vary", "pragma", "warning", "location", "retry-after", "cache-status", "via"),
    # Credentials and their challenges.
    *("authorization", "proxy-authorization", "cookie", "set-cookie"),
    *("www-authenticate", "proxy-authenticate", "authentication-info"),
    *("proxy-authentication-info",),
}
"""Fields whose sense is in the head; a recipient that merged them could be misled (§6.5.1)."""


def interim_fields(fields: Fields) -> Fields:
    """The fields of an interim answer to relay; it never has a body for one to frame."""
    return end_to_end(fields).without("content-length")


def takes_trailers(request: Fields) -> bool:
    """Whether the sender of these fields keeps trailers: `TE: trailers` (RFC 9110 §10.1.4)."""
    te = request.get("te")
    return te is not None and any(each.lower() == "trailers" for each in split_list(te))


def trailers_for(request: Fields, trailers: Fields) -> Fields:
    """The trailers to end an answer with, for a client that sent these fields."""
    if not trailers or not takes_trailers(request):
        return NO_FIELDS
    return trailers.without(*NOT_IN_TRAILERS)
