"""What one client sends must not shape what another one gets (docs/http-coverage.md, poisoning).

The upstream here is as careless as can be: it writes the whole request, as it came, into an
answer that anybody may store, and names nothing in Vary.
"""

from __future__ import annotations

import pytest

from tests.support.answers import Answer, answer
from tests.support.build import FieldLines
from tests.support.http import Connection, request_bytes
from tests.support.larder import Larder, StartLarder, x_cache
from tests.support.origin import Origin, Received

ROUTES = {
    "http": "",
    "rule": "- {name: all, match: 'GET /{any:path}', ttl: 5m}",
    "shared": "- {name: all, match: 'GET /{any:path}', ttl: 5m, scope: shared}",
    "template": "- {name: all, match: 'GET /{any:path}', ttl: 5m, scope: shared, key: 'k:{path}'}",
}
every_route = pytest.mark.parametrize("routes", ROUTES.values(), ids=ROUTES.keys())


def reflecting(origin: Origin, *fields: tuple[str, str]) -> None:
    """Answer with all there was in the request."""

    def reply(request: Received) -> Answer:
        return answer(request.raw, fields=[("Cache-Control", "max-age=60"), *fields])

    origin.handler = reply


async def attacked(proxy: Larder, raw: bytes) -> bytes:
    """What two plain requests for /db/account get after this one."""
    async with Connection.open(proxy.app.proxy_url) as attacker:
        await attacker.send(raw)
        await attacker.answer()
    await proxy.landed()
    return b"".join([(await proxy.get("/db/account")).raw for _ in range(2)])


CLAIMS = [
    *("Forwarded", "X-Forwarded", "X-Forwarded-Host", "X-Forwarded-Server", "X-Forwarded-Proto"),
    *("X-Forwarded-Protocol", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded-Port"),
    *("X-Forwarded-Prefix", "X-Forwarded-For", "X-Forwarded-By", "X-Forwarded-Client-Cert"),
    *("X-Forwarded-Method", "X-Forwarded-Path", "X-Forwarded-URI", "X-Forwarded-URL"),
    *("X-Original-Host", "X-Original-Method", "X-Original-Path", "X-Original-URI"),
    *("X-Host", "X-Host-Override", "X-HTTP-Host-Override", "X-Scheme", "X-URL-Scheme"),
    *("Front-End-Https", "X-Envoy-Original-Path", "Forwarded-For", "X-Real-IP", "X-Client-IP"),
    *("X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP"),
    *("X_Forwarded_Host", "X_Host", "X-Forwarded_Proto"),
]
OVERRIDES = [
    *("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL"),
    *("X-Rewrite-URL", "X_HTTP_Method_Override", "X-Original_URL"),
]
HOP_BY_HOP = ["Keep-Alive", "Proxy-Connection", "TE", "HTTP2-Settings", "Trailer"]
CONDITIONS = ["If-None-Match", "If-Match", "If-Modified-Since", "If-Range", "Range", "Expect"]


@every_route
@pytest.mark.parametrize("name", [*CLAIMS, *OVERRIDES, *HOP_BY_HOP, *CONDITIONS])
async def test_a_field_outside_the_key_does_not_reach_what_is_stored(
    larder: StartLarder, origin: Origin, routes: str, name: str
) -> None:
    reflecting(origin)
    proxy = await larder(routes)
    got = await attacked(proxy, request_bytes("GET", "/db/account", {name: "evil.test"}))
    assert b"evil" not in got


@pytest.mark.parametrize("name", OVERRIDES)
async def test_a_field_that_asks_for_another_target_goes_up_and_past_the_cache(
    larder: StartLarder, origin: Origin, name: str
) -> None:
    """It may be what an API is meant to be used by; its answer is its sender's alone."""
    reflecting(origin)
    proxy = await larder(ROUTES["shared"])
    await proxy.get("/db/account")
    told = await proxy.get("/db/account", {name: "/other"})
    assert (told["X-Cache"], b"/other" in told.body) == ("BYPASS", True)
    assert "detail=override-field" in told["Cache-Status"]


REQUESTS = {
    "host": b"GET /db/account HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    "host-port": b"GET /db/account HTTP/1.1\r\nHost: larder.test:666evil\r\n\r\n",
    "host-with-a-path": b"GET /db/account HTTP/1.1\r\nHost: larder.test/evil\r\n\r\n",
    "host-with-user": b"GET /db/account HTTP/1.1\r\nHost: evil@larder.test\r\n\r\n",
    "two-hosts": b"GET /db/account HTTP/1.1\r\nHost: larder.test\r\nHost: evil.test\r\n\r\n",
    "folded-host": b"GET /db/account HTTP/1.1\r\nHost: larder.test\r\n evil.test\r\n\r\n",
    "absolute": b"GET http://evil.test/db/account HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    "absolute-disagrees": b"GET http://evil.test/db/account HTTP/1.1\r\nHost: larder.test\r\n\r\n",
    "absolute-user": b"GET http://evil@larder.test/db/a HTTP/1.1\r\nHost: larder.test\r\n\r\n",
    "other-scheme": b"GET evil://larder.test/db/account HTTP/1.1\r\nHost: larder.test\r\n\r\n",
    "fragment": b"GET /db/account#evil HTTP/1.1\r\nHost: larder.test\r\n\r\n",
    "fat-get": b"GET /db/account HTTP/1.1\r\nHost: larder.test\r\nContent-Length: 4\r\n\r\nevil",
    "fat-get-chunked": b"GET /db/account HTTP/1.1\r\nHost: larder.test\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
    "fat-get-form": b"GET /db/account HTTP/1.1\r\nHost: larder.test\r\nContent-Length: 6\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nq=evil",
    "trailers": b"GET /db/account HTTP/1.1\r\nHost: larder.test\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Forwarded-Host: evil\r\n\r\n",
    "post": b"POST /db/account HTTP/1.1\r\nHost: larder.test\r\nContent-Length: 4\r\n\r\nevil",
    "http-1.0": b"GET /db/account HTTP/1.0\r\nX-Forwarded-Host: evil\r\n\r\n",
    "connection-names-claims": b"GET /db/account HTTP/1.1\r\nHost: larder.test\r\n"
    b"Connection: evil\r\nEvil: evil\r\n\r\n",
}


@every_route
@pytest.mark.parametrize("raw", REQUESTS.values(), ids=REQUESTS.keys())
async def test_a_request_of_an_odd_shape_does_not_shape_what_is_stored(
    larder: StartLarder, origin: Origin, routes: str, raw: bytes
) -> None:
    reflecting(origin)
    assert b"evil" not in await attacked(await larder(routes), raw)


@pytest.mark.parametrize(
    "host", ["API.local", "api.local:80", "api.local.", "api.local:8080", "aPi.LoCaL.:1"]
)
async def test_every_spelling_of_a_host_is_one_upstream_which_sees_its_own_name(
    larder: StartLarder, origin: Origin, host: str
) -> None:
    reflecting(origin)
    proxy = await larder(ROUTES["rule"], upstream="host: api.local")
    first = await proxy.get("/account", {"Host": host})
    second = await proxy.get("/account", {"Host": "api.local"})
    assert x_cache(first, second) == ["MISS", "HIT"]
    assert origin.last.fields.get_all("host") == (f"127.0.0.1:{origin.port}",)


@pytest.mark.parametrize(
    ("routes", "keyed"),
    [
        pytest.param("", {"Accept-Language": "de"}, id="vary"),
        pytest.param(
            "- {name: all, ttl: 5m, scope: shared, key: {headers: [x-version]}}",
            {"X-Version": "2"},
            id="key",
        ),
        pytest.param("- {name: all, ttl: 5m}", {"X-Api-Key": "k"}, id="credential"),
    ],
)
async def test_connection_cannot_take_away_what_the_key_is_made_of(
    larder: StartLarder, origin: Origin, routes: str, keyed: dict[str, str]
) -> None:
    """RFC 9110 §7.6.1: named there, a field ends here; so it must not select the answer either."""
    reflecting(origin, ("Vary", "Accept-Language"))
    proxy = await larder(routes)
    name, value = next(iter(keyed.items()))
    await proxy.get("/db/account", [("Connection", f"keep-alive, {name}"), (name, value)])
    victims = await proxy.get("/db/account", keyed)
    assert f"{name}: {value}".encode() in victims.body


# -- targets: two that an upstream may tell apart have two answers

PAIRS = [
    pytest.param("/a%2fb", "/a/b", id="encoded-slash"),
    pytest.param("/a%2Fb", "/a%2fb", id="case-of-an-escape"),
    pytest.param("/a%5cb", "/a/b", id="encoded-backslash"),
    pytest.param("/a\\b", "/a/b", id="backslash"),
    pytest.param("/x%2e%2e/a", "/x../a", id="encoded-dots"),
    pytest.param("/b/../a", "/a", id="dot-segments"),
    pytest.param("/%2e/a", "/a", id="encoded-dot-segment"),
    pytest.param("/./a", "/a", id="dot-segment"),
    pytest.param("//a", "/a", id="double-slash"),
    pytest.param("/a/", "/a", id="slash-at-the-end"),
    pytest.param("/A", "/a", id="case"),
    pytest.param("/a%00", "/a", id="nul"),
    pytest.param("/a%0a", "/a", id="newline"),
    pytest.param("/a%0d%0aX:%20y", "/a", id="line-end"),
    pytest.param("/a%20", "/a", id="space"),
    pytest.param("/a%3fx=1", "/a?x=1", id="encoded-question-mark"),
    pytest.param("/a%23", "/a", id="encoded-hash"),
    pytest.param("/a;x=1", "/a", id="path-parameter"),
    pytest.param("/a.css", "/a", id="suffix"),
    pytest.param("/a%252fb", "/a%2fb", id="encoded-twice"),
]
QUERIES = [
    pytest.param("/a?x=1;y=2", "/a?x=1&y=2", id="semicolon"),
    pytest.param("/a?x=1;y=2", "/a?x=1", id="semicolon-hides-a-pair"),
    pytest.param("/a?x=1%26y=2", "/a?x=1&y=2", id="encoded-ampersand"),
    pytest.param("/a?x=1&x=2", "/a?x=2&x=1", id="order-of-one-name"),
    pytest.param("/a?x=1&%78=2", "/a?%78=2&x=1", id="order-of-one-name-spelled-twice"),
    pytest.param("/a?x=1&x=2", "/a?x=1", id="repeated"),
    pytest.param("/a?x[]=1", "/a?x=1", id="brackets"),
    pytest.param("/a?x", "/a?x=", id="no-equals"),
    pytest.param("/a?", "/a", id="empty"),
    pytest.param("/a?&x=1", "/a?x=1", id="empty-pair"),
    pytest.param("/a?x=a+b", "/a?x=a%20b", id="plus"),
    pytest.param("/a?x=1?y=2", "/a?x=1&y=2", id="second-question-mark"),
    pytest.param("/a?x=1%00", "/a?x=1", id="nul-in-a-value"),
    pytest.param("/a?x=1%0a", "/a?x=1", id="newline-in-a-value"),
    pytest.param("/a?_method=DELETE", "/a", id="method-override"),
]
BY_REST = "- {name: all, match: 'GET /{rest:path}', ttl: 5m, scope: shared, key: 'k:{path.rest}'}"


async def crossed(proxy: Larder, one: str, other: str) -> bool:
    """Whether an answer crosses between the two, either way round or in a second round."""
    told = [await proxy.get(f"/db{target}") for target in (one, other, one, other)]
    return told[0].body == told[1].body or told[2].body == told[3].body


@pytest.mark.parametrize("routes", list(ROUTES.values())[:3], ids=list(ROUTES)[:3])
@pytest.mark.parametrize(("one", "other"), [*PAIRS, *QUERIES])
async def test_targets_that_are_spelled_differently_have_answers_of_their_own(
    larder: StartLarder, origin: Origin, routes: str, one: str, other: str
) -> None:
    reflecting(origin)
    proxy = await larder(routes)
    assert not await crossed(proxy, one, other)
    assert not await crossed(proxy, other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [each for each in PAIRS if each.id not in {"case-of-an-escape", "encoded-dots"}],
)
async def test_the_rest_of_a_path_in_a_key_keeps_them_apart_too(
    larder: StartLarder, origin: Origin, one: str, other: str
) -> None:
    """But for escapes that RFC 3986 §6.2.2 makes equal: `%2F` is `%2f`, `%2e` is a dot."""
    reflecting(origin)
    assert not await crossed(await larder(BY_REST), one, other)


@pytest.mark.parametrize(
    "query",
    [
        "q=1&utm_source=x;q=evil",
        "utm_source=x;q=evil&q=1",
        "q=1&utm_source=x%3bq=evil;",
        "q=1;utm_source=evil",
    ],
)
async def test_what_is_ignored_by_name_hides_nothing_from_the_key(
    larder: StartLarder, origin: Origin, query: str
) -> None:
    """Parameter cloaking: some frameworks divide a query at semicolons, too."""
    reflecting(origin)
    proxy = await larder("- {name: all, ttl: 5m, scope: shared, key: {ignore: [query.utm_*]}}")
    await proxy.get(f"/db/a?{query}")
    assert b"evil" not in (await proxy.get("/db/a?q=1")).body
    assert (await proxy.get("/db/a?q=1&utm_source=mail"))["X-Cache"] == "HIT"


# -- answers of attacks: a refusal that an attacker provoked is not kept for others (CPDoS)


@pytest.mark.parametrize("status", [400, 404, 405, 413, 414, 417, 431, 500, 501, 503])
@pytest.mark.parametrize("routes", list(ROUTES.values())[:3], ids=list(ROUTES)[:3])
async def test_an_error_that_a_client_provoked_is_not_stored(
    larder: StartLarder, origin: Origin, routes: str, status: int
) -> None:
    """RFC 9111 §4.2.2: without explicit freshness and without a validator nothing is."""

    def reply(request: Received) -> Answer:
        if "x-oversized" in request.fields:
            return answer("refused", status)
        return answer("fine", fields=[("Cache-Control", "max-age=60")])

    origin.handler = reply
    proxy = await larder(routes, upstream="retry: {attempts: 1}")
    provoked = await proxy.get("/db/a", {"X-Oversized": "x" * 9000})
    assert provoked.status == status
    assert (await proxy.get("/db/a")).body == b"fine"


# -- what an operator can say of other fields: they go up, as RFC 9110 §7.6 asks, unless told


@pytest.mark.parametrize(
    ("routes", "upstream", "vary"),
    [
        pytest.param("", "", [("Vary", "X-Theme")], id="vary"),
        pytest.param(
            "- {name: all, ttl: 5m, scope: shared, key: {headers: [x-theme]}}", "", [], id="key"
        ),
        pytest.param(ROUTES["shared"], "headers: {remove: [x-theme]}", [], id="removed"),
    ],
)
async def test_any_other_field_can_be_keyed_or_kept_from_the_upstream(
    larder: StartLarder,
    origin: Origin,
    routes: str,
    upstream: str,
    vary: FieldLines,
) -> None:
    reflecting(origin, *vary)
    proxy = await larder(routes, upstream=upstream)
    got = await attacked(proxy, request_bytes("GET", "/db/account", {"X-Theme": "evil"}))
    assert b"evil" not in got
