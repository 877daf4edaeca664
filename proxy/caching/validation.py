"""Validating stored responses with the upstream (RFC 9111 §4.3).

Floor 1, pure. The cache as a client: what it asks with, which stored response an
answer speaks of, and what of it becomes part of the stored head. What it answers
its own clients' conditions with is in preconditions.py.
"""

from __future__ import annotations

from typing import Final

from proxy.caching.entity_tags import EntityTag, single_tag
from proxy.caching.storability import COOKIE_FIELDS, stored_fields
from proxy.caching.targeted import TARGETS, response_directives
from proxy.fields import Fields
from proxy.messages import Response, StoredResponse

_OF_THE_BODY: Final = ("content-length", "content-encoding", "content-range")
"""Describe stored bytes, which a 304 does not change (RFC 9111 §3.2)."""


VALIDATORS: Final = ("etag", "last-modified")


def own_validators(fields: Fields) -> tuple[tuple[str, str], ...]:
    """What `StoredResponse.validators` keeps of an answer's fields in which our ETag will stand.

    Never empty: an ETag that the upstream did not send is "".
    """
    lines = tuple((n.lower(), value) for n, value in fields if n.lower() in VALIDATORS)
    return lines if "etag" in fields else (("etag", ""), *lines)


def received_fields(stored: StoredResponse) -> Fields:
    """A stored response's fields with the upstream's own validators, not a rule's ETag.

    Whatever is said to the upstream, or said by it, is about these.
    """
    if not stored.validators:
        return stored.fields
    theirs = (line for line in stored.validators if line[1])
    return Fields((*stored.fields.without(*VALIDATORS), *theirs))


def has_validator(fields: Fields) -> bool:
    """Whether a stored response can be validated (RFC 9110 §8.8)."""
    return "etag" in fields or "last-modified" in fields


def conditional_fields(fields: Fields) -> Fields:
    """The conditions that validate a response with these stored fields (RFC 9111 §4.3.1)."""
    pairs = (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified"))
    return Fields(
        (condition, lines[0]) for condition, name in pairs if (lines := fields.get_all(name))
    )


def is_about(stored: Fields, not_modified: Fields) -> bool:
    """Whether a 304 speaks of this stored response, so that it may freshen it (RFC 9111 §4.3.4).

    One without validators does: it answers the conditions made from this response alone.
    """
    if "etag" in not_modified:
        ours, theirs = single_tag(stored), single_tag(not_modified)
        return ours is not None and theirs is not None and _same(ours, theirs)
    if "last-modified" in not_modified:
        return stored.get("last-modified") == not_modified.get("last-modified")
    return True


def _same(stored: EntityTag, received: EntityTag) -> bool:
    """Compare strongly where the received tag is strong."""
    return stored.matches_weakly(received) if received.weak else stored.matches_strongly(received)


def freshen(stored: Fields, not_modified: Response, targets: tuple[str, ...] = TARGETS) -> Fields:
    """Update stored fields by a 304, or a HEAD's 200, that is about them (RFC 9111 §3.2).

    Its Age and the times of its arrival give the new initial age; they are not in the result.
    """
    directives = response_directives(not_modified.fields, targets)
    keeps_cookies = any(name in stored for name in COOKIE_FIELDS)
    received = stored_fields(not_modified, directives, cookies=keeps_cookies)
    update = received.without(*_OF_THE_BODY)
    excluded = directives.private_fields | directives.no_cache_fields
    return Fields((*stored.without("age", *update.names(), *excluded), *update))


def head_freshens(stored: Fields, stored_bytes: int, head: Fields) -> bool:
    """Whether a HEAD's 200 describes the stored GET response; if not, that is stale (§4.3.5)."""
    validators = (name for name in ("etag", "last-modified") if name in head)
    same_validators = all(stored.get(name) == head.get(name) for name in validators)
    return same_validators and head.get("content-length") in {None, str(stored_bytes)}
