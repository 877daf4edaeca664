"""Fields that say through whom a message came (RFC 9110 §7.6, RFC 7239).

Floor 1, pure. What a client claims about itself in these fields is believed only
if the caller says that its peer is trusted: an unkeyed, believed field is how
caches are poisoned.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Final

from proxy.caching.syntax import delta_seconds, is_token, quote, split_list
from proxy.fields import Fields
from proxy.messages import Request

_CLAIMS: Final = (
    *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    *("x-forwarded-port", "x-forwarded-server", "x-forwarded-prefix", "x-real-ip"),
)


def via(fields: Fields, version: str, pseudonym: str) -> Fields:
    """Add this hop to Via: the version it received, and its name (RFC 9110 §7.6.3)."""
    return _appended(fields, "Via", f"{version} {pseudonym}")


def times_passed(fields: Fields, pseudonym: str) -> int:
    """How often Via has this name already: more than once or twice is a loop (RFC 9110 §7.6.3)."""
    hops = (hop.split() for hop in split_list(fields.get("via") or ""))
    return sum(len(hop) > 1 and hop[1].lower() == pseudonym.lower() for hop in hops)


def forwarded_for(
    fields: Fields, peer: str, scheme: str, host: str, *, trusted: bool = False
) -> Fields:
    """Say for whom, how and to which host the request came (RFC 7239 §4, and X-Forwarded-*).

    From a trusted peer the claims that arrived stay and are added to; from others they go.
    """
    known = fields if trusted else fields.without(*_CLAIMS)
    element = f"for={_node(peer)};host={quote(host)};proto={scheme}"
    known = _appended(known, "X-Forwarded-For", peer or "unknown")
    known = _appended(known, "Forwarded", element)
    for name, value in (("X-Forwarded-Proto", scheme), ("X-Forwarded-Host", host)):
        known = known if name in known else known.with_added(name, value)
    return known


def _node(peer: str) -> str:
    """Write a peer's address as a node (RFC 7239 §6)."""
    try:
        address = ip_address(peer)
    except ValueError:
        return quote(peer) if is_token(peer) and peer.startswith("_") else "unknown"
    return f'"[{peer}]"' if isinstance(address, IPv6Address) else peer


def _appended(fields: Fields, name: str, member: str) -> Fields:
    arrived = fields.get(name)
    return fields.with_set(name, f"{arrived}, {member}" if arrived else member)


def hops_left(request: Request) -> int | None:
    """How often a TRACE or OPTIONS may still be forwarded; None: no limit (RFC 9110 §7.6.2).

    At 0 Larder answers itself; otherwise it forwards `one_hop_less`.
    """
    if request.method not in {"TRACE", "OPTIONS"}:
        return None
    return delta_seconds((request.fields.get("max-forwards") or "").strip(" \t"))


def one_hop_less(fields: Fields, left: int) -> Fields:
    """The fields to forward when `left` hops were left (RFC 9110 §7.6.2)."""
    return fields.with_set("Max-Forwards", str(left - 1))
