"""From the rule file as written to the Config.

Floor 2. Problems are collected over the whole file and raised at the end, so
that a person sees them all at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from proxy.rules import route_schema as r
from proxy.rules import schema as s
from proxy.rules.alerts import compile_alerts
from proxy.rules.aliases import Place, joined
from proxy.rules.budgets import compile_budgets
from proxy.rules.compile_cost import compile_prices
from proxy.rules.compile_dedupe import defaults_for
from proxy.rules.compile_route import Surroundings, compile_route
from proxy.rules.compile_ttl import check_off
from proxy.rules.compile_upstream import compile_server, compile_store, compile_upstream
from proxy.rules.compile_visitors import compile_cors, compile_sessions, session_sources
from proxy.rules.compiled import Config
from proxy.rules.environment import flag
from proxy.rules.lifetimes import OffTtl
from proxy.rules.nodes import Map, Node, Scalar, Sequence
from proxy.rules.own_fields import OwnFields
from proxy.rules.patterns import Pattern
from proxy.rules.problems import Mark, Report
from proxy.rules.reached import check_reached
from proxy.rules.router import Entry, Router, RouteTable
from proxy.rules.selectors import SelectorError, parse_selector
from proxy.rules.settings import Upstream
from proxy.rules.shapes import Field, Reading, Written
from proxy.rules.subject import Sources
from proxy.rules.warm import WARM, compile_warm

DEFAULT_SECRET: Final = "larder: set LARDER_SECRET to key digests of credentials with your own"  # noqa: S105 - a documented default
_CREDENTIALS: Final = "credentials"
_SESSIONS: Final = "sessions"


def compile_config(
    root: Map, base: Path, digest: str, env: Mapping[str, str], report: Report
) -> Config:
    """The compiled file; raises RuleFileError if it has any problem."""
    secret = (env.get("LARDER_SECRET") or DEFAULT_SECRET).encode("utf-8", "surrogateescape")
    caching = _flag(env, "CACHE_ENABLED", root.mark, report)
    redis = _flag(env, "REDIS_ENABLED", root.mark, report)
    reading = Reading(report, frozenset(_secrets(root, inside=False)))
    written = s.FILE_RECORD.members(root, reading)
    store = compile_store(written.get(s.STORE), redis=redis)
    server = compile_server(written.get(s.SERVER), base)
    compiler = _Compiler(written, secret, store.max_object, reading, caching=caching)
    router = compiler.router()
    routes = [route for table in router.tables.values() for route in table.routes]
    budgets = compile_budgets(
        written, routes, verified=written.get(s.JWT) is not None, report=report
    )
    alerts, health = compile_alerts(written, routes, report)
    warm = compile_warm(written.get(WARM) or (), router, secret, report)
    report.check()
    return Config(
        server=server,
        store=store,
        upstreams=(*router.mounts.values(), *router.hosts.values()),
        router=router,
        caching=caching,
        digest=digest,
        secret=secret,
        sessions=compiler.sessions,
        cors=compiler.cors,
        budgets=budgets,
        alerts=alerts,
        health=health,
        warm=warm,
    )


def _flag(env: Mapping[str, str], name: str, mark: Mark, report: Report) -> bool:
    value = flag(env, name)
    if value is None:
        report.add(mark, f"the environment variable {name} is no switch", "set it to true or false")
    return value is not False


def _secrets(node: Node, *, inside: bool) -> Iterator[str]:
    """The texts of every selector that the file calls a credential or a session."""
    match node:
        case Scalar() if inside:
            try:
                yield parse_selector(node.text).text
            except SelectorError:
                return  # reported where it stands, when the file is read
        case Sequence():
            for item in node.items:
                yield from _secrets(item, inside=inside)
        case Map():
            for key, child in node.items:
                named = key.text in (_CREDENTIALS, _SESSIONS)
                told = key.text == s.COUNT.name  # what is counted in a session is not its id
                yield from _secrets(child, inside=(inside or named) and not told)
        case _:
            return


class _Compiler:
    """Compiles the upstreams of one file and holds what their routes must not share."""

    def __init__(
        self, written: Written, secret: bytes, max_object: int, reading: Reading, *, caching: bool
    ) -> None:
        sessions, jwt = written.get(s.SESSIONS), written.get(s.JWT)
        self._session = session_sources(sessions)
        self._says_session = sessions is not None and sessions.given(s.FROM)
        self.cors = compile_cors(written.get(s.CORS), self._session, reading.report)
        self.sessions = compile_sessions(sessions, secret, self.cors, reading.report)
        key = jwt.get(s.JWT_KEY) if jwt is not None else None
        self._written = written
        self._prices = compile_prices(written, reading.report)
        self._secret = secret
        self._jwt_key = None if key is None else key.encode("utf-8", "surrogateescape")
        self._max_object = max_object
        self._caching = caching
        self._reading = reading
        self._report = reading.report
        self._names: dict[str, Mark] = {}
        none = Written(written.mark, {}, {}, {})
        self._defaults = written.get(s.DEFAULTS) or none

    def router(self) -> Router:
        """The router over every upstream."""
        given = self._written.get(s.UPSTREAMS) or ()
        if not given and s.UPSTREAMS.name in self._written.values:
            self._report.add(self._written.mark_of(s.UPSTREAMS), "there is no upstream", "name one")
        # The implicit route of an upstream has its name, so no other route may.
        for mark, name, _ in given:
            self._claim(name, mark)
        places: dict[str, Mark] = {}
        upstreams = []
        tables = {}
        for mark, name, written in given:
            upstream = compile_upstream(name, written, self._session)
            self._place(upstream, written, mark, places)
            upstreams.append(upstream)
            tables[name] = self._table(upstream, written)
        return Router(
            hosts={each.host: each for each in upstreams if each.host is not None},
            mounts={each.mount: each for each in upstreams if each.mount is not None},
            tables=tables,
            own=self._own_fields(),
        )

    def _own_fields(self) -> OwnFields | None:
        issuing = self.sessions.issuing
        if issuing is None and self.cors is None:
            return None
        return OwnFields(issuing, self.cors)

    def _claim(self, name: str, mark: Mark) -> None:
        first = self._names.setdefault(name, mark)
        if first is not mark:
            self._report.add(
                mark,
                f"the name `{name}` is already used at {first}",
                "give each route a name of its own, other than an upstream's",
            )

    def _place(
        self, upstream: Upstream, written: Written, mark: Mark, places: dict[str, Mark]
    ) -> None:
        """Check that no other upstream is found at the same mount or host."""
        if written.given(s.MOUNT) and written.given(s.UPSTREAM_HOST):
            self._report.add(
                written.mark_of(s.MOUNT),
                "an upstream has a mount or a host, not both",
                "take one of them out",
            )
        place = (
            f"host {upstream.host}" if upstream.mount is None else f"mount {upstream.mount or '/'}"
        )
        key = s.MOUNT if upstream.host is None else s.UPSTREAM_HOST
        own = written.mark_of(key) if written.given(key) else mark
        first = places.setdefault(place, own)
        if first is not own:
            self._report.add(
                own, f"the {place} is already taken at {first}", "give each upstream its own"
            )

    def _table(self, upstream: Upstream, written: Written) -> RouteTable:
        around = Surroundings(
            upstream=upstream,
            sources=self._sources(upstream, written),
            max_object=self._max_object,
            caching=self._caching,
            report=self._report,
            prices=self._prices,
        )
        entries: list[Entry] = []
        given = written.get(s.ROUTES) or ()
        for route in given:
            entries.append(self._entry(route, around))
            self._check_reach(entries, route)
        places = [Place(_own(route, r.ALIASES), _own(route, r.EXTEND)) for route in given]
        implicit = compile_route(upstream.name, self._defaults, around)
        routes = [*(entry.route for entry in entries), implicit]
        *routes, implicit = joined(routes, [*places, Place()], self._report)
        joint = (replace(entry, route=own) for entry, own in zip(entries, routes, strict=True))
        table = RouteTable.build(tuple(joint), implicit)
        check_reached(given, table, upstream, self._report)
        return table

    def _sources(self, upstream: Upstream, written: Written) -> Sources:
        credentials = written.get(s.UPSTREAM_CREDENTIALS)
        if credentials is None:
            texts = upstream.credentials
            credentials = tuple(parse_selector(text, self._reading.secrets) for text in texts)
        issuing = self.sessions.issuing
        issued = "" if issuing is None else issuing.source
        return Sources(self._secret, self._session, credentials, self._jwt_key, issued)

    def _entry(self, route: Written, around: Surroundings) -> Entry:
        name = route.get(r.ROUTE_NAME) or ""
        if name:
            self._claim(name, route.mark_of(r.ROUTE_NAME))
        compiled = compile_route(name, route.over(defaults_for(route, self._defaults)), around)
        if compiled.refresh is not None and not route.given(r.REFRESH):  # a default is for GET
            compiled = replace(compiled, refresh=replace(compiled.refresh, unsafe=False))
        check_off(route, compiled.ttl, self._report)
        off = isinstance(compiled.ttl, OffTtl) and not compiled.ttl.for_now
        if compiled.restore and route.given(r.RESTORE) and off:
            self._report.add(
                route.mark_of(r.RESTORE), "nothing is stored of this route", "give it a ttl"
            )
        if compiled.reads_session and not self._says_session:
            self._report.add(
                route.mark,
                "this route reads the session, and nothing says where a session id is",
                "write sessions: {from: [header.x-session-id]} at the top of the file",
            )
        conditional = route.given(r.WHEN) or (
            route.given(r.ROUTE_MATCH) and route.get(r.ROUTE_MATCH) is None
        )
        return Entry(compiled, route.get(r.ROUTE_MATCH), route.get(r.WHEN), conditional)

    def _check_reach(self, entries: list[Entry], route: Written) -> None:
        """Report a route that an earlier one with the same pattern leaves nothing."""
        last = entries[-1].pattern
        if route.given(r.ROUTE_MATCH) and last is None:
            return  # its match has a problem of its own
        for earlier in entries[:-1]:
            if not earlier.conditional and _covers(earlier.pattern, last):
                self._report.add(
                    route.mark,
                    f"no request reaches this route: `{earlier.route.name}` takes them all first",
                    "put it before that one, or remove it",
                )
                return


def _own(route: Written, key: Field[object]) -> Mark | None:
    """Where a route itself gives a key; None if it does not."""
    return route.mark_of(key) if route.given(key) else None


def _covers(earlier: Pattern | None, later: Pattern | None) -> bool:
    if earlier is None:
        return True
    if later is None or earlier.shape != later.shape:
        return False
    return not earlier.methods or (bool(later.methods) and later.methods <= earlier.methods)
