"""A request on a real route, for the tables of the decisions."""

from __future__ import annotations

from functools import lru_cache
from textwrap import indent

from proxy.messages import Request
from proxy.rules.compiled import Config
from proxy.rules.route import Match, Route
from proxy.rules.settings import Upstream
from proxy.rules.subject import Subject
from tests.support.build import request
from tests.support.rules import config_of

TIMED = "ttl: 1m"
HTTP = "ttl: http"


@lru_cache
def config(route: str = HTTP, upstream: str = "") -> Config:
    """Rules with one upstream, `db`, and one route with these lines, which takes everything."""
    lines = f"name: all\nmatch: GET,HEAD,POST /{{path:path}}\n{route}"
    return config_of(
        "upstreams:\n  db:\n    url: http://up.test/base\n"
        + indent(upstream, "    ")
        + "\n    routes:\n      -\n"
        + indent(lines, "        ")
    )


def match(route: str = HTTP, asked: Request | None = None) -> Match:
    """The route with these lines, and the request on it."""
    rules = config(route)
    found = rules.router.match(rules.upstreams[0], asked or request())
    assert isinstance(found, Match)
    return found


def route_of(lines: str = HTTP) -> Route:
    """The route alone."""
    return match(lines).route


def subject_of(lines: str = HTTP, asked: Request | None = None) -> Subject:
    """What the rules read of the request."""
    return match(lines, asked).subject


def upstream_of(lines: str = "") -> Upstream:
    """The upstream with these lines."""
    return config(HTTP, lines).upstreams[0]
