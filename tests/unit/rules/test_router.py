"""The router: hosts, mounts, the first route that matches, and what needs the body."""

from __future__ import annotations

import pytest

from proxy.outcomes import Bypass
from proxy.rules.compiled import NeedsBody
from tests.support.build import request
from tests.support.rules import config_of
from tests.unit.rules.support import identity, matched, route_config

CONFIG = config_of("""
upstreams:
  web: {url: http://w, mount: /}
  api: {url: http://a, mount: /api}
  deep: {url: http://d, mount: /api/deep}
  local: {url: http://l, host: API.local}
  shop:
    url: http://s
    routes:
      - {name: device, match: "POST /d/{device}:run"}
      - {name: one, match: "GET /p/{id}"}
      - {name: rest, match: "/p/{id}/{tail:path}"}
      - {name: put, match: "PUT,DELETE /p/{id}"}
      - {name: stream, match: POST /s, when: {body.stream: true, header.x: go}}
      - {name: plain, match: POST /s}
      - {name: any, when: [{query.q: {exists: true}}, {header.y: "1"}]}
""")
PLACES = [
    ("/api/x?y=%2F", "", "api", "/x?y=%2F"),
    ("/api", "", "api", "/"),
    ("/api?x", "", "api", "/?x"),
    ("/api/", "", "api", "/"),
    ("/apis", "", "web", "/apis"),
    ("/api/deep/x", "", "deep", "/x"),
    ("/api/deeper", "", "api", "/deeper"),
    ("/a//b/../c", "", "web", "/a//b/../c"),
    ("/api/x", "api.LOCAL:8080", "local", "/api/x"),
    ("/", "api.local.", "local", "/"),
]


@pytest.mark.parametrize(("target", "authority", "name", "stripped"), PLACES)
def test_where_a_request_goes(target: str, authority: str, name: str, stripped: str) -> None:
    found = CONFIG.router.find(request(target=target, authority=authority))
    assert found is not None
    assert (name, stripped) == (found[0].name, found[1].target)


@pytest.mark.parametrize("target", ["*", "http://x/api", "/other"])
def test_a_request_that_goes_nowhere(target: str) -> None:
    config = config_of("upstreams: {api: {url: http://a}}")
    assert config.router.find(request(target=target)) is None


ROUTES = [
    ("GET", "/p/1", "one", {"id": "1"}),
    ("HEAD", "/p/1", "one", {"id": "1"}),
    ("GET", "/p/a%2Fb", "one", {"id": "a/b"}),
    ("GET", "/%70/1", "one", {"id": "1"}),
    ("PUT", "/p/1", "put", {"id": "1"}),
    ("PATCH", "/p/1", "shop", {}),
    ("PATCH", "/p/1/a/b", "rest", {"id": "1", "tail": "a/b"}),
    ("GET", "/p/1/", "rest", {"id": "1", "tail": ""}),
    ("GET", "/p/", "shop", {}),
    ("POST", "/d/cam:run", "device", {"device": "cam"}),
    ("POST", "/d/:run", "shop", {}),
    ("GET", "/else?q=", "any", {}),
    ("BREW", "/else?q=1", "any", {}),
]


@pytest.mark.parametrize(("method", "target", "name", "params"), ROUTES)
def test_the_first_route_that_matches(
    method: str, target: str, name: str, params: dict[str, str]
) -> None:
    match = matched(CONFIG, request(method, f"/shop{target}"))
    assert (name, params) == (match.route.name, dict(match.subject.params))


BODIES = [
    (None, "go", None),
    (None, "stay", "plain"),
    (b'{"stream":true}', "go", "stream"),
    (b'{"stream":false}', "go", "plain"),
    (b"no json", "go", "plain"),
]


@pytest.mark.parametrize(("body", "field", "name"), BODIES)
def test_the_body_is_asked_for_only_where_it_decides(
    body: bytes | None, field: str, name: str | None
) -> None:
    found = CONFIG.router.find(request("POST", "/shop/s", fields={"x": field}, body=body))
    assert found is not None
    match = CONFIG.router.match(*found)
    assert name == (None if isinstance(match, NeedsBody) else match.route.name)


def test_all_routes_of_an_upstream_end_with_the_implicit_one() -> None:
    upstream = next(each for each in CONFIG.upstreams if each.name == "shop")
    names = [route.name for route in CONFIG.router.routes(upstream)]
    assert names == ["device", "one", "rest", "put", "stream", "plain", "any", "shop"]


METHODS = [
    ("ttl: 5m", "/a", "POST", Bypass.METHOD),
    ("ttl: 5m", "/a", "GET", None),
    ("ttl: 5m", "GET /a", "HEAD", None),
    ("ttl: 5m", "POST,QUERY /a", "QUERY", None),
    ("ttl: http", "POST /a", "POST", Bypass.METHOD),
]


@pytest.mark.parametrize(("route", "match", "method", "reason"), METHODS)
def test_methods_that_have_a_key(
    route: str, match: str, method: str, reason: Bypass | None
) -> None:
    found = identity(route_config(route, match=match), request(method, "/api/a"))
    assert reason == (found if isinstance(found, Bypass) else None)
