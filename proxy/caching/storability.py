"""Whether a shared cache may store a response, and which of its fields (RFC 9111 §3).

Floor 1, pure. Judges the head as the upstream sent it, before hop-by-hop fields
are removed. The first reason that applies is the one given; what only the body
or a rule can tell is judged elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from proxy.caching.dates import format_http_date
from proxy.caching.directives import Directives, request_directives
from proxy.caching.freshness import Lifetime, freshness_lifetime, single_date
from proxy.caching.hop_by_hop import end_to_end
from proxy.caching.status import HEURISTICALLY_CACHEABLE, NEVER_STORED, UNDERSTOOD
from proxy.caching.vary import selecting_names
from proxy.fields import Fields
from proxy.messages import Request, Response
from proxy.outcomes import NotStored

COOKIE_FIELDS: Final = ("set-cookie", "set-cookie2")
_NEVER_STORED: Final = frozenset(
    {"age", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization"}
)
_NOT_STORED: Final = _NEVER_STORED | {*COOKIE_FIELDS}


@dataclass(slots=True)
class _Case:
    request: Request
    response: Response
    directives: Directives
    lifetime: Lifetime | None
    cookies: bool

    @property
    def explicit(self) -> bool:
        """Whether the upstream itself stated a lifetime, be it zero."""
        return self.lifetime is not None and not self.lifetime.heuristic

    @property
    def understood(self) -> bool:
        """Whether must-understand is set and met, so that no-store is void (RFC 9111 §5.2.2.3)."""
        return self.directives.must_understand and self.response.status in UNDERSTOOD


def _wrong_method(case: _Case) -> bool:
    """GET, or a POST that says which GET it answers (RFC 9110 §9.3.3)."""
    if case.request.method == "POST":
        return not (case.explicit and _is_at_target(case.request, case.response))
    return case.request.method != "GET"


def _is_at_target(request: Request, response: Response) -> bool:
    location = response.fields.get("content-location")
    target = f"{request.scheme}://{request.authority}{request.target}"
    try:
        return location is not None and urljoin(target, location) == urljoin(target, "")
    except ValueError:
        return False


def _wrong_status(case: _Case) -> bool:
    status = case.response.status
    if not 200 <= status < 600 or status in NEVER_STORED:
        return True
    if case.directives.must_understand and status not in UNDERSTOOD:
        return True
    return not (case.explicit or case.directives.public or status in HEURISTICALLY_CACHEABLE)


def _no_store(case: _Case) -> bool:
    refused = case.directives.no_store and not case.understood
    return refused or request_directives(case.request.fields).no_store


def _not_for_others(case: _Case) -> bool:
    return "authorization" in case.request.fields and not case.directives.allows_authorized


def _sets_cookie(case: _Case) -> bool:
    return not case.cookies and any(name in case.response.fields for name in COOKIE_FIELDS)


def _useless(case: _Case) -> bool:
    """Neither fresh for a moment, nor to be validated, nor to be served stale."""
    fresh = case.lifetime is not None and case.lifetime.seconds > 0
    stale_s = (case.directives.stale_while_revalidate or 0, case.directives.stale_if_error or 0)
    stale = any(stale_s) and not case.directives.forbids_stale
    validator = "etag" in case.response.fields or "last-modified" in case.response.fields
    return not (fresh or stale or validator)


_REFUSALS: Final[tuple[tuple[NotStored, Callable[[_Case], bool]], ...]] = (
    (NotStored.PARTIAL, lambda case: case.response.status == 206),
    (NotStored.METHOD, _wrong_method),
    (NotStored.NO_STORE, _no_store),
    (NotStored.PRIVATE, lambda case: case.directives.private),
    (NotStored.STATUS, _wrong_status),
    (NotStored.AUTHORIZATION, _not_for_others),
    (NotStored.SET_COOKIE, _sets_cookie),
    (NotStored.VARY_STAR, lambda case: selecting_names(case.response.fields) is None),
    (NotStored.NO_LIFETIME, _useless),
)


def may_store(
    request: Request, response: Response, directives: Directives, *, cookies: bool = False
) -> NotStored | None:
    """Why a shared cache does not store this response; None if it may (RFC 9111 §3).

    `cookies` lets answers with Set-Cookie be stored, as the RFC does and Larder by default not.
    """
    lifetime = freshness_lifetime(request, response, directives)
    case = _Case(request, response, directives, lifetime, cookies)
    for reason, applies in _REFUSALS:
        if applies(case):
            return reason
    return None


def stored_fields(response: Response, directives: Directives, *, cookies: bool = False) -> Fields:
    """The fields to store with a response (RFC 9111 §3.1).

    Leaves out what is for one hop, what qualified `private` and `no-cache` name, and Age, which
    lives on as the initial age; adds the Date that is missing or wrong (RFC 9110 §6.6.1).
    """
    drop = _NEVER_STORED if cookies else _NOT_STORED
    if named := directives.private_fields | directives.no_cache_fields:
        drop |= {name.lower() for name in named}
    kept = end_to_end(response.fields).without_any(drop)
    if single_date(response, "date") is None or "date" not in kept:
        return kept.with_set("Date", format_http_date(response.response_time))
    return kept
