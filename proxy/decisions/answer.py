"""plan_answer: what to do with an upstream's answer once its head is here (RFC 9111 §3, §4.3).

It sees the head only; `keeping` judges the complete answer. It knows the route and the
stored responses that were sent along or kept in reserve; no I/O, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxy.caching.partial import PARTIAL_CONTENT, as_whole, received_part
from proxy.caching.status import NOT_MODIFIED, STALE_IF_ERROR
from proxy.caching.storability import may_store
from proxy.caching.validation import freshen, is_about, received_fields
from proxy.caching.vary import MAX_NAMES, selecting_names
from proxy.decisions.failure import may_stand_in
from proxy.outcomes import NotStored
from proxy.rules.lifetimes import HttpTtl

if TYPE_CHECKING:
    from proxy.messages import Response, StoredResponse
    from proxy.rules.route import Route
    from proxy.rules.settings import Upstream
    from proxy.rules.subject import Subject

OK = 200


@dataclass(frozen=True, slots=True)
class Keep:
    """Relay it and record it: nothing in the head of `response` speaks against storing it."""

    response: Response | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Freshen:
    """The stored response is still good: a 304 came; `head` is its head brought up to date.

    With the upstream's own validators: what is made of it has the rule's ETag again.
    """

    stored: StoredResponse
    head: Response


@dataclass(frozen=True, slots=True)
class Relay:
    """Relay it and store nothing, because of `reason`."""

    reason: NotStored


@dataclass(frozen=True, slots=True)
class StandIn:
    """The upstream is in trouble: answer with this stale response instead."""

    stored: StoredResponse


AnswerPlan = Keep | Freshen | Relay | StandIn


def plan_answer(
    route: Route,
    subject: Subject,
    response: Response,
    now: float,
    *,
    validate: StoredResponse | None,
    fallback: StoredResponse | None,
    max_body: int,
    ranged: bool = False,
) -> AnswerPlan:
    """What to do with `response`, the answer to the subject's request. `max_body` in bytes.

    `ranged`: a part was asked for. Then an error may be about the range, and is not stored.
    """
    if response.status == NOT_MODIFIED and validate is not None:
        fields = freshen(received_fields(validate), response, route.targets)
        head = replace(response, status=validate.status, reason=validate.reason, fields=fields)
        return Freshen(validate, head)
    troubled = response.status in STALE_IF_ERROR
    if (
        troubled
        and fallback is not None
        and may_stand_in(route, subject.request, fallback, now, reached=True)
    ):
        return StandIn(fallback)
    refusal = refuses_head(route, subject, response)
    if response.status == PARTIAL_CONTENT and not ranged:
        refusal = NotStored.PARTIAL
    if ranged and response.status not in {OK, PARTIAL_CONTENT}:
        refusal = NotStored.STATUS
    if refusal is None and (announced_length(response) or 0) > max_body:
        refusal = NotStored.TOO_LARGE
    return Keep(response) if refusal is None else Relay(refusal)


def is_of_another(validate: StoredResponse | None, response: Response) -> bool:
    """Whether a 304 speaks of another stored response than the one that was sent along."""
    if validate is None or response.status != NOT_MODIFIED:
        return False
    return not is_about(received_fields(validate), response.fields)


def refuses_head(route: Route, subject: Subject, response: Response) -> NotStored | None:
    """Why an answer with this head is not stored, as far as the head tells."""
    if response.status == NOT_MODIFIED:
        return NotStored.PARTIAL
    if response.status == PARTIAL_CONTENT:
        if received_part(response) is None or route.reads_response_body or route.etag is not None:
            return NotStored.PARTIAL
        response = as_whole(response)
    if _varies_too_much(route, response):
        return NotStored.VARY_MANY
    return _refuses_whole(route, subject, response)


def _refuses_whole(route: Route, subject: Subject, response: Response) -> NotStored | None:
    if not isinstance(route.ttl, HttpTtl):
        if subject.request.method == "HEAD":
            return NotStored.METHOD  # it has GET's key and not GET's body
        if selecting_names(response.fields) is None:
            return NotStored.VARY_STAR
        return (
            NotStored.STATUS if route.refuses_head(subject.with_response(response, None)) else None
        )
    directives = route.directives(response.fields)
    return may_store(subject.request, response, directives, cookies=route.cookies)


def _varies_too_much(route: Route, response: Response) -> bool:
    names = selecting_names(response.fields) or ()
    return sum(map(route.selects, names)) > MAX_NAMES


def answers_get(route: Route, upstream: Upstream, subject: Subject, response: Response) -> bool:
    """Whether a POST's answer may be stored as its target's own (RFC 9110 §9.3.3)."""
    if subject.request.method != "POST" or not isinstance(route.ttl, HttpTtl):
        return False
    url = urlsplit(upstream.urls[0])
    asked = replace(
        subject.request,
        scheme=url.scheme,
        authority=url.netloc,
        target=url.path + subject.request.target,
    )
    return may_store(asked, response, route.directives(response.fields)) is None


def announced_length(response: Response) -> int | None:
    """The Content-Length in bytes, None where there is none (or none that is one number)."""
    text = response.fields.get("content-length") or ""
    return int(text) if text.isascii() and text.isdigit() else None
