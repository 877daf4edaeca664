"""Lifetimes that are learnt: longer after each fetch that found nothing new, shorter after others.

Pure: what is known of the answer before, and the one that came, in; seconds out. Invariants: a
learnt lifetime is within the bounds of the rule; a fetch that came early (a client asked for
something fresher) teaches nothing, so that nobody can drive lifetimes up by asking often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.decisions.tagging import tag_for
from proxy.rules.lifetimes import TimedTtl

if TYPE_CHECKING:
    from proxy.messages import StoredResponse
    from proxy.rules.lifetimes import Adaptive
    from proxy.rules.route import Route
    from proxy.rules.subject import Subject

STEP: Final = 2.0
"""A lifetime is doubled or halved."""

KEPT_AT_MOST_S: Final = 86_400.0
"""How long a stale answer is kept, at most, to be compared with the next one."""


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of the answer before: what was learnt of it, and whether the next differs.

    `due`: it had lived its time, or had been invalidated; otherwise it teaches nothing.
    """

    learned: float
    changed: bool
    due: bool


def bounds_of(route: Route, status: int) -> Adaptive | None:
    """Within what the lifetime of the route's answers of this status is learnt, if it is."""
    return route.ttl.learns(status) if isinstance(route.ttl, TimedTtl) else None


def past_of(route: Route, prior: StoredResponse, whole: Subject) -> Past:
    """What the stored answer tells, beside the subject's, which was fetched to replace it."""
    if whole.response is None:
        raise AssertionError(whole)  # there is an answer to compare
    left = prior.ttl(whole.response.request_time)
    ahead = route.refresh.ahead if route.refresh is not None else 0.0
    return Past(prior.learned, _differs(route, prior, whole), left <= ahead * prior.lifetime)


def adapted(route: Route, status: int, past: Past | None) -> float:
    """The learnt lifetime in seconds; 0 where the rule gives a fixed one, or nothing is known."""
    bounds = bounds_of(route, status)
    begins = route.ttl.begins if isinstance(route.ttl, TimedTtl) else None
    if bounds is None or begins is None:
        return 0.0
    before = begins if past is None or not past.learned else past.learned
    if past is not None and past.due:
        before = before / STEP if past.changed else before * STEP
    return bounds.within(before)


def kept_to_learn(route: Route, status: int) -> float:
    """How long a stale answer is kept for the sake of the next fetch, in seconds."""
    bounds = bounds_of(route, status)
    return 0.0 if bounds is None else min(bounds.maximum, KEPT_AT_MOST_S)


def _differs(route: Route, prior: StoredResponse, whole: Subject) -> bool:
    """By the rule's ETag where both have it, else by status and body."""
    tag = tag_for(route, whole)
    if tag is not None and prior.validators:
        return prior.fields.get("etag") != tag
    status = None if whole.response is None else whole.response.status
    return (prior.status, prior.body) != (status, whole.response_body)
