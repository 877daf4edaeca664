"""`invalidate`: what an answer makes invalid, by tag, key prefix or key pattern.

Floor 2. Pure. An item whose selector is missing names nothing: there is no
name to invalidate by.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from glob import escape
from typing import Final

from proxy.caching.etags import opaque_of
from proxy.rules.conditions import Condition
from proxy.rules.selectors import Selector
from proxy.rules.subject import Subject
from proxy.rules.tags import TagTemplate
from proxy.rules.templates import Template
from proxy.rules.values import to_text

MAX_SPARED: Final = 256
"""Characters of an ETag that an invalidation may spare: it is kept as long as its tag's mark."""


class InvalidationKind(StrEnum):
    """What an invalidation names: a tag, or key heads by prefix or by glob pattern."""

    TAG = "tag"
    PREFIX = "prefix"
    MATCH = "match"


@dataclass(frozen=True, slots=True)
class Invalidation:
    """One fact to append to the journal."""

    kind: InvalidationKind
    value: str
    unless: str = ""
    """What has this ETag (without its quotes) is spared; "": nothing is."""
    after: float = 0.0
    """Seconds from now until it holds, for what is fetched until then."""


class On(StrEnum):
    """Which answers an `invalidate` item follows, where it names no status codes."""

    SUCCESS = "success"
    ERROR = "error"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidationRule:
    """One item of `invalidate`. An item whose selector is missing names nothing."""

    on: frozenset[int | On]
    when: Condition | None = None
    tags: tuple[TagTemplate, ...] = ()
    prefix: Template | None = None
    match: Template | None = None
    unless_etag: Template | None = None
    after: float = 0.0

    @property
    def reads_body(self) -> bool:
        """Whether it needs the request's body."""
        patterns = (self.prefix, self.match, self.unless_etag, self.when, *self.tags)
        return any(part is not None and part.reads_body for part in patterns)

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Every selector it reads."""
        others = (tag.template for tag in self.tags)
        templates = (self.prefix, self.match, self.unless_etag, *others)
        named = (name for part in templates if part is not None for name in part.selectors)
        return (*named, *(self.when.selectors if self.when is not None else ()))

    def follows(self, status: int) -> bool:
        """Whether an answer of this status counts; success is 2xx and 3xx (RFC 9111 §4.4)."""
        outcome = On.SUCCESS if 200 <= status < 400 else On.ERROR
        return bool(self.on & {status, outcome, On.ANY})

    def facts(self, subject: Subject) -> tuple[Invalidation, ...]:
        """What the subject's answer invalidates by this item."""
        if subject.response is None or not self.follows(subject.response.status):
            return ()
        if self.when is not None and not self.when.holds(subject):
            return ()
        spared, after = self._spared(subject), self.after
        named = [
            Invalidation(InvalidationKind.TAG, tag, spared, after) for tag in self._tags(subject)
        ]
        prefix = self.prefix.render(subject) if self.prefix is not None else None
        if prefix:
            named.append(Invalidation(InvalidationKind.PREFIX, prefix, after=after))
        pattern = _glob(self.match, subject) if self.match is not None else None
        if pattern:
            named.append(Invalidation(InvalidationKind.MATCH, pattern, after=after))
        return tuple(named)

    def _spared(self, subject: Subject) -> str:
        """The ETag that is spared; a missing one spares nothing."""
        text = self.unless_etag.render(subject) if self.unless_etag is not None else None
        opaque = "" if text is None else opaque_of(text)
        return opaque if len(opaque) <= MAX_SPARED else ""

    def _tags(self, subject: Subject) -> tuple[str, ...]:
        return tuple(tag for template in self.tags for tag in template.render(subject) or ())


def _glob(template: Template, subject: Subject) -> str | None:
    """The pattern, in which only what the rule itself writes is a wildcard."""
    values = template.values(subject)
    if values is None:
        return None
    pairs = zip(template.pieces, values, strict=True)
    texts = ((to_text(value), isinstance(piece, str)) for piece, value in pairs)
    return "".join(text if literal else escape(text) for text, literal in texts)
