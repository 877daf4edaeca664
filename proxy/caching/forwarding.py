"""Fields that say through whom a message came (RFC 9110 §7.6, RFC 7239).

Floor 1, pure. What a client claims about itself in these fields is never believed nor
passed on: an unkeyed, believed field is how caches are poisoned.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from proxy.caching.syntax import delta_seconds, is_token, quote, split_list
from proxy.fields import Fields
from proxy.messages import Request

FORWARDED: Final = frozenset(
    {
        *("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
        *("x-forwarded-port", "x-forwarded-server", "x-forwarded-prefix", "x-real-ip"),
    }
)
"""Fields in which hops before this one say for whom they ask."""


def via(arrived: str | None, version: tuple[int, int], pseudonym: str) -> str:
    """Via with this hop: the version it received, and its name (RFC 9110 §7.6.3)."""
    member = f"{version[0]}.{version[1]} {pseudonym}"
    return f"{arrived}, {member}" if arrived else member


def times_passed(fields: Fields, pseudonym: str) -> int:
    """How often Via has this name already: more than once or twice is a loop (RFC 9110 §7.6.3)."""
    said = fields.get("via")
    if said is None:
        return 0
    hops = (hop.split() for hop in split_list(said))
    return sum(len(hop) > 1 and hop[1].lower() == pseudonym.lower() for hop in hops)


def forwarded_for(peer: str, scheme: str, host: str) -> tuple[tuple[str, str], ...]:
    """Say for whom, how and to which host a request came (RFC 7239 §4, and X-Forwarded-*).

    In place of all FORWARDED that it came with.
    """
    return (
        ("X-Forwarded-For", peer or "unknown"),
        ("Forwarded", f"for={_node(peer)};host={quote(host)};proto={scheme}"),
        ("X-Forwarded-Proto", scheme),
        ("X-Forwarded-Host", host),
    )


@lru_cache(maxsize=1024)
def _node(peer: str) -> str:
    """Write a peer's address as a node (RFC 7239 §6)."""
    try:
        address = ip_address(peer)
    except ValueError:
        return quote(peer) if is_token(peer) and peer.startswith("_") else "unknown"
    return f'"[{peer}]"' if isinstance(address, IPv6Address) else peer


def hops_left(request: Request) -> int | None:
    """How often a TRACE or OPTIONS may still be forwarded; None: no limit (RFC 9110 §7.6.2).

    At 0 Larder answers itself; otherwise it forwards one less.
    """
    if request.method not in {"TRACE", "OPTIONS"}:
        return None
    return delta_seconds((request.fields.get("max-forwards") or "").strip(" \t"))
