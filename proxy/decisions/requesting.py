"""What goes up: the fields of the request that the upstream gets.

Pure. A request whose answer may be stored is made in the proxy's own name: the client's
conditions and range stay here, so that they do not spoil the fill, and so does whatever
the client says of hosts and schemes, so that nothing outside the key can shape the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.caching.forwarding import FORWARDED, forwarded_for, hops_left, via
from proxy.caching.hop_by_hop import HOP_BY_HOP, connection_options
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
IDENTITY = ("Accept-Encoding", "identity")
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


_ENDS_HERE = HOP_BY_HOP | {*ALWAYS_DROPPED, "via"}
"""What no request goes up with as it came: Via goes up with one member more."""
_NOT_PASSED_ON = _ENDS_HERE | FORWARDED
_NOT_ASKED = _ENDS_HERE | {"trailer", *CONDITIONS}
_NOT_ASKED_OF_A_PART = _ENDS_HERE | {"trailer", *PRECONDITIONS}

Lines = list[tuple[str, str]]


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
    options = connection_options(request.fields)
    if key is None:
        lines = _passed_on(route, request, options)
    else:
        lines = _asked(route, request, options, ranged=ranged)
        if validate is not None:
            lines += conditional_fields(received_fields(validate)).items
    arrived = None if "via" in options else request.fields.get("via")
    lines.append(("Via", via(arrived, request.version, PSEUDONYM)))
    return upstream.headers.apply(Fields(lines))


def touched(upstream: Upstream) -> frozenset[str]:
    """Names, in lower case, of the fields that do not go up as they came past the cache."""
    edits = upstream.headers
    set_there = (name.lower() for name, _ in edits.set)
    return _NOT_PASSED_ON | {"max-forwards", *edits.remove, *set_there}


def _passed_on(route: Route, request: Request, options: frozenset[str]) -> Lines:
    """The client's own request: what it says is left to the upstream to judge."""
    for_hop, left = _for_this_hop(request), hops_left(request)
    drop = _NOT_PASSED_ON | options if options else _NOT_PASSED_ON
    if left:
        drop |= {"max-forwards"}
    if route.invalidates_by_body:
        drop |= {"accept-encoding"}
    fields = request.fields
    lines = [
        line for line, name in zip(fields.items, fields.lowered, strict=True) if name not in drop
    ]
    lines += forwarded_for(request.peer, request.scheme, request.authority)
    lines += for_hop
    if left:
        lines.append(("Max-Forwards", str(left - 1)))  # RFC 9110 §7.6.2
    if route.invalidates_by_body:
        lines.append(IDENTITY)
    return lines


def _asked(route: Route, request: Request, options: frozenset[str], *, ranged: bool) -> Lines:
    """A request in the proxy's own name."""
    drop = _NOT_ASKED_OF_A_PART if ranged else _NOT_ASKED
    if options:
        drop |= options
    plain = not isinstance(route.ttl, HttpTtl) or route.reads_response_body
    if plain:
        drop |= {"accept-encoding"}
    fields, keyed = request.fields, route.keyed_fields
    lines = [
        line
        for line, name in zip(fields.items, fields.lowered, strict=True)
        if name not in drop and not _claims(name, keyed)
    ]
    if plain:
        lines.append(IDENTITY)
    return lines


def upstream_trailers(upstream: Upstream, request: Request, trailers: Fields) -> Fields:
    """The trailers to end a request with whose answer will not be stored (RFC 9110 §6.5.1).

    None that a recipient which merges them could take for something the head says, or the
    upstream's header rules, or what stays at this hop.
    """
    kept = (line for line in trailers if not _claims(line[0].lower(), ()))
    edits = upstream.headers
    return Fields(kept).without(
        *(NOT_IN_TRAILERS | OVERRIDE_FIELDS | connection_options(request.fields)),
        *(*CONDITIONS, *upstream.credential_fields),
        *(*edits.remove, *(name for name, _ in edits.set)),
    )


def _for_this_hop(request: Request) -> Lines:
    """What a client may ask of this hop and Larder can do for it (RFC 9110 §7.6.1).

    Not where the answer may be stored: these fields would shape it and are not in its key.
    """
    options: Lines = []
    if takes_trailers(request.fields):
        options.append(("TE", "trailers"))
    if wanted := protocols(request):
        options.append(("Upgrade", ", ".join(wanted)))
    if not options:
        return options
    return [("Connection", ", ".join(name for name, _ in options)), *options]


def _claims(name: str, keyed: tuple[str, ...]) -> bool:
    """Whether a field is such a claim, in lower case; many servers read `_` in a name as `-`."""
    plain = name.replace("_", "-")
    return (plain in CLAIMS or plain.startswith("x-forwarded")) and name not in keyed
