"""One route in one upstream, and what it makes of a request."""

from __future__ import annotations

from textwrap import indent

from proxy.messages import Request
from proxy.outcomes import Bypass
from proxy.rules.compiled import Config, Match
from proxy.rules.problems import RuleFileError
from proxy.rules.route import Identity
from proxy.rules.subject import Subject
from tests.support.build import as_bytes, request, response
from tests.support.rules import config_of

SESSIONS = "sessions: {from: [header.x-session-id, cookie.sid]}"


def route_config(route: str = "", top: str = "", match: str = "POST /a") -> Config:
    """A file with the upstream `api` at /api and one route of these keys."""
    lines = f"name: it\nmatch: {match}\n{route}"
    head = f"{top}\nupstreams:\n  api:\n    url: http://up.test\n    routes:\n      -\n"
    return config_of(head + indent(lines, " " * 8))


def matched(config: Config, request: Request) -> Match:
    """The match of a request whose target has its mount."""
    found = config.router.find(request)
    assert found is not None
    match = config.router.match(*found)
    assert isinstance(match, Match)
    return match


def identity(config: Config, request: Request) -> Identity | Bypass:
    """The identity of a request whose target has its mount."""
    match = matched(config, request)
    return match.route.identify(match.subject)


def digest(config: Config, request: Request) -> bytes:
    """The key's digest of a request that has a key."""
    found = identity(config, request)
    assert isinstance(found, Identity), found
    return found.key.digest


def problems(text: str, env: dict[str, str] | None = None) -> list[str]:
    """Every problem of a text as `line:column message; remedy`; none if it is right."""
    try:
        config_of(text, env)
    except RuleFileError as error:
        return [str(problem).removeprefix("rules.yaml:") for problem in error.problems]
    return []


def answered(route: str, status: int = 200, body: object = "{}", **fields: str) -> Subject:
    """The subject of a request with `{"p": "7"}` that got this answer."""
    match = matched(route_config(route, SESSIONS), request("POST", "/api/a", body='{"p":"7"}'))
    head = response(status, fields={k.replace("_", "-"): v for k, v in fields.items()})
    return match.subject.with_response(head, as_bytes(body))
