"""The router: from a request to its upstream, and to its route there.

Floor 2. Routes are indexed once by method and first path segment, each list in
the order of the file, so a request is compared with the few that can match. A
target is never rewritten beyond taking the mount off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from proxy.messages import Request
from proxy.rules.conditions import Condition
from proxy.rules.own_fields import OwnFields
from proxy.rules.patterns import Pattern, split_path
from proxy.rules.route import Match, NeedsBody, Route
from proxy.rules.settings import Upstream
from proxy.rules.subject import NO_PARAMS, RequestFacts, Subject

_OTHER: Final = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A route with what a request must be to take it. No pattern: every request.

    A `conditional` one leaves requests of its pattern to later routes.
    """

    route: Route
    pattern: Pattern | None = None
    when: Condition | None = None
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class RouteTable:
    """An upstream's routes in order, and the one for requests that none of them takes."""

    entries: tuple[Entry, ...]
    implicit: Route
    _index: Mapping[tuple[str | None, str | None], tuple[Entry, ...]] = field(repr=False)
    _methods: frozenset[str] = field(repr=False)
    _firsts: frozenset[str] = field(repr=False)

    @classmethod
    def build(cls, entries: tuple[Entry, ...], implicit: Route) -> RouteTable:
        """Index the entries by every method and first segment that one of them names."""
        patterns = [entry.pattern for entry in entries if entry.pattern is not None]
        methods = frozenset().union(*(pattern.methods for pattern in patterns))
        firsts = frozenset(pattern.first for pattern in patterns if pattern.first is not None)
        index = {
            (method, first): tuple(e for e in entries if _possible(e.pattern, method, first))
            for method in (*methods, _OTHER)
            for first in (*firsts, _OTHER)
        }
        return cls(entries, implicit, index, methods, firsts)

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes in order, the implicit one last."""
        return (*(entry.route for entry in self.entries), self.implicit)

    def candidates(self, method: str, first: str) -> tuple[Entry, ...]:
        """The entries that a request with this method and first segment may take, in order."""
        known_method = method if method in self._methods else _OTHER
        return self._index[known_method, first if first in self._firsts else _OTHER]


def _possible(pattern: Pattern | None, method: str | None, first: str | None) -> bool:
    if pattern is None:
        return True
    right_method = not pattern.methods or method in pattern.methods
    return right_method and pattern.first in (None, first)


@dataclass(frozen=True)
class Router:
    """All upstreams by host and mount, and their routes."""

    hosts: Mapping[str, Upstream]
    mounts: Mapping[str, Upstream]
    tables: Mapping[str, RouteTable]
    own: OwnFields | None = None

    @cached_property
    def depth(self) -> int:
        """The segments of the deepest mount."""
        return max((mount.count("/") for mount in self.mounts), default=0)

    def find(self, request: Request) -> tuple[Upstream, Request] | None:
        """The upstream, by Host, then by the longest mount, and the request as it is inside.

        That is without the mount, and without the fields that are the proxy's own.
        """
        if not request.target.startswith("/"):
            return None
        by_host = self.hosts.get(_host(request.authority)) if self.hosts else None
        if by_host is not None:
            return by_host, request if self.own is None else self.own.taken(request)
        prefix = "/".join(request.path.split("/", self.depth + 1)[: self.depth + 1])
        while True:
            upstream = self.mounts.get(prefix)
            if upstream is not None:
                inner = _stripped(request, prefix)
                return upstream, inner if self.own is None else self.own.taken(inner)
            if not prefix:
                return None
            prefix = prefix.rpartition("/")[0]

    def match(self, upstream: Upstream, request: Request) -> Match | NeedsBody:
        """The first route that takes the request; if the body must be read to say so, NeedsBody."""
        table = self.tables[upstream.name]
        facts, guessed = RequestFacts(request), False
        segments = split_path(request.path)
        for entry in table.candidates(request.method, segments[0] if segments else ""):
            params = NO_PARAMS if entry.pattern is None else entry.pattern.match(segments)
            if params is None:
                continue
            subject = Subject(facts, entry.route.sources, params)
            guessed = guessed or _guesses(entry.when, subject)
            verdict = _holds(entry.when, subject)
            if verdict is None:
                return NeedsBody()
            if verdict:
                return Match(entry.route, replace(subject, guessed=True) if guessed else subject)
        return Match(table.implicit, Subject(facts, table.implicit.sources, guessed=guessed))

    def routes(self, upstream: Upstream) -> tuple[Route, ...]:
        """The upstream's routes in order, the implicit one last."""
        return self.tables[upstream.name].routes


def _holds(when: Condition | None, subject: Subject) -> bool | None:
    if when is None:
        return True
    return when.without_body(subject) if subject.request.body is None else when.holds(subject)


def _guesses(when: Condition | None, subject: Subject) -> bool:
    """Whether the condition hangs on what is in a body that is too much to parse."""
    if when is None or not when.reads_body:
        return False
    overlooked = any(selector.overlooks(subject.facts) for selector in when.selectors)
    return overlooked and when.without_body(subject) is None


def _host(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    name = host if colon and (port.isdigit() or not port) else authority
    return name.rstrip(".").lower()


def _stripped(request: Request, mount: str) -> Request:
    if not mount:
        return request
    rest = request.target[len(mount) :]
    return replace(request, target=rest if rest.startswith("/") else f"/{rest}")
