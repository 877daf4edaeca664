"""What is stored of a complete answer, or why nothing is (RFC 9111 §3).

It knows the route, the whole answer and the times; not where it will be stored. Whatever
would be wrong on replay (cookies, hop-by-hop fields, request counters) is gone from here on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proxy.caching.freshness import corrected_initial_age, freshness_lifetime
from proxy.caching.partial import PARTIAL_CONTENT, as_whole, received_part
from proxy.caching.storability import stored_fields
from proxy.caching.validation import has_validator, own_validators
from proxy.decisions.adapting import kept_to_learn
from proxy.decisions.answer import refuses_head
from proxy.decisions.completion import is_complete
from proxy.decisions.costing import cost_of, recorded
from proxy.decisions.tagging import tag_for, tagged
from proxy.fields import Fields
from proxy.messages import StoredResponse
from proxy.outcomes import NotStored
from proxy.rules.lifetimes import HttpTtl
from proxy.rules.targets import public_target

if TYPE_CHECKING:
    from proxy.messages import Part, Position, Response
    from proxy.rules.lifetimes import TimedTtl
    from proxy.rules.route import Route
    from proxy.rules.subject import Subject

OK = 200

KEPT_TO_VALIDATE_S = 86_400.0
"""How long a stale response with a validator is worth keeping."""

KEPT_TO_STAND_IN_S = 3_600.0
"""How long one without a validator is kept for when the upstream cannot be reached."""

VOLATILE = (
    "retry-after",
    "openai-processing-ms",
    "cf-ray",
    "x-ratelimit-",
    "anthropic-ratelimit-",
    "ratelimit",
)
"""Beginnings of fields that speak of one exchange and mislead on replay, under a rule's own ttl."""


@dataclass(slots=True, kw_only=True)
class Origin:
    """What an answer's fetch tells of it: see StoredResponse.

    `judged`: its head was found to be one that is stored when it came.
    """

    born: Position
    selecting: tuple[str, ...] = ()
    head: str = ""
    created_at: float = 0.0
    judged: bool = False


@dataclass(slots=True, kw_only=True)
class Timing:
    """How long an answer is fresh and of use, in seconds. `learned`: see StoredResponse."""

    lifetime: float
    keep: float
    while_revalidate: float
    if_error: float
    initial_age: float = 0.0
    must_revalidate: bool = False
    no_cache: bool = False
    learned: float = 0.0


def keep_answer(
    route: Route,
    subject: Subject,
    response: Response,
    body: bytes,
    now: float,
    *,
    origin: Origin,
    jitter: float = 0.0,
    learned: float = 0.0,
) -> StoredResponse | NotStored:
    """The stored response made of a complete answer; `jitter` is a random number of 0..1.

    A 206 is judged as the 200 of which it is a part. `learned`: see StoredResponse.
    """
    if not origin.judged and (refusal := refuses_head(route, subject, response)) is not None:
        return refusal
    came, part = response, received_part(response)
    if came.status == PARTIAL_CONTENT:
        response = as_whole(came)
    whole = subject.with_response(response, body)
    refused = _refuses_body(route, whole, response, came.status, part)
    if refused is not None:
        return refused
    if (tags := route.tags(whole)) is None:
        return NotStored.MISSING_SELECTOR
    timing = _timing(route, whole, response, now, jitter, learned)
    if isinstance(timing, NotStored):
        return timing
    return _composed(route, whole, came, part, tags, timing, origin)


def _composed(
    route: Route,
    whole: Subject,
    came: Response,
    part: Part | None,
    tags: tuple[str, ...],
    timing: Timing,
    origin: Origin,
) -> StoredResponse:
    """The stored response of an answer; of a `part`, with the fields of the 200 in `whole`."""
    response = whole.response or came
    tag = None if part is not None else tag_for(route, whole)
    cost = None if route.cost is None else cost_of(route.cost, whole)
    return StoredResponse(
        status=came.status,
        reason=came.reason,
        fields=tagged(replayable(route, response), tag),
        validators=() if tag is None else own_validators(response.fields),
        body=whole.response_body or b"",
        part=part,
        tags=tags,
        request_time=response.request_time,
        response_time=response.response_time,
        selecting=origin.selecting,
        born=origin.born,
        route=route.name,
        route_digest=route.digest,
        method=whole.request.method,
        url=public_target(whole.request.target),
        head=origin.head,
        created_at=origin.created_at or response.response_time,
        cost=float(cost or 0),
        params=recorded(route.params, whole),
        initial_age=timing.initial_age,
        lifetime=timing.lifetime,
        keep=timing.keep,
        stale_while_revalidate=timing.while_revalidate,
        stale_if_error=timing.if_error,
        must_revalidate=timing.must_revalidate,
        no_cache=timing.no_cache,
        learned=timing.learned,
    )


def _refuses_body(
    route: Route, whole: Subject, response: Response, status: int, part: Part | None
) -> NotStored | None:
    """`response` is that of the whole answer, `status` as it came."""
    body = whole.response_body or b""
    if status == PARTIAL_CONTENT and (part is None or len(body) != part.size):
        return NotStored.PARTIAL
    if not isinstance(route.ttl, HttpTtl) and part is None:
        if not body and response.status == OK and whole.request.method != "HEAD":
            return NotStored.EMPTY
        if not is_complete(response.fields.get("content-type"), body, route.stream_complete):
            return NotStored.TRUNCATED
    return None if route.admits(whole) else NotStored.RULE


def _timing(
    route: Route, whole: Subject, response: Response, now: float, jitter: float, learned: float
) -> Timing | NotStored:
    if isinstance(route.ttl, HttpTtl):
        return _http_timing(route, whole, response)
    lifetime = route.lifetime(whole, now, jitter, learned)
    if lifetime is None or lifetime <= 0:
        return NotStored.EXPIRED
    return _ruled_timing(route, whole, response, lifetime, learned)


def _http_timing(route: Route, whole: Subject, response: Response) -> Timing:
    """Lifetime and windows by RFC 9111 §4.2 and RFC 5861; a rule's `stale` replaces the latter."""
    directives = route.directives(response.fields)
    lifetime = freshness_lifetime(whole.request, response, directives)
    behind = directives.stale_while_revalidate or 0.0
    on_error = directives.stale_if_error or 0.0
    if route.stale is not None:
        behind, on_error = route.stale.while_revalidate, route.stale.if_error
    kept = KEPT_TO_VALIDATE_S if has_validator(response.fields) else KEPT_TO_STAND_IN_S
    return Timing(
        lifetime=lifetime.seconds if lifetime is not None else 0.0,
        keep=max(kept, behind, on_error),
        while_revalidate=behind,
        if_error=on_error,
        initial_age=corrected_initial_age(response),
        must_revalidate=directives.forbids_stale,
        no_cache=directives.no_cache,
    )


def _ruled_timing(
    route: Route, whole: Subject, response: Response, lifetime: float, learned: float
) -> Timing:
    behind = route.stale.while_revalidate if route.stale is not None else 0.0
    on_error = route.stale.if_error if route.stale is not None else 0.0
    repeatable = whole.request.method in {"GET", "HEAD"} and has_validator(response.fields)
    kept = KEPT_TO_VALIDATE_S if repeatable else kept_to_learn(route, response.status)
    return Timing(
        lifetime=lifetime,
        keep=max(behind, on_error, kept),
        while_revalidate=behind,
        if_error=on_error,
        learned=learned,
    )


def replayable(route: Route, response: Response) -> Fields:
    """The fields as another client may see them, now or later."""
    directives = route.directives(response.fields)
    kept = stored_fields(response, directives, cookies=route.cookies).without_any(_OF_THE_BODY)
    if isinstance(route.ttl, HttpTtl):
        return kept
    return Fields(item for item in kept if not item[0].lower().startswith(VOLATILE))


_OF_THE_BODY = frozenset({"content-length"})

SLIDE_STEP = 0.1
"""A sliding lifetime is written anew once this part of it has been used up, not on every hit."""


def slide(stored: StoredResponse, ttl: TimedTtl, now: float) -> StoredResponse | None:
    """The response with its lifetime counted from this use of it; None if it can stay as it is.

    `ttl.maximum` bounds the whole life of an answer, however much it is used. An end that
    answers name themselves (`from`) is not put off.
    """
    status = stored.status if stored.part is None else OK
    span = ttl.status.get(status, stored.learned or ttl.begins)
    if not ttl.sliding or span is None or ttl.source is not None:
        return None
    lifetime = stored.age(now) + span
    if ttl.maximum is not None:
        lifetime = min(lifetime, ttl.maximum)
    if lifetime - stored.lifetime < span * SLIDE_STEP:
        return None
    return replace(stored, lifetime=lifetime)
