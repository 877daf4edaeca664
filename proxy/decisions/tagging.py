"""The ETag that clients see where a rule makes it: of which answers, of what, and when.

Pure. It knows the route, the request and the answer. Invariants: an answer has the rule's ETag
or the upstream's, never a mixture; what goes up and what came down is always in terms of the
upstream's own (`validation.received_fields`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from proxy.caching.etags import content_tag, values_tag
from proxy.decisions.completion import is_event_stream
from proxy.rules.etags import TAGGED_METHODS, CollectionEtag, ContentEtag, ValuesEtag, reads_body

if TYPE_CHECKING:
    from proxy.fields import Fields
    from proxy.messages import Response
    from proxy.rules.route import Route
    from proxy.rules.subject import Subject

"""To others an ETag is that of the state that the request made (RFC 9110 §8.8): not ours."""


def tag_for(route: Route, whole: Subject) -> str | None:
    """The ETag of the subject's answer; None: the upstream's stands. Its body may be None.

    A stream of events has none: it would be held back to its end.
    """
    rule, answer, body = route.etag, whole.response, whole.response_body
    if rule is None or answer is None or not _is_tagged(whole, answer):
        return None
    if reads_body(rule) and body is None:
        return None
    match rule:
        case ContentEtag():
            return content_tag(body or b"")
        case ValuesEtag() | CollectionEtag():
            texts = rule.texts(whole)
            return None if texts is None else values_tag(texts)
        case _:
            assert_never(rule)


def awaits_body(route: Route, subject: Subject, response: Response) -> bool:
    """Whether the head of this answer can only go out once its body is whole."""
    return reads_body(route.etag) and _is_tagged(subject, response)


def tagged(fields: Fields, tag: str | None) -> Fields:
    """The fields with this ETag; None: as they are."""
    return fields if tag is None else fields.with_set("ETag", tag)


def shown(route: Route, subject: Subject, response: Response, body: bytes | None) -> Response:
    """The answer's head as clients see it; `body` None: it is not known."""
    tag = tag_for(route, subject.with_response(response, body))
    return response if tag is None else replace(response, fields=tagged(response.fields, tag))


def _is_tagged(subject: Subject, response: Response) -> bool:
    if subject.request.method not in TAGGED_METHODS or not 200 <= response.status < 300:
        return False
    partial = response.status == 206
    return not partial and not is_event_stream(response.fields.get("content-type"))
