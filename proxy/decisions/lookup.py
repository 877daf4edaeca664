"""plan_lookup: serve what is stored, fetch, or refuse (RFC 9111 §4).

It knows the request, the stored response and the time. It does not know where the stored
response was found nor whether it is alive: an invalidated one never reaches it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from proxy.caching.freshness import may_reuse
from proxy.caching.partial import excerpt
from proxy.caching.preconditions import if_range_holds
from proxy.caching.validation import has_validator, received_fields
from proxy.outcomes import Forward, NotServed, Outcome, Refusal

if TYPE_CHECKING:
    from proxy.caching.directives import RequestDirectives
    from proxy.messages import Request, StoredResponse


@dataclass(frozen=True, slots=True)
class Serve:
    """Answer with the stored response; `refresh`: and fetch a newer one behind it.

    `validate` is as in Fetch.
    """

    stored: StoredResponse
    outcome: Outcome
    refresh: bool = False
    validate: StoredResponse | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Go upstream, because of `forward`.

    `validate` is the stored response whose validators go along; `fallback` the one that
    may be served stale if the fetch fails. `joinable`: another's fetch under way will do.
    `ranged`: fetch only the range that the client asks for, to be joined with `part`.
    """

    forward: Forward
    reason: NotServed
    validate: StoredResponse | None = None
    fallback: StoredResponse | None = None
    joinable: bool = True
    ranged: bool = False
    part: StoredResponse | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error of our own."""

    status: int
    reason: Refusal


LookupPlan = Serve | Fetch | Refuse


def plan_lookup(
    request: Request,
    wanted: RequestDirectives,
    stored: StoredResponse | None,
    now: float,
    *,
    missing: NotServed = NotServed.ABSENT,
    soft: bool = False,
    serves: bool = True,
    repeats: bool = True,
) -> LookupPlan:
    """What to do with this request, of whose client `wanted` is what the route listens to.

    `missing` says why `stored` is None; `soft`: an operator purged it softly, so it counts
    as stale; `serves`: what the rule's serve_if says of it; `repeats`: whether the request may
    be made again behind what is served.
    """
    if stored is None:
        forward = Forward.VARY_MISS if missing is NotServed.VARIANT else Forward.URI_MISS
        return _unless_cached_only(wanted, Fetch(forward, missing))
    if not serves:
        return _unless_cached_only(wanted, Fetch(Forward.MISS, NotServed.RULE))
    if may_reuse(stored, wanted, now) and not soft:
        return Serve(stored, Outcome.HIT if stored.ttl(now) > 0 else Outcome.STALE)
    validate = validated(request, stored)
    if _client_declines(wanted, stored, now):
        # no-cache forbids it even as a stand-in (RFC 9111 §5.2.1.4).
        fallback = None if wanted.no_cache else stored
        fetch = Fetch(Forward.REQUEST, NotServed.DECLINED, validate, fallback, joinable=False)
        return _unless_cached_only(wanted, fetch)
    if repeats and _serves_behind(stored, now):
        return Serve(stored, Outcome.STALE, refresh=True, validate=validate)
    return _unless_cached_only(wanted, Fetch(Forward.STALE, NotServed.EXPIRED, validate, stored))


def alone(plan: LookupPlan) -> LookupPlan:
    """The plan without what is stored, where that answers another request than this one.

    It is served as it stands or not at all: this request neither validates it nor renews it,
    nor has it to fall back on.
    """
    match plan:
        case Serve():
            return replace(plan, refresh=False, validate=None)
        case Fetch():
            return replace(plan, validate=None, fallback=None)
        case Refuse():
            return plan
        case _:
            assert_never(plan)


def plan_range(
    request: Request,
    wanted: RequestDirectives,
    plan: Fetch | Refuse,
    whole: StoredResponse | None,
    part: StoredResponse | None,
    now: float,
    *,
    soft: bool = False,
    serves: bool = True,
) -> LookupPlan:
    """What to do with a request for one range instead of `plan`, which no part is good for.

    `soft` and `serves` are said of the part. Of two answers the newer is used (RFC 9111 §4).
    """
    newest = part if whole is None or part is None or _newer(part, whole) else None
    cut = None if newest is None else _cut(request, newest, now)
    fresh = newest is not None and newest.ttl(now) > 0 and not soft
    if cut is not None and fresh and serves and may_reuse(cut, wanted, now):
        return Serve(cut, Outcome.HIT)
    if isinstance(plan, Refuse) or plan.reason in {NotServed.DECLINED, NotServed.RULE}:
        return plan  # the whole stays what it is: nothing newer may be stored beside it
    ranged = replace(plan, validate=None, ranged=True, part=part)
    if newest is None:
        return ranged
    if cut is not None and serves and fresh:
        return replace(ranged, forward=Forward.REQUEST, reason=NotServed.DECLINED, joinable=False)
    why = _NOT_HELD if cut is None else _STALE if serves else _UNSUITED
    return replace(ranged, forward=why[0], reason=why[1])


_NOT_HELD: Final = (Forward.PARTIAL, NotServed.PARTIAL)
_STALE: Final = (Forward.STALE, NotServed.EXPIRED)
_UNSUITED: Final = (Forward.MISS, NotServed.RULE)


def validated(request: Request, stored: StoredResponse) -> StoredResponse | None:
    """What a fetch for this request may be confirmed by: `stored`, if it has a validator.

    Other methods with a condition that fails are answered 412 (RFC 9110 §13.1.2).
    """
    repeatable = request.method in {"GET", "HEAD"} and has_validator(received_fields(stored))
    return stored if repeatable else None


def _newer(part: StoredResponse, whole: StoredResponse) -> bool:
    return part.response_time > whole.response_time


def _cut(request: Request, part: StoredResponse, now: float) -> StoredResponse | None:
    """What the client asks for, if the part holds it and If-Range lets it be sent alone."""
    if not if_range_holds(request, part.fields, now):
        return None
    return excerpt(part, request.fields.get("range") or "")


def _unless_cached_only(wanted: RequestDirectives, fetch: Fetch) -> Fetch | Refuse:
    """only-if-cached forbids going forward (RFC 9111 §5.2.1.7)."""
    return Refuse(504, Refusal.ONLY_IF_CACHED) if wanted.only_if_cached else fetch


def _client_declines(wanted: RequestDirectives, stored: StoredResponse, now: float) -> bool:
    """Whether the client asks for something fresher than what is stored (RFC 9111 §5.2.1)."""
    if wanted.no_cache:
        return True
    too_old = wanted.max_age is not None and stored.age(now) > wanted.max_age
    return too_old or (wanted.min_fresh > 0 and stored.ttl(now) < wanted.min_fresh)


def _serves_behind(stored: StoredResponse, now: float) -> bool:
    """Whether it may be served stale while a newer one is fetched (RFC 5861 §3)."""
    if stored.no_cache or stored.must_revalidate:
        return False
    return max(0.0, -stored.ttl(now)) < stored.stale_while_revalidate
