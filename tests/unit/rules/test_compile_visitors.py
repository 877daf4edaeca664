"""`sessions` and `cors`, compiled."""

from __future__ import annotations

import pytest

from proxy.rules.cors import DEFAULT_EXPOSE, DEFAULT_HEADERS, DEFAULT_METHODS
from proxy.rules.issuing import NO_SESSIONS, Carrier
from tests.support.build import request
from tests.support.rules import config_of
from tests.unit.rules.support import matched, problems, route_config

GOOD = "upstreams: {a: {url: http://a}}\n"


def test_a_file_that_says_nothing_of_them() -> None:
    config = config_of(GOOD)
    assert (config.sessions, config.cors, config.router.own) == (NO_SESSIONS, None, None)


def test_sessions() -> None:
    config = config_of(
        GOOD + "sessions: {from: [query.s, header.X-Sid, cookie.sid, cookie.b], issue: cookie,"
        " ttl: 10m, count: {devices: path, ways: header.via}}"
    )
    sessions = config.sessions
    assert (sessions.ttl, list(sessions.counts)) == (600.0, ["devices", "ways"])
    assert sessions.issuing is not None
    issuing = sessions.issuing
    assert (issuing.carrier, issuing.name, issuing.source) == (Carrier.COOKIE, "sid", "cookie.sid")
    assert (issuing.max_age, issuing.cross_site) == (600.0, False)


def test_an_issued_id_is_read_only_where_it_was_put_aside() -> None:
    top = "sessions: {from: [header.x-sid, cookie.sid], issue: cookie}"
    config = route_config("ttl: 5m\nscope: session", top)
    issuing = config.sessions.issuing
    assert issuing is not None
    session = issuing.make(bytes(24))

    def read(**fields: str) -> str | None:
        given = {name.replace("_", "-"): value for name, value in fields.items()}
        return matched(config, request("POST", "/api/a", fields=given)).subject.session

    assert read(cookie=f"sid={session}") == session
    assert read(cookie="sid=forged") is None
    assert read(x_sid="mine", cookie=f"sid={session}") == "mine"


def test_what_is_counted_is_no_secret_elsewhere() -> None:
    top = "sessions: {from: header.x-sid, count: {devices: path.device}}"
    config = route_config('ttl: 5m\nkey: "of:{path.device}"', top, match="GET /{device}")
    match = matched(config, request("GET", "/api/cam-7"))
    key = match.route.identify(match.subject)
    assert getattr(key, "key").head == "of:cam-7"  # noqa: B009 - a Bypass has none


def test_cors_lets_the_sessions_fields_in_and_shows_them() -> None:
    cors = config_of(
        GOOD + "sessions: {from: [header.X-Sid, cookie.c]}\n"
        "cors: {origins: [https://A.example, 'http://l:1'], headers: [X-B], expose: [X-C]}"
    ).cors
    assert cors is not None
    assert cors.origins == {"https://a.example", "http://l:1"}
    assert cors.headers == (*DEFAULT_HEADERS, "x-sid", "x-b")
    assert cors.expose == (*DEFAULT_EXPOSE, "x-sid", "x-c")
    assert (cors.methods, cors.credentials, cors.max_age) == (DEFAULT_METHODS, False, 600.0)


def test_credentials_make_the_cookie_one_for_other_sites() -> None:
    config = config_of(
        GOOD + "sessions: {from: cookie.c, issue: cookie}\n"
        "cors: {origins: https://a.example, credentials: true}"
    )
    assert config.sessions.issuing is not None
    assert config.sessions.issuing.cross_site


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sessions: {from: header.a, issue: cookie}", "no cookie to issue ids in"),
        ("sessions: {from: cookie.a, issue: header}", "add header.NAME to sessions.from"),
        ("sessions: {issue: cookie}", "no cookie to issue ids in"),
        ("sessions: {from: 'cookie.a b', issue: cookie}", "no cookie to issue ids in"),
        ("sessions: {ttl: 10m}", "nothing says where a session id is found"),
        ("sessions: {from: header.a, ttl: 0s}", "no session lives that short"),
        ("sessions: {from: session, ttl: 5m}", "`session` is made of these; name where the value"),
        ("sessions: {from: [header.a, credential]}", "`credential` is made of these"),
        ("sessions: {from: header.a, count: {a: response.status}}", "is not known yet here"),
        ("cors: {origins: '*', credentials: true}", "name the origins instead of *"),
        ("cors: {}", "has no `origins`"),
        ("cors: {origins: 'null'}", "anybody can be `null`"),
        ("cors: {origins: https://a.example/}", "take the / off its end"),
        ("cors: {origins: a.example}", "write an origin"),
        ("cors: {origins: https://a.example/x}", "write an origin"),
        ("cors: {origins: 'https://*.example'}", "write an origin"),
        ("cors: {origins: []}", "no origin is named"),
        ("cors: {origins: https://a, methods: [get]}", "in capitals"),
    ],
)
def test_what_contradicts_itself_is_told(text: str, expected: str) -> None:
    found = problems(GOOD + text)
    assert len(found) == 1
    assert expected in found[0]


@pytest.mark.parametrize(
    "route",
    [
        "ttl: 5m, scope: session",
        "ttl: 5m, scope: [session]",
        'ttl: 5m, key: "a:{session}"',
        'ttl: 5m, tags: ["a:{session}"]',
        'invalidate: {tags: "a:{session}"}',
    ],
)
def test_who_reads_the_session_says_where_it_is(route: str) -> None:
    text = f"upstreams: {{a: {{url: http://a, routes: [{{name: r, match: POST /a, {route}}}]}}}}\n"
    assert config_of(text + "sessions: {from: header.x-sid}").upstreams
    (problem,) = problems(text)
    assert "write sessions: {from: [header.x-session-id]} at the top" in problem


@pytest.mark.parametrize("rest", ["origins: ['*', a b]", "origins: '*', methods: [get]"])
def test_everybody_with_credentials_is_told_beside_other_mistakes(rest: str) -> None:
    found = problems(f"{GOOD}cors: {{credentials: true, {rest}}}")
    assert len(found) == 2
    assert any("credentials cannot be let in from every origin" in each for each in found)
