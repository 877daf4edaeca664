"""What an exchange invalidates: by the rules, by RFC 9111 §4.4 and by RFC 9875 §3.

Pure: a request and its answer in, invalidations out. Only answers of the same upstream
are named by what is not in the rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.caching.groups import groups_invalidated
from proxy.caching.invalidation import SAFE_METHODS, urls_invalidated
from proxy.caching.status import is_error
from proxy.messages import Response
from proxy.rules.invalidations import Invalidation, InvalidationKind
from proxy.rules.tags import group_tag, upstream_tag, url_tag

if TYPE_CHECKING:
    from proxy.messages import Request
    from proxy.rules.route import Route
    from proxy.rules.settings import Upstream
    from proxy.rules.subject import Subject

OUTCOMES_IN_DOUBT = (200, 502)
"""What an answer that never came may have been, for the rules that ask how it went."""


def invalidated(upstream: Upstream, route: Route, subject: Subject) -> tuple[Invalidation, ...]:
    """What the subject's answer invalidates."""
    found = list(route.invalidations(subject))
    if route.leaves_unread(subject):
        found.append(_tag(upstream_tag(upstream.name)))
    if subject.response is not None and subject.request.method not in route.stored_methods:
        found += map(_tag, url_tags(upstream, subject.request, subject.response))
    if (written := _written(route, subject)) is not None:
        found.append(_tag(url_tag(upstream.name, written)))
    return tuple(dict.fromkeys(found))


def invalidated_in_doubt(
    upstream: Upstream, route: Route, subject: Subject
) -> tuple[Invalidation, ...]:
    """What an unsafe request may have changed whose answer was lost: it may have been done."""
    method = subject.request.method
    if method in SAFE_METHODS or method in route.stored_methods:
        return ()
    answers = (
        Response(status=status, request_time=0.0, response_time=0.0) for status in OUTCOMES_IN_DOUBT
    )
    found = (
        each
        for answer in answers
        for each in invalidated(upstream, route, subject.with_response(answer, None))
    )
    return tuple(dict.fromkeys(found))


def url_tags(upstream: Upstream, request: Request, response: Response) -> list[str]:
    """The tags of what a successful unsafe request changed: its target, Location and so on."""
    targets = {
        url[len(base) :]
        for base in upstream.urls
        for url in urls_invalidated(request.method, base + request.target, response)
        if url.startswith(f"{base}/")
    }
    tags = [url_tag(upstream.name, target) for target in sorted(targets)]
    groups = groups_invalidated(request.method, response.fields)
    return tags + [group_tag(upstream.name, group) for group in groups]


def _written(route: Route, subject: Subject) -> str | None:
    """The target whose state a write has changed, by the rule (`write_through`)."""
    request, response = route.following.write_through, subject.response
    if request is None or response is None or is_error(response.status):
        return None
    return None if subject.request.method in SAFE_METHODS else request.target_of(subject)


def _tag(name: str) -> Invalidation:
    return Invalidation(InvalidationKind.TAG, name)
