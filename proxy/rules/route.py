"""One route, compiled: what the driver asks for every request that takes it.

Floor 2. Everything is frozen and ready: no YAML, no schema, no clock, no
random number, no compiling at request time. A refusal is a `Bypass` with its
reason, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property

from proxy.caching.directives import Directives, RequestDirectives, request_directives
from proxy.caching.targeted import TARGETS, response_directives
from proxy.fields import Fields
from proxy.messages import CacheKey, Request
from proxy.outcomes import Bypass
from proxy.rules.conditions import Condition
from proxy.rules.invalidations import Invalidation, InvalidationRule
from proxy.rules.keys import Keying, PartsKey
from proxy.rules.lifetimes import HttpTtl, OffTtl, TimedTtl, Ttl
from proxy.rules.misleading import may_deceive, misleading
from proxy.rules.scopes import Scope, SelectorScope
from proxy.rules.selectors import Selector
from proxy.rules.settings import HeaderEdits
from proxy.rules.subject import Readable, Sources, Subject
from proxy.rules.tags import TagTemplate, system_tags
from proxy.rules.targets import has_dot_segments


@dataclass(frozen=True, slots=True)
class StaleWindows:
    """Seconds after freshness in which a stale answer may be served (RFC 5861)."""

    while_revalidate: float = 0.0
    if_error: float = 0.0


@dataclass(frozen=True, slots=True)
class Identity:
    """The key of an answer, and the partition it is kept in ("" where there is none)."""

    key: CacheKey
    scope: str = ""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One route, compiled. `upstream` is a name; `stream_max` the capture limit in bytes.

    `stored_methods` are those whose answers may be looked up and stored;
    `ignored_fields` the request fields that must not select a variant.
    `stream_complete` is auto, eof, openai or anthropic. `digest` tells
    entries of this rule from those an older file made.
    """

    name: str
    upstream: str
    ttl: Ttl
    keying: Keying
    scope: Scope
    sources: Sources
    stored_methods: frozenset[str]
    stale: StaleWindows | None = None
    store_if: Condition | None = None
    serve_if: Condition | None = None
    tag_templates: tuple[TagTemplate, ...] = ()
    invalidation_rules: tuple[InvalidationRule, ...] = ()
    client_cache: str | None = None
    headers: HeaderEdits = field(default_factory=HeaderEdits)
    ignored_fields: tuple[str, ...] = ()
    stream_max: int = 16 << 20
    stream_complete: str = "auto"
    digest: str = ""
    cookies: bool = False
    reload: bool = True
    targets: tuple[str, ...] = TARGETS
    collapse: bool = True
    enabled: bool = True
    caching: bool = True

    def directives(self, fields: Fields) -> Directives:
        """What an answer with these fields says of its caching, to this route (RFC 9213 §2.2)."""
        return response_directives(fields, self.targets)

    def asked(self, request: Request) -> RequestDirectives:
        """What the client asks of the cache, as far as this route listens (RFC 9111 §5.2.1)."""
        asked = request_directives(request.fields)
        return asked if self.reload else replace(asked, no_cache=False, max_age=None, min_fresh=0)

    def bypass(self, method: str) -> Bypass | None:
        """Why requests of this method are not looked up at all, if they are not."""
        if not self.caching:
            return Bypass.DISABLED
        if not self.enabled:
            return Bypass.ROUTE_DISABLED
        if isinstance(self.ttl, OffTtl):
            return Bypass.TTL_OFF
        return None if method in self.stored_methods else Bypass.METHOD

    def needs_body(self, method: str) -> bool:
        """Whether the request body must be read before the other questions are asked."""
        return self._body_invalidates or (self._body_decides and self.bypass(method) is None)

    @cached_property
    def _body_invalidates(self) -> bool:
        return any(rule.reads_body for rule in self.invalidation_rules)

    @cached_property
    def _body_decides(self) -> bool:
        # Under RFC 9111 a body never selects an answer: see `identify`.
        keying = None if isinstance(self.ttl, HttpTtl) else self.keying
        readers = (keying, *self._readers, *self.sources.all)
        return any(part is not None and part.reads_body for part in readers)

    @cached_property
    def _readers(self) -> tuple[Scope | Condition | TagTemplate | None, ...]:
        """All that reads a request besides its key."""
        return (self.scope, self.store_if, self.serve_if, *self.tag_templates)

    @cached_property
    def _body_selectors(self) -> tuple[Readable, ...]:
        """The selectors of the request's body besides the key's, where it can be in one."""
        found: list[Readable] = [name for name in self._judging_selectors() if name.reads_body]
        if isinstance(self.scope, SelectorScope):
            found += self.scope.selectors
        return (*found, *(source for source in self.sources.all if source.reads_body))

    @cached_property
    def reads_response_body(self) -> bool:
        """Whether storing or serving reads the answer's body, which must then not be encoded."""
        return any(name.reads_response_body for name in self._judging_selectors())

    @cached_property
    def invalidates_by_body(self) -> bool:
        """Whether an invalidation reads the answer's body, which must then be whole first."""
        rules = self.invalidation_rules
        return any(name.reads_response_body for rule in rules for name in rule.selectors)

    @cached_property
    def keyed_fields(self) -> tuple[str, ...]:
        """Names of the request fields that are part of the key."""
        return self.keying.headers if isinstance(self.keying, PartsKey) else ()

    def _judging_selectors(self) -> Iterator[Selector]:
        for condition in (self.store_if, self.serve_if):
            yield from condition.selectors if condition is not None else ()
        for tag in self.tag_templates:
            yield from tag.template.selectors
        if isinstance(self.ttl, TimedTtl) and self.ttl.source is not None:
            yield self.ttl.source

    def identify(self, subject: Subject) -> Identity | Bypass:
        """The key under which this request's answer is found, or why there is none.

        What was parsed of the body is kept only where something later reads it.
        """
        found = self._identify(subject)
        if not self._body_selectors and not self._body_invalidates:
            subject.facts.forget()
        return found

    def _identify(self, subject: Subject) -> Identity | Bypass:
        refused = self.bypass(subject.request.method)
        if refused is None:
            refused = misleading(self, subject.request)
        if refused is not None:
            return refused
        if may_deceive(self, subject):
            return Bypass.PATH
        if has_dot_segments(subject.request.path):
            return Bypass.DOTS
        if subject.guessed or any(name.overlooks(subject.facts) for name in self._body_selectors):
            return Bypass.BODY_UNPARSED
        partition = self.scope.partition(subject)
        if isinstance(partition, Bypass):
            return partition
        key = self.keying.derive(subject, self.upstream, partition)
        return key if isinstance(key, Bypass) else Identity(key, partition)

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

    def lifetime(self, subject: Subject, now: float, jitter: float = 0.0) -> float | None:
        """Freshness lifetime in seconds under a TimedTtl; None: not to be stored.

        `jitter` is a random number of 0..1 that the driver draws.
        """
        return self.ttl.lifetime(subject, now, jitter) if isinstance(self.ttl, TimedTtl) else None

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
            return self._body_invalidates
        names = (name for rule in self.invalidation_rules for name in rule.selectors)
        return any(name.overlooks(subject.facts) for name in names)

    def invalidations(self, subject: Subject) -> tuple[Invalidation, ...]:
        """What the subject's answer invalidates, without repetitions."""
        facts = (fact for rule in self.invalidation_rules for fact in rule.facts(subject))
        return tuple(dict.fromkeys(facts))

    def selects(self, field_name: str) -> bool:
        """Whether a request field that Vary names may select a variant here (`key.ignore`)."""
        return not any(fnmatchcase(field_name.lower(), glob) for glob in self.ignored_fields)


@dataclass(frozen=True, slots=True)
class Match:
    """The route for a request, and what its selectors read."""

    route: Route
    subject: Subject


@dataclass(frozen=True, slots=True)
class NeedsBody:
    """No route can be chosen before the request's body is read: buffer it and ask again."""
