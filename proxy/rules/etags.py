"""`etag`: of what a route makes the ETag that its clients see.

Floor 2, pure. It names the values; the tag is written by caching/etags.py. Invariants: a value
that is missing makes no tag, never one with a hole; a secret value appears as its keyed digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from proxy.rules.matchers import number
from proxy.rules.selectors import Selector
from proxy.rules.subject import Subject
from proxy.rules.templates import visible
from proxy.rules.values import MISSING, Json, to_text

TAGGED_METHODS: Final = frozenset({"GET", "HEAD"})
"""Those whose answers get an ETag of the rule's."""


@dataclass(frozen=True, slots=True)
class ContentEtag:
    """`content`: of the body, byte for byte."""

    selectors: tuple[Selector, ...] = ()


@dataclass(frozen=True, slots=True)
class ValuesEtag:
    """Of what some selectors read: a time stamp, an id and a version."""

    selectors: tuple[Selector, ...]

    def texts(self, subject: Subject) -> tuple[str, ...] | None:
        """The values as text; None if one is missing or null."""
        values = [visible(selector, subject) for selector in self.selectors]
        known = (value for value in values if value is not MISSING and value is not None)
        texts = tuple(map(to_text, known))
        return texts if len(texts) == len(values) else None


@dataclass(frozen=True, slots=True)
class CollectionEtag:
    """Of how many items a collection has, and the latest of their moments."""

    count: Selector
    latest: Selector

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Both."""
        return (self.count, self.latest)

    def texts(self, subject: Subject) -> tuple[str, ...] | None:
        """The count and the latest moment, which an empty collection has none of."""
        counted, moments = visible(self.count, subject), visible(self.latest, subject)
        if counted is MISSING or counted is None:
            return None
        count = len(counted) if isinstance(counted, list | dict) else counted
        if moments is MISSING or moments is None or moments == []:
            return (to_text(count),) if count == 0 else None
        latest = max(moments, key=_order) if isinstance(moments, list) else moments
        return to_text(count), to_text(latest)


EtagRule = ContentEtag | ValuesEtag | CollectionEtag


def _order(value: Json) -> tuple[int, float, str]:
    """Numbers and moments by what they are, whatever zone they are written in; others by text."""
    amount = number(value)
    if amount is not None:
        return 0, float(amount), ""
    text = to_text(value)
    try:
        moment = datetime.fromisoformat(text)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return 1, zoned.timestamp(), text
    except (ValueError, OverflowError):
        return 2, 0.0, text


def reads_body(rule: EtagRule | None) -> bool:
    """Whether it needs an answer's body."""
    if rule is None or isinstance(rule, ContentEtag):
        return rule is not None
    return any(selector.reads_response_body for selector in rule.selectors)
