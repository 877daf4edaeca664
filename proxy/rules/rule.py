"""A route's keys, compiled, and what they read of requests and of answers.

Floor 2. Everything is frozen and ready; what is done with a request is in route.py. What
is read decides whether a body must be whole, and whether it may be encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from proxy.caching.directives import (
    NOTHING_ASKED,
    Directives,
    RequestDirectives,
    request_directives,
)
from proxy.caching.invalidation import SAFE_METHODS
from proxy.caching.targeted import TARGETS, response_directives
from proxy.fields import Fields
from proxy.messages import Request
from proxy.outcomes import Bypass
from proxy.rules.conditions import Condition
from proxy.rules.dedupe import Dedupe
from proxy.rules.etags import EtagRule
from proxy.rules.extensions import Extension
from proxy.rules.invalidations import InvalidationRule
from proxy.rules.keys import Keying, PartsKey, TemplateKey
from proxy.rules.lifetimes import HttpTtl, OffTtl, Refresh, TimedTtl, Ttl
from proxy.rules.prices import Cost
from proxy.rules.request_templates import NOTHING, Following
from proxy.rules.scopes import Scope, SelectorScope
from proxy.rules.selectors import Selector
from proxy.rules.session_use import keyed_by_session, names_in
from proxy.rules.settings import HeaderEdits
from proxy.rules.subject import Readable, Sources
from proxy.rules.tags import TagTemplate


@dataclass(frozen=True, slots=True)
class StaleWindows:
    """Seconds after freshness in which a stale answer may be served (RFC 5861)."""

    while_revalidate: float = 0.0
    if_error: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A route as its keys say. `upstream` is a name; `stream_max` the capture limit in bytes.

    `stored_methods` are those whose answers may be looked up and stored;
    `ignored_fields` the request fields that must not select a variant.
    `stream_complete` is auto, eof, openai or anthropic. `digest` tells
    entries of this rule from those an older file made. `reached_from`: the digests and lifetimes
    of the routes whose `aliases` lead to keys of this one.
    """

    name: str
    upstream: str
    ttl: Ttl
    keying: Keying
    scope: Scope
    sources: Sources
    stored_methods: frozenset[str]
    stale: StaleWindows | None = None
    refresh: Refresh | None = None
    etag: EtagRule | None = None
    store_if: Condition | None = None
    serve_if: Condition | None = None
    tag_templates: tuple[TagTemplate, ...] = ()
    aliases: tuple[TemplateKey, ...] = ()
    reached_from: tuple[tuple[str, Ttl], ...] = ()
    extension: Extension | None = None
    invalidation_rules: tuple[InvalidationRule, ...] = ()
    following: Following = NOTHING
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
    dedupe: Dedupe | None = None
    cost: Cost | None = None
    params: tuple[Selector, ...] = ()
    restore: bool = False

    def directives(self, fields: Fields) -> Directives:
        """What an answer with these fields says of its caching, to this route (RFC 9213 §2.2)."""
        return response_directives(fields, self.targets)

    def asked(self, request: Request) -> RequestDirectives:
        """What the client asks of the cache, as far as this route listens (RFC 9111 §5.2.1)."""
        asked = request_directives(request.fields)
        if self.reload or request.own or asked is NOTHING_ASKED:
            return asked
        return replace(asked, no_cache=False, max_age=None, min_fresh=0)

    def bypass(self, method: str) -> Bypass | None:
        """Why requests of this method are not looked up at all, if they are not."""
        if not self.caching:
            return Bypass.DISABLED
        if not self.enabled:
            return Bypass.ROUTE_DISABLED
        if self.dedupe is not None:
            return None
        if isinstance(self.ttl, OffTtl):
            return Bypass.TTL_OFF
        return None if method in self.stored_methods else Bypass.METHOD

    @cached_property
    def edits_answers(self) -> bool:
        """Whether it changes the fields of answers on their way to clients."""
        return bool(self.sources.issued or self.client_cache is not None or self.headers)

    def is_inert(self, method: str) -> bool:
        """Whether nothing follows from an answer to this method, but that it may be stored."""
        return method in SAFE_METHODS and not self.has_consequences

    @cached_property
    def has_consequences(self) -> bool:
        """Whether anything may follow from its answers, even to safe requests, besides storing."""
        follows = bool(self.invalidation_rules or self.following)
        return follows or self.extension is not None or self.cost is not None

    @property
    def deduping(self) -> Dedupe | None:
        """How its requests are kept from being sent twice, if they are."""
        return self.dedupe if self.caching and self.enabled else None

    def needs_body(self, method: str) -> bool:
        """Whether the request body must be read before the other questions are asked."""
        if self.body_invalidates or (self.extension is not None and self.extension.reads_body):
            return True
        decides = self._body_decides or self.dedupe is not None
        return decides and self.bypass(method) is None

    @cached_property
    def body_invalidates(self) -> bool:
        """Whether the request's body names what an answer invalidates or gives rise to."""
        follows = any(name.reads_body for name in self.following.selectors)
        return follows or any(rule.reads_body for rule in self.invalidation_rules)

    @cached_property
    def _body_decides(self) -> bool:
        # Under RFC 9111 a body never selects an answer: see `identify`.
        keying = None if isinstance(self.ttl, HttpTtl) else self.keying
        readers = (keying, *self._readers, *self._telling, *self.sources.all)
        return any(part is not None and part.reads_body for part in readers)

    @cached_property
    def _readers(self) -> tuple[Scope | Condition | TagTemplate | TemplateKey | None, ...]:
        """All that reads a request besides its key."""
        return (self.scope, self.store_if, self.serve_if, *self.tag_templates, *self.aliases)

    @cached_property
    def body_selectors(self) -> tuple[Readable, ...]:
        """The selectors of the request's body besides the key's, where it can be in one."""
        found: list[Readable] = [name for name in self._judging_selectors() if name.reads_body]
        if isinstance(self.scope, SelectorScope):
            found += self.scope.selectors
        return (*found, *(source for source in self.sources.all if source.reads_body))

    @cached_property
    def keyed_by_session(self) -> bool:
        """Whether an answer belongs to one session."""
        return keyed_by_session(self.scope, self.keying)

    @cached_property
    def reads_session(self) -> bool:
        """Whether a request is part of its session's life, and counted there."""
        templates = [tag.template for tag in self.tag_templates]
        templates += [alias.template for alias in self.aliases]
        named = names_in(templates, self.invalidation_rules, self.extension)
        return self.keyed_by_session or named

    @cached_property
    def reads_response_body(self) -> bool:
        """Whether storing or serving reads the answer's body, which must then not be encoded."""
        names = (*self._judging_selectors(), *self._telling, *self.following.selectors)
        return any(name.reads_response_body for name in names)

    @cached_property
    def _telling(self) -> tuple[Selector, ...]:
        """The selectors of what is told of an answer and decides nothing."""
        return (*self.params, *(self.cost.selectors if self.cost is not None else ()))

    @cached_property
    def invalidates_by_body(self) -> bool:
        """Whether what it invalidates or extends is in its body, which must then be whole first."""
        if self.extension is not None and self.extension.reads_response_body:
            return True
        if self.following.write_through is not None:
            return True
        rules = self.invalidation_rules
        return any(name.reads_response_body for rule in rules for name in rule.selectors)

    @cached_property
    def keyed_fields(self) -> tuple[str, ...]:
        """Names of the request fields that are part of the key."""
        return self.keying.headers if isinstance(self.keying, PartsKey) else ()

    @property
    def selectors(self) -> Iterator[Readable]:
        """All that it reads of requests and answers besides what is in `keying` and `sources`."""
        yield from self._judging_selectors()
        yield from self._telling
        yield from self.following.selectors
        yield from self.extension.selectors if self.extension is not None else ()
        for rule in self.invalidation_rules:
            yield from rule.selectors
        yield from self.scope.selectors if isinstance(self.scope, SelectorScope) else ()

    def _judging_selectors(self) -> Iterator[Selector]:
        for condition in (self.store_if, self.serve_if):
            yield from condition.selectors if condition is not None else ()
        for tag in self.tag_templates:
            yield from tag.template.selectors
        for alias in self.aliases:
            yield from alias.template.selectors
        if isinstance(self.ttl, TimedTtl) and self.ttl.source is not None:
            yield self.ttl.source
        yield from self.etag.selectors if self.etag is not None else ()
