"""The rules in force as plain data: upstreams, routes in order, and why one is passed over.

Reads compiled rules; knows no request but the one it is asked about. Invariant:
no value of a header that rules set, no URL's password.
"""

from __future__ import annotations

from typing import assert_never

from proxy.decisions.costing import shown
from proxy.edges.redact import redact_url
from proxy.rules.compiled import Config, HttpTtl, OffTtl, TimedTtl, Ttl
from proxy.rules.conditions import Clause, Condition
from proxy.rules.patterns import split_path
from proxy.rules.prices import Cost, FixedCost, TokenCost
from proxy.rules.route import Route
from proxy.rules.router import Entry
from proxy.rules.scopes import CredentialScope, Scope, SelectorScope, SessionScope, SharedScope
from proxy.rules.settings import Upstream
from proxy.rules.subject import Subject

Json = dict[str, object]


def routes_of(config: Config, upstream: Upstream) -> tuple[Entry, ...]:
    """The upstream's written routes in order; the implicit one is not among them."""
    return config.router.tables[upstream.name].entries


def route_names(config: Config) -> frozenset[str]:
    """Every route's name, implicit ones included."""
    return frozenset(
        route.name for upstream in config.upstreams for route in config.router.routes(upstream)
    )


def mounted_at(upstream: Upstream) -> str:
    """Where clients find an upstream."""
    return f"Host: {upstream.host}" if upstream.host is not None else upstream.mount or "/"


def routes_listed(config: Config) -> Json:
    """The rules in force."""
    return {
        "digest": config.digest,
        "caching": config.caching,
        "upstreams": [_upstream(config, upstream) for upstream in config.upstreams],
    }


def _upstream(config: Config, upstream: Upstream) -> Json:
    written = [
        _route(entry.route, entry.pattern.text if entry.pattern else None, entry.when)
        for entry in routes_of(config, upstream)
    ]
    return {
        "name": upstream.name,
        "at": mounted_at(upstream),
        "urls": [redact_url(url) for url in upstream.urls],
        "routes": [*written, _route(config.router.tables[upstream.name].implicit, None, None)],
    }


def _route(route: Route, pattern: str | None, when: Condition | None) -> Json:
    return {
        "name": route.name,
        "match": pattern,
        "when": when is not None,
        "enabled": route.enabled,
        "ttl": ttl_listed(route.ttl),
        "methods_stored": sorted(route.stored_methods),
        "collapse": route.collapse,
        "scope": scope_word(route.scope),
        "cost": None if route.cost is None else cost_listed(route.cost),
    }


def scope_word(scope: Scope) -> str:
    """Who shares an answer, as the rule file says it."""
    match scope:
        case CredentialScope():
            return "credential"
        case SessionScope():
            return "session"
        case SharedScope():
            return "shared"
        case SelectorScope(selectors):
            return ", ".join(selector.text for selector in selectors)
        case _:
            assert_never(scope)


def scope_of_route(config: Config, name: str) -> str | None:
    """The scope of the route of this name; None if there is none in the rules in force."""
    routes = (route for table in config.router.tables.values() for route in table.routes)
    return next((scope_word(route.scope) for route in routes if route.name == name), None)


def cost_listed(cost: Cost) -> Json:
    """What answers cost, amounts in their unit."""
    said: Json = {"unit": cost.unit, "hit": shown(cost.hit), "when": cost.when is not None}
    match cost:
        case FixedCost():
            return {**said, "miss": shown(cost.miss)}
        case TokenCost():
            return {**said, "tokens": cost.tokens.text, "models": sorted(cost.prices)}
        case _:
            assert_never(cost)


def ttl_listed(ttl: Ttl) -> str | Json:
    """`http`, `off`, or the members of a timed one that are set."""
    match ttl:
        case HttpTtl():
            return "http"
        case OffTtl():
            return "off"
        case TimedTtl():
            members: Json = {
                "default_s": ttl.default,
                "from": ttl.source.text if ttl.source is not None else None,
                "margin_s": ttl.margin or None,
                "min_s": ttl.minimum,
                "max_s": ttl.maximum,
                "jitter": ttl.jitter or None,
                "sliding": ttl.sliding or None,
                "status": {str(status): seconds for status, seconds in ttl.status.items()} or None,
            }
            return {name: value for name, value in members.items() if value is not None}
        case _:
            assert_never(ttl)


def refusal_of(entry: Entry, subject: Subject) -> str:
    """Why a route that comes before the chosen one did not take this request."""
    request, pattern = subject.request, entry.pattern
    params = subject.params
    if pattern is not None:
        if pattern.methods and request.method not in pattern.methods:
            return f"the method is not one of {', '.join(sorted(pattern.methods))}"
        found = pattern.match(split_path(request.path))
        if found is None:
            return f"the path does not match {pattern.text}"
        params = found
    own = Subject(subject.facts, entry.route.sources, params)
    return f"when: {_failing(entry.when, own)}" if entry.when is not None else "unknown"


def _failing(when: Condition, subject: Subject) -> str:
    """The first clause of each alternative that does not hold."""
    names = [
        next(clause.selector.text for clause in alternative if not clause.holds(subject))
        for alternative in when.alternatives
        if not _holds(alternative, subject)
    ]
    return f"{', '.join(dict.fromkeys(names))} is not what the route asks for"


def _holds(alternative: tuple[Clause, ...], subject: Subject) -> bool:
    return all(clause.holds(subject) for clause in alternative)
