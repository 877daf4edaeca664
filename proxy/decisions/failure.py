"""plan_failure: what stands in for an answer that did not come (RFC 9111 §4.2.4, RFC 5861 §4).

It knows the route, the stored response kept in reserve, and the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.rules.lifetimes import HttpTtl

if TYPE_CHECKING:
    from proxy.messages import Request, StoredResponse
    from proxy.rules.route import Route


def may_stand_in(
    route: Route, request: Request, stored: StoredResponse, now: float, *, reached: bool
) -> bool:
    """Whether a stale response may answer instead of an error.

    `reached`: the upstream did answer, with a 5xx. Where it could not be reached RFC 9111
    lets any stale response stand in that nothing forbids; a rule's own lifetime is only
    ever stretched by its `stale.if_error`.
    """
    if stored.must_revalidate or stored.no_cache:
        return False
    window = max(stored.stale_if_error, route.asked(request).stale_if_error or 0)
    if window > 0 and -stored.ttl(now) <= window:
        return True
    return isinstance(route.ttl, HttpTtl) and not reached
