"""A request made to hurt: to climb out, to borrow, to freeze. It harms nobody but its sender."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json

import pytest

from tests.support.answers import Answer, answer
from tests.support.clock import ManualClock
from tests.support.http import Connection, request_bytes
from tests.support.larder import StartLarder, x_cache
from tests.support.origin import Origin, Received

ALL = "- {name: all, match: 'GET,POST /{any:path}', ttl: 5m}"
SHARED = "- {name: all, match: 'GET,POST /{any:path}', ttl: 5m, scope: shared}"
OUT = [
    *("/db/../x", "/db/%2e%2e/x", "/db/..%2fx", "/db/%2e%2e%2fx", "/db/..\\x", "/db/..%5cx"),
    *("/db/a/../../x", "/db/a/..%2f..%2fx", "/db/..;/x", "/db/%252e%252e%252fx", "/db/.."),
]
WITHIN = ["/a/tsh/../private", "/a/%2e%2e/b", "/a/..%2fb", "/a/%2e%2e%2fb", "/a/..\\b", "/./a"]


@pytest.mark.parametrize("target", OUT)
@pytest.mark.parametrize("routes", ["", SHARED, "- {name: off, ttl: off}"])
async def test_no_path_climbs_out_of_an_upstreams_base_path(
    larder: StartLarder, origin: Origin, target: str, routes: str
) -> None:
    """The upstream offers what is under its URL, not all that its host has."""
    proxy = await larder(routes)
    told = await proxy.get(target)
    assert (told.status, len(origin.requests)) == (400, 0)
    assert "climbs-out" in told["Cache-Status"]


@pytest.mark.parametrize("target", WITHIN)
@pytest.mark.parametrize("routes", ["", SHARED])
async def test_a_path_with_dot_segments_goes_up_as_it_is_and_past_the_cache(
    larder: StartLarder, origin: Origin, target: str, routes: str
) -> None:
    """RFC 3986 §6.2.2.3: what it names is for the upstream to say."""
    origin.handler = lambda request: answer(request.target, fields=[("Cache-Control", "max-age=9")])
    proxy = await larder(routes)
    told = [await proxy.get(f"/db{target}") for _ in range(2)]
    assert x_cache(*told) == ["BYPASS", "BYPASS"]
    assert [each.body.decode() for each in told] == [target, target]
    assert "detail=dot-segments" in told[0]["Cache-Status"]
    assert await proxy.entries() == []


async def test_a_write_is_one_to_every_spelling_of_its_url(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9111 §4.4 with RFC 3986 §6.2.2."""
    origin.reply(*[answer("x", fields=[("Cache-Control", "max-age=60")])] * 5)
    proxy = await larder()
    told = []
    for method, target in [
        ("GET", "/db/x/enc"),
        ("PUT", "/db/x/%65nc"),
        ("GET", "/db/x/enc"),
        ("PUT", "/db/x/./enc"),
        ("GET", "/db/x/enc"),
    ]:
        told.append(await proxy.ask(method, target))
    assert x_cache(*told[::2]) == ["MISS", "MISS", "MISS"]


CREDENTIALS = [
    "X-Auth-Token",
    "Private-Token",
    "Token",
    "Ocp-Apim-Subscription-Key",
    "X-Session-Id",
]


@pytest.mark.parametrize("name", CREDENTIALS)
async def test_nobody_is_given_the_answer_to_anothers_token(
    larder: StartLarder, origin: Origin, name: str
) -> None:
    origin.handler = lambda request: answer(request.fields.get(name) or "nobody")
    proxy = await larder(ALL)
    told = [await proxy.get("/db/me", {name: who}) for who in ("ann", "bob", "ann")]
    told.append(await proxy.get("/db/me"))
    assert [each.body for each in told] == [b"ann", b"bob", b"ann", b"nobody"]
    assert x_cache(*told) == ["MISS", "MISS", "HIT", "MISS"]


@pytest.mark.parametrize("name", ["token", "Token", "apikey", "sig", "access_token", "to%6Ben"])
async def test_a_secret_of_the_query_is_told_to_no_operator(
    larder: StartLarder, origin: Origin, name: str
) -> None:
    origin.reply(answer("x"))
    proxy = await larder(ALL)
    await proxy.get(f"/db/a?{name}=S3CRET&v=1")
    await proxy.landed()
    listed = await proxy.entries()
    assert [each["url"] for each in listed] == ["/a?v=1"]
    assert "S3CRET" not in json.dumps(listed)


CLAIMS = [
    *("X-Forwarded-Uri", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Forwarded-Ssl"),
    *("Front-End-Https", "X-Url-Scheme", "X-Http-Host-Override", "True-Client-Ip", "Client-Ip"),
    *("Cf-Connecting-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "Fastly-Client-Ip"),
    "X-Original-Method",
]


@pytest.mark.parametrize("name", CLAIMS)
async def test_what_a_client_claims_of_itself_shapes_no_stored_answer(
    larder: StartLarder, origin: Origin, name: str
) -> None:
    origin.handler = lambda request: answer(request.fields.get(name) or "plain")
    proxy = await larder(SHARED)
    told = [await proxy.get("/db/a", fields) for fields in ({name: "evil"}, {})]
    assert [each.body for each in told] == [b"plain", b"plain"]
    assert x_cache(*told) == ["MISS", "HIT"]


async def test_what_asks_for_another_target_goes_past_the_cache(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer("other"), answer("plain"))
    proxy = await larder(SHARED)
    told = [await proxy.get("/db/a", f) for f in ({"X-HTTP-Destinationurl": "/other"}, {})]
    assert x_cache(*told) == ["BYPASS", "MISS"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param("application/x-www-form-urlencoded", b"a=1&" * 2_000_000, id="form"),
        pytest.param("application/json", b"[" + b"{}," * 2_000_000 + b"{}]", id="objects"),
        pytest.param("application/json", b"[" * 4_000_000, id="nesting"),
        pytest.param(
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nv\r\n' * 100_000 + b"--b--",
            id="parts",
        ),
    ],
)
async def test_a_body_made_to_be_parsed_for_long_is_only_hashed(
    larder: StartLarder, origin: Origin, kind: str, body: bytes
) -> None:
    """It is a request like any other: its answer is stored, and found again."""
    origin.reply(answer("x"))
    proxy = await larder(ALL)
    async with asyncio.timeout(5):
        told = [await proxy.post("/db/a", body, {"Content-Type": kind}) for _ in range(2)]
    assert x_cache(*told) == ["MISS", "HIT"]


async def test_what_a_rule_needs_of_a_body_too_big_to_parse_is_a_bypass(
    larder: StartLarder, origin: Origin
) -> None:
    origin.reply(answer("x"))
    proxy = await larder("- {name: all, match: POST /a, ttl: 5m, key: '{body.x}'}")
    told = await proxy.post("/db/a", b'{"x":1}'.ljust((8 << 20) + 1))
    assert "detail=body-unparsed" in told["Cache-Status"]
    assert len(origin.last.body) == (8 << 20) + 1


async def test_a_token_that_has_ended_finds_nothing(
    larder: StartLarder, origin: Origin, clock: ManualClock
) -> None:
    """RFC 7519 §4.1.4: though what it was given is stored and fresh."""
    part = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=")
        for each in ({"alg": "HS256"}, {"sub": "ann", "exp": clock() + 60})
    ]
    signed = hmac.new(b"k", b".".join(part), hashlib.sha256).digest()
    token = b".".join([*part, base64.urlsafe_b64encode(signed).rstrip(b"=")]).decode()

    def reply(_: Received) -> Answer:
        return answer("x")

    origin.handler = reply
    routes = "- {name: all, match: GET /me, ttl: 1h, scope: [jwt.sub]}"
    proxy = await larder(routes, top="jwt: {key: k}", clock=clock)
    fields = {"Authorization": f"Bearer {token}"}
    told = [await proxy.get("/db/me", fields), await proxy.get("/db/me", fields)]
    clock.advance(60)
    told.append(await proxy.get("/db/me", fields))
    assert x_cache(*told) == ["MISS", "HIT", "BYPASS"]
    assert "detail=missing-selector" in told[2]["Cache-Status"]


async def test_a_text_does_not_pass_for_a_file(larder: StartLarder, origin: Origin) -> None:
    digest = hashlib.sha256(b"song").hexdigest()
    origin.handler = lambda request: answer("file" if b"filename" in request.body else "text")
    proxy = await larder("- {name: all, match: POST /a, ttl: 5m, key: 'k:{form.f}'}")
    fields = {"Content-Type": "multipart/form-data; boundary=b"}
    head = b'--b\r\nContent-Disposition: form-data; name="f"'
    bodies = [
        b'%b; filename="x.mp3"\r\n\r\nsong\r\n--b--' % head,
        *(b"%b\r\n\r\n%b\r\n--b--" % (head, t.encode()) for t in (digest, f"sha256:{digest}")),
    ]
    told = [await proxy.post("/db/a", body, fields) for body in bodies]
    assert [each.body for each in told] == [b"file", b"text", b"text"]


async def test_a_dot_segment_in_a_raw_request_line_is_seen_as_well(
    larder: StartLarder, origin: Origin
) -> None:
    """Most clients resolve them; an attacker's does not."""
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as attacker:
        await attacker.send(request_bytes("GET", "/db/a/../../../x", {}))
        assert (await attacker.answer()).status == 400
    assert len(origin.requests) == 0
