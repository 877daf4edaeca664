"""`extend`: an answer of one route that moves the end of what another route stored.

Floor 2. Pure. The key is the other route's, in that route's scope; the tags say which stored
answer is meant, so that an extension of what is gone never reaches what took its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.messages import CacheKey
from proxy.outcomes import Bypass
from proxy.rules.keys import TemplateKey
from proxy.rules.lifetimes import answered_at, remaining
from proxy.rules.scopes import Scope
from proxy.rules.selectors import Selector
from proxy.rules.subject import Sources, Subject
from proxy.rules.tags import TagTemplate


@dataclass(frozen=True, slots=True)
class Extendable:
    """A route whose stored answers are meant: its digest, and how it tells requests apart."""

    digest: str
    scope: Scope
    sources: Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """`margin` in seconds. `targets` are known once all routes of the upstream are."""

    key: TemplateKey
    tags: tuple[TagTemplate, ...]
    until: Selector
    margin: float = 0.0
    targets: tuple[Extendable, ...] = ()

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Every selector it reads."""
        tags = (name for tag in self.tags for name in tag.template.selectors)
        return (*self.key.template.selectors, *tags, self.until)

    @property
    def reads_body(self) -> bool:
        """Whether it needs the request's body."""
        return any(name.reads_body for name in self.selectors)

    @property
    def reads_response_body(self) -> bool:
        """Whether it needs the answer's body, which must then be whole first."""
        return any(name.reads_response_body for name in self.selectors)

    def end(self, subject: Subject, now: float) -> float | None:
        """The end the answer names, less the margin where that is still ahead; None if it has none.

        Counted from the answer's Date, as the moment is the upstream's clock's.
        """
        left = remaining(self.until.read(subject), answered_at(subject, now), now)
        if left is None:
            return None
        return now + (left - self.margin if left > self.margin else left)

    def names(self, subject: Subject) -> tuple[str, ...] | None:
        """The tags that what is extended must carry; None if one is missing."""
        found: list[str] = []
        for tag in self.tags:
            rendered = tag.render(subject)
            if not rendered:
                return None
            found += rendered
        return tuple(found)

    def keys(self, subject: Subject, upstream: str) -> Iterator[tuple[str, CacheKey]]:
        """Where what is extended may be, with the digest of the route that stored it."""
        for target in self.targets:
            asked = Subject(
                subject.facts,
                target.sources,
                subject.params,
                response=subject.response,
                response_body=subject.response_body,
            )
            partition = target.scope.partition(asked)
            if isinstance(partition, Bypass):
                continue
            key = self.key.derive(asked, upstream, partition)
            if isinstance(key, CacheKey):
                yield target.digest, key
