"""How long a response is fresh, how old it is, and whether it may be reused (RFC 9111 §4.2).

Floor 1, pure: all times are epoch seconds from the arguments. Ages are never
negative; a freshness lifetime is in 0..MAX_DELTA and never exceeds what the
deciding directive said. Explicit information, even invalid, rules out heuristics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.caching.dates import parse_http_date
from proxy.caching.directives import NOTHING_ASKED, Directives, RequestDirectives
from proxy.caching.status import HEURISTICALLY_CACHEABLE
from proxy.caching.syntax import MAX_DELTA, delta_seconds, split_list
from proxy.caching.targeted import response_directives
from proxy.messages import Request, Response, StoredResponse

HEURISTIC_FRACTION: Final = 0.1
"""Of the time since Last-Modified (RFC 9111 §4.2.2)."""

HEURISTIC_MAX_S: Final = 86_400.0
"""The longest heuristic lifetime: a day."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A freshness lifetime in seconds, and whether it was only estimated."""

    seconds: float
    heuristic: bool = False


def freshness_lifetime(
    request: Request, response: Response, directives: Directives
) -> Lifetime | None:
    """Find the freshness lifetime in a shared cache (RFC 9111 §4.2.1); None if there is none."""
    explicit = _explicit_lifetime(response, directives)
    if explicit is not None:
        return Lifetime(min(max(0.0, explicit), MAX_DELTA))
    return _heuristic_lifetime(request, response, directives)


def _explicit_lifetime(response: Response, directives: Directives) -> float | None:
    for seconds in (directives.s_maxage, directives.max_age):
        if seconds is not None:
            return seconds
    if directives.targeted or "expires" not in response.fields:
        return None
    expires = single_date(response, "expires")
    return 0.0 if expires is None else expires - _date_value(response)


def _heuristic_lifetime(
    request: Request, response: Response, directives: Directives
) -> Lifetime | None:
    permitted = directives.public or response.status in HEURISTICALLY_CACHEABLE
    last_modified = single_date(response, "last-modified")
    if request.method != "GET" or not permitted or last_modified is None:
        return None
    unchanged = min(_date_value(response), response.response_time) - last_modified
    seconds = min(HEURISTIC_FRACTION * unchanged, HEURISTIC_MAX_S)
    return Lifetime(seconds, heuristic=True) if seconds > 0 else None


def single_date(response: Response, name: str) -> float | None:
    """Read a date field; None if absent, malformed, or on lines that differ."""
    lines = set(response.fields.get_all(name))
    return parse_http_date(lines.pop().strip(), response.response_time) if len(lines) == 1 else None


def _date_value(response: Response) -> float:
    """When the response originated; without a valid Date, when it arrived (RFC 9110 §6.6.1)."""
    date_value = single_date(response, "date")
    return response.response_time if date_value is None else date_value


def age_value(response: Response) -> int:
    """Read Age: its first member if that is digits only, else 0 (RFC 9111 §5.1)."""
    members = split_list(response.fields.get("age") or "")
    return delta_seconds(members[0]) or 0 if members else 0


def corrected_initial_age(response: Response) -> float:
    """The age in seconds with which the response arrived (RFC 9111 §4.2.3)."""
    # Date has whole seconds, so the arrival must too, or every age would be half a second high.
    apparent_age = max(0.0, response.response_time // 1 - _date_value(response))
    response_delay = max(0.0, response.response_time - response.request_time)
    corrected_age_value = age_value(response) + response_delay
    return max(apparent_age, corrected_age_value)


def may_reuse(stored: StoredResponse, asked: RequestDirectives, now: float) -> bool:
    """Whether a stored response may be served without validation (RFC 9111 §4, §5.2.1).

    While it is fresh, `immutable` outweighs the max-age of a client that reloads (RFC 8246 §2).
    """
    if stored.no_cache or asked.no_cache:
        return False
    ttl = stored.ttl(now)
    if asked is NOTHING_ASKED:
        return ttl > 0
    too_old = asked.max_age is not None and stored.age(now) > asked.max_age
    if too_old and not (ttl > 0 and response_directives(stored.fields).immutable):
        return False
    if ttl > 0:
        return ttl >= asked.min_fresh
    accepted = asked.max_stale is not None and -ttl <= asked.max_stale
    return accepted and not asked.min_fresh and not stored.must_revalidate
