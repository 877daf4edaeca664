"""One route, compiled: what the driver asks for every request that takes it.

Floor 2. Everything is frozen and ready: no YAML, no schema, no clock, no
random number, no compiling at request time. A refusal is a `Bypass` with its
reason, never an exception.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from proxy.messages import CacheKey
from proxy.outcomes import Bypass
from proxy.rules.etags import TAGGED_METHODS
from proxy.rules.invalidations import Invalidation
from proxy.rules.lifetimes import TimedTtl
from proxy.rules.misleading import may_deceive, misleading
from proxy.rules.rule import Rule
from proxy.rules.subject import Subject
from proxy.rules.tags import system_tags
from proxy.rules.targets import has_dot_segments, is_plain


class Identity(NamedTuple):
    """The key of an answer, and the partition it is kept in ("" where there is none)."""

    key: CacheKey
    scope: str = ""


@dataclass(frozen=True, kw_only=True)
class Route(Rule):
    """What becomes of the requests that take this route, and of their answers."""

    def identify(self, subject: Subject) -> Identity | Bypass:
        """The key under which this request's answer is found, or why there is none.

        What was parsed of the body is kept only where something later reads it.
        """
        found = self._identify(subject)
        if subject.request.body and not self.body_selectors and not self.body_invalidates:
            subject.facts.forget()
        return found

    def _identify(self, subject: Subject) -> Identity | Bypass:
        refused = self.bypass(subject.request.method)
        if refused is None:
            refused = misleading(self, subject.request)
        if refused is not None:
            return refused
        if not is_plain(subject.request.path):
            if may_deceive(self, subject):
                return Bypass.PATH
            if has_dot_segments(subject.request.path):
                return Bypass.DOTS
        if subject.guessed or self._overlooks(subject):
            return Bypass.BODY_UNPARSED
        partition = self.scope.partition(subject)
        if isinstance(partition, Bypass):
            return partition
        key = self.keying.derive(subject, self.upstream, partition)
        return key if isinstance(key, Bypass) else Identity(key, partition)

    def _overlooks(self, subject: Subject) -> bool:
        names = self.body_selectors
        return bool(names) and any(name.overlooks(subject.facts) for name in names)

    def admits(self, subject: Subject) -> bool:
        """Whether the rule lets the subject's answer be stored."""
        if subject.response is None:
            return False
        if self.store_if is not None:
            return self.store_if.holds(subject)
        return not isinstance(self.ttl, TimedTtl) or self.ttl.names(subject.response.status)

    def refuses_head(self, subject: Subject) -> bool:
        """Whether the answer's head already tells that the rule will not store it."""
        if subject.response is None:
            return False
        if self.store_if is not None:
            return self.store_if.without_answer_body(subject) is False
        return not self.admits(subject)

    def serves(self, subject: Subject) -> bool:
        """Whether the stored response in the subject may answer its request."""
        return self.serve_if is None or self.serve_if.holds(subject)

    def lifetime(
        self, subject: Subject, now: float, jitter: float = 0.0, learned: float = 0.0
    ) -> float | None:
        """Freshness lifetime in seconds under a TimedTtl; None: not to be stored.

        `jitter` is a random number of 0..1 that the driver draws, `learned` as in TimedTtl.
        """
        if not isinstance(self.ttl, TimedTtl):
            return None
        return self.ttl.lifetime(subject, now, jitter, learned)

    def judges(self, method: str) -> bool:
        """Whether conditions on answers to this method are the cache's alone to judge."""
        return self.etag is not None and method in TAGGED_METHODS

    def repeats(self, method: str) -> bool:
        """Whether a request of this method may be made again although no client asks now."""
        return method in {"GET", "HEAD"} or (self.refresh is not None and self.refresh.unsafe)

    def tags(self, subject: Subject) -> tuple[str, ...] | None:
        """System tags, then the rule's; None when a tag needs a value that is missing."""
        names = list(system_tags(self.upstream, self.name, subject))
        for template in self.tag_templates:
            rendered = template.render(subject)
            if rendered is None:
                return None
            names.extend(rendered)
        return tuple(dict.fromkeys(names))

    def leaves_unread(self, subject: Subject) -> bool:
        """Whether what this request invalidates is named in a body too large to read or parse.

        Then it may be anything of the upstream.
        """
        if subject.request.body is None:
            return self.body_invalidates
        names = (name for rule in self.invalidation_rules for name in rule.selectors)
        return any(name.overlooks(subject.facts) for name in names)

    def invalidations(self, subject: Subject) -> tuple[Invalidation, ...]:
        """What the subject's answer invalidates, without repetitions."""
        facts = (fact for rule in self.invalidation_rules for fact in rule.facts(subject))
        return tuple(dict.fromkeys(facts))

    def selects(self, field_name: str) -> bool:
        """Whether a request field that Vary names may select a variant here (`key.ignore`)."""
        return not any(fnmatchcase(field_name.lower(), glob) for glob in self.ignored_fields)


@dataclass(slots=True)
class Match:
    """The route for a request, and what its selectors read. Nobody changes one.

    `since`: the session of a route that is keyed by it serves nothing asked for before then.
    `issued`: the subject's session id is new, and the client does not know it yet.
    """

    route: Route
    subject: Subject
    since: float = 0.0
    issued: bool = False


@dataclass(frozen=True, slots=True)
class NeedsBody:
    """No route can be chosen before the request's body is read: buffer it and ask again."""
