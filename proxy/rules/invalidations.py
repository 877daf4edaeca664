"""`invalidate`: what an answer makes invalid, by tag, key prefix or key pattern.

Floor 2. Pure. An item whose selector is missing names nothing: there is no
name to invalidate by.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from glob import escape

from proxy.rules.conditions import Condition
from proxy.rules.selectors import Selector
from proxy.rules.subject import Subject
from proxy.rules.tags import TagTemplate
from proxy.rules.templates import Template
from proxy.rules.values import to_text


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

    @property
    def reads_body(self) -> bool:
        """Whether it needs the request's body."""
        patterns = (self.prefix, self.match, self.when, *self.tags)
        return any(part is not None and part.reads_body for part in patterns)

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Every selector it reads."""
        templates = (self.prefix, self.match, *(tag.template for tag in self.tags))
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
        named = [Invalidation(InvalidationKind.TAG, tag) for tag in self._tags(subject)]
        prefix = self.prefix.render(subject) if self.prefix is not None else None
        if prefix:
            named.append(Invalidation(InvalidationKind.PREFIX, prefix))
        pattern = _glob(self.match, subject) if self.match is not None else None
        if pattern:
            named.append(Invalidation(InvalidationKind.MATCH, pattern))
        return tuple(named)

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
