"""The router: from a request to its upstream, and to its route there.

Floor 2. Routes are indexed once by their paths, so a request is compared with the few that
can match, in the order of the file. A target is never rewritten beyond taking the mount off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from proxy.messages import Request
from proxy.rules.conditions import Condition
from proxy.rules.own_fields import OwnFields
from proxy.rules.patterns import Pattern, split_path
from proxy.rules.route import Match, NeedsBody, Route
from proxy.rules.route_tree import RouteTree
from proxy.rules.settings import Upstream
from proxy.rules.subject import NO_PARAMS, RequestFacts, Subject

Params = Mapping[str, str]


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
    _tree: RouteTree[Entry] = field(repr=False, compare=False)

    @classmethod
    def build(cls, entries: tuple[Entry, ...], implicit: Route) -> RouteTable:
        """Index the entries by the segments of their paths."""
        tree: RouteTree[Entry] = RouteTree()
        for place, entry in enumerate(entries):
            tree.add(place, entry.pattern, entry)
        return cls(entries, implicit, tree)

    @property
    def routes(self) -> tuple[Route, ...]:
        """The routes in order, the implicit one last."""
        return (*(entry.route for entry in self.entries), self.implicit)

    def candidates(self, method: str, segments: tuple[str, ...]) -> Iterator[tuple[Entry, Params]]:
        """The entries whose pattern a request matches, in order, and its parameters there."""
        for entry in self._tree.find(segments):
            pattern = entry.pattern
            if pattern is None:
                yield entry, NO_PARAMS
            elif not pattern.methods or method in pattern.methods:
                params = pattern.match(segments)
                if params is not None:
                    yield entry, params


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

    def find(self, request: Request, at: float | None = None) -> tuple[Upstream, Request] | None:
        """The upstream, by Host, then by the longest mount, and the request as it is inside.

        That is without the mount, and without the fields that are the proxy's own. `at` is when
        it arrived, where it does not know.
        """
        if not request.target.startswith("/"):
            return None
        by_host = self.hosts.get(_host(request.authority)) if self.hosts else None
        if by_host is not None:
            return by_host, self._inside(request, request.target, at)
        depth = self.depth
        prefix = "/".join(request.path.split("/", depth + 1)[: depth + 1])
        while True:
            upstream = self.mounts.get(prefix)
            if upstream is not None:
                return upstream, self._inside(request, _stripped(request.target, prefix), at)
            if not prefix:
                return None
            prefix = prefix.rpartition("/")[0]

    def _inside(self, request: Request, target: str, at: float | None) -> Request:
        inner = request.inside(target, request.at if at is None else at)
        return inner if self.own is None else self.own.taken(inner)

    def match(self, upstream: Upstream, request: Request) -> Match | NeedsBody:
        """The first route that takes the request; if the body must be read to say so, NeedsBody."""
        table = self.tables[upstream.name]
        facts, guessed = RequestFacts(request), False
        for entry, params in table.candidates(request.method, split_path(request.path)):
            subject = Subject(facts, entry.route.sources, params, guessed)
            if entry.when is None:
                return Match(entry.route, subject)
            if not guessed and _guesses(entry.when, subject):
                guessed = True
                subject = replace(subject, guessed=True)
            verdict = _holds(entry.when, subject)
            if verdict is None:
                return NeedsBody()
            if verdict:
                return Match(entry.route, subject)
        return Match(table.implicit, Subject(facts, table.implicit.sources, NO_PARAMS, guessed))

    def routes(self, upstream: Upstream) -> tuple[Route, ...]:
        """The upstream's routes in order, the implicit one last."""
        return self.tables[upstream.name].routes


def _holds(when: Condition, subject: Subject) -> bool | None:
    return when.without_body(subject) if subject.request.body is None else when.holds(subject)


def _guesses(when: Condition, subject: Subject) -> bool:
    """Whether the condition hangs on what is in a body that is too much to parse."""
    if not when.reads_body:
        return False
    overlooked = any(selector.overlooks(subject.facts) for selector in when.selectors)
    return overlooked and when.without_body(subject) is None


def _host(authority: str) -> str:
    host, colon, port = authority.rpartition(":")
    name = host if colon and (port.isdigit() or not port) else authority
    return name.rstrip(".").lower()


def _stripped(target: str, mount: str) -> str:
    rest = target[len(mount) :]
    return rest if rest.startswith("/") else f"/{rest}"
