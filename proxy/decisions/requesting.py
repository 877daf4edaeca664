"""What goes up: the fields of the request that the upstream gets.

Pure. A request whose answer may be stored is made in the proxy's own name: the client's
conditions and range stay here, so that they do not spoil the fill, and so does whatever
the client says of hosts and schemes, so that nothing outside the key can shape the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.caching.forwarding import forwarded_for, hops_left, one_hop_less, via
from proxy.caching.hop_by_hop import connection_options, end_to_end
from proxy.caching.validation import conditional_fields, received_fields
from proxy.decisions.switching import protocols
from proxy.decisions.trailing import NOT_IN_TRAILERS, takes_trailers
from proxy.fields import Fields
from proxy.rules.lifetimes import HttpTtl
from proxy.rules.misleading import OVERRIDE_FIELDS

if TYPE_CHECKING:
    from proxy.messages import CacheKey, Request, StoredResponse
    from proxy.rules.route import Route
    from proxy.rules.settings import Upstream

PSEUDONYM = "larder"
"""How this hop calls itself in Via (RFC 9110 §7.6.3)."""

ALWAYS_DROPPED = ("host", "expect")
PRECONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
CONDITIONS = (*PRECONDITIONS, "if-range", "range")
CLAIMS = frozenset(
    {
        *("forwarded", "forwarded-for", "x-real-ip", "x-client-ip", "x-cluster-client-ip"),
        *("true-client-ip", "cf-connecting-ip", "fastly-client-ip", "client-ip"),
        *("x-scheme", "x-url-scheme", "front-end-https"),
        *("x-host", "x-host-override", "x-http-host-override"),
        *("x-original-host", "x-original-method", "x-original-path", "x-original-uri"),
        "x-envoy-original-path",
    }
)
"""Fields in which a client says from where and under which name it reached us; unkeyed input.

So are all that begin with `x-forwarded`.
"""


def upstream_fields(
    upstream: Upstream,
    route: Route,
    request: Request,
    validate: StoredResponse | None,
    key: CacheKey | None,
    *,
    ranged: bool = False,
) -> Fields:
    """The fields to send; `key` None: the answer will not be stored. Host is not among them.

    `ranged`: the part that the client asks for will do.
    """
    fields = end_to_end(request.fields).without(*ALWAYS_DROPPED)
    if key is None:
        fields = forwarded_for(fields, request.peer, request.scheme, request.authority)
        fields = _for_this_hop(fields, request)
        if route.invalidates_by_body:
            fields = fields.with_set("Accept-Encoding", "identity")
    else:
        kept = (line for line in fields if not _claims(line[0], route.keyed_fields))
        fields = Fields(kept).without("trailer", *(PRECONDITIONS if ranged else CONDITIONS))
        if not isinstance(route.ttl, HttpTtl) or route.reads_response_body:
            fields = fields.with_set("Accept-Encoding", "identity")
        if validate is not None:
            conditions = conditional_fields(received_fields(validate))
            fields = Fields((*fields.items, *conditions.items))
    version = ".".join(map(str, request.version))
    return upstream.headers.apply(via(fields, version, PSEUDONYM))


def upstream_trailers(upstream: Upstream, request: Request, trailers: Fields) -> Fields:
    """The trailers to end a request with whose answer will not be stored (RFC 9110 §6.5.1).

    None that a recipient which merges them could take for something the head says, or the
    upstream's header rules, or what stays at this hop.
    """
    kept = (line for line in trailers if not _claims(line[0], ()))
    edits = upstream.headers
    return Fields(kept).without(
        *(NOT_IN_TRAILERS | OVERRIDE_FIELDS | connection_options(request.fields)),
        *(*CONDITIONS, *upstream.credential_fields),
        *(*edits.remove, *(name for name, _ in edits.set)),
    )


def _for_this_hop(fields: Fields, request: Request) -> Fields:
    """With what a client may ask of this hop and Larder can do for it (RFC 9110 §7.6.1).

    Not where the answer may be stored: these fields would shape it and are not in its key.
    """
    options: list[tuple[str, str]] = []
    if takes_trailers(request.fields):
        options.append(("TE", "trailers"))
    if wanted := protocols(request):
        options.append(("Upgrade", ", ".join(wanted)))
    if options:
        names = ", ".join(name for name, _ in options)
        fields = Fields((*fields.items, ("Connection", names), *options))
    left = hops_left(request)
    return one_hop_less(fields, left) if left else fields


def _claims(name: str, keyed: tuple[str, ...]) -> bool:
    """Whether a field is such a claim; many servers read `_` in a name as `-`."""
    plain = name.lower().replace("_", "-")
    return (plain in CLAIMS or plain.startswith("x-forwarded")) and name.lower() not in keyed
