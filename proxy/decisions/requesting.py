"""What goes up: the fields of the request that the upstream gets.

Pure. A request whose answer may be stored is made in the proxy's own name: the client's
conditions and range stay here, so that they do not spoil the fill, and so does whatever
the client says of hosts and schemes, so that nothing outside the key can shape the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.caching.forwarding import forwarded_for, via
from proxy.caching.hop_by_hop import end_to_end
from proxy.caching.validation import conditional_fields
from proxy.fields import Fields
from proxy.rules.route import HttpTtl

if TYPE_CHECKING:
    from proxy.messages import CacheKey, Request, StoredResponse
    from proxy.rules.route import Route
    from proxy.rules.settings import Upstream

PSEUDONYM = "larder"
"""How this hop calls itself in Via (RFC 9110 §7.6.3)."""

ALWAYS_DROPPED = ("host", "expect")
CONDITIONS = (
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
    "range",
)
CLAIMS = (
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-forwarded-scheme",
    "x-original-host",
    "x-host",
    "x-forwarded-for",
    "x-real-ip",
)
"""Fields in which a client says from where and under which name it reached us; unkeyed input."""


def upstream_fields(
    upstream: Upstream,
    route: Route,
    request: Request,
    validate: StoredResponse | None,
    key: CacheKey | None,
) -> Fields:
    """The fields to send; `key` None: the answer will not be stored. Host is not among them."""
    fields = end_to_end(request.fields).without(*ALWAYS_DROPPED)
    if key is None:
        fields = forwarded_for(fields, request.peer, request.scheme, request.authority)
    else:
        fields = fields.without(*CONDITIONS, *CLAIMS)
        if not isinstance(route.ttl, HttpTtl) or route.reads_response_body:
            fields = fields.with_set("Accept-Encoding", "identity")
        if validate is not None:
            fields = Fields((*fields.items, *conditional_fields(validate.fields).items))
    version = ".".join(map(str, request.version))
    return upstream.headers.apply(via(fields, version, PSEUDONYM))
