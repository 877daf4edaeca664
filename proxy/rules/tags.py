"""Tags: the names under which stored responses are invalidated.

Floor 2. Pure. A rule's tag that would begin with `@`, or be the tag of
everything, because of a value in a request, is escaped: only the proxy itself
writes those. No tag holds a session id or a credential.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from proxy.caching.groups import groups
from proxy.rules.subject import Subject, session_digest
from proxy.rules.targets import normal_target, public_target
from proxy.rules.templates import Template
from proxy.rules.values import Json, to_text

EVERYTHING: Final = "*"
"""On every stored response."""

_SESSION: Final = "@session:"

MAX_TAGS: Final = 1000
"""Tags one template may name in one answer; a list with more items makes none storable."""


def upstream_tag(upstream: str) -> str:
    """On every stored response of an upstream."""
    return f"@upstream:{upstream}"


def route_tag(route: str) -> str:
    """On every stored response of a route."""
    return f"@route:{route}"


def url_tag(upstream: str, target: str) -> str:
    """On the answers to GET and HEAD for one target (mount stripped, secrets out, RFC 3986 §6.2.2).

    A write to the target invalidates it (RFC 9111 §4.4).
    """
    return f"@url:{upstream} {normal_target(public_target(target))}"


def call_tag(upstream: str, target: str) -> str:
    """On answers to other methods: many calls share one URL, and none is a write to the others."""
    return f"@call:{upstream} {normal_target(public_target(target))}"


def group_tag(upstream: str, group: str) -> str:
    """On what an upstream put in this group of its own (RFC 9875, Surrogate-Key, Cache-Tag)."""
    return f"@group:{upstream}:{group}"


def session_tag(secret: bytes, session: str) -> str:
    """On what was stored for one session id."""
    return session_tag_of(session_digest(secret, session))


def session_tag_of(digest: str) -> str:
    """The same by its digest."""
    return f"{_SESSION}{digest}"


def session_digest_of(tag: str) -> str | None:
    """The digest in such a tag; None if it is another."""
    return tag.removeprefix(_SESSION) if tag.startswith(_SESSION) else None


def system_tags(upstream: str, route: str, subject: Subject) -> Iterator[str]:
    """The tags every stored response carries."""
    yield EVERYTHING
    yield upstream_tag(upstream)
    yield route_tag(route)
    tag = url_tag if subject.request.method in {"GET", "HEAD"} else call_tag
    yield tag(upstream, subject.request.target)
    if subject.session_digest is not None:
        yield session_tag_of(subject.session_digest)
    if subject.response is not None:
        for group in groups(subject.response.fields):
            yield group_tag(upstream, group)


def escape_tag(text: str) -> str:
    """A tag from a rule or an upstream field, kept out of the proxy's own names."""
    if text.startswith("@"):
        return f"%40{text[1:]}"
    return "%2A" if text == EVERYTHING else text


@dataclass(frozen=True, slots=True)
class TagTemplate:
    """A template in which a selector that reads a list names one tag for each item."""

    template: Template

    @property
    def reads_body(self) -> bool:
        """Whether it needs the request's body."""
        return self.template.reads_body

    def render(self, subject: Subject) -> tuple[str, ...] | None:
        """The tags; None if a selector is missing, or too many are named."""
        values = self.template.values(subject)
        if values is None:
            return None
        choices = [_items(value) for value in values]
        count = 1
        for choice in choices:
            count *= len(choice)
        if count > MAX_TAGS:
            return None
        return tuple(escape_tag("".join(texts)) for texts in product(*choices))


def _items(value: Json) -> list[str]:
    return [to_text(item) for item in value] if isinstance(value, list) else [to_text(value)]
