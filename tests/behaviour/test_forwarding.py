"""What a proxy may change in a message and what it must (RFC 9110 §7.6), both ways."""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.http import Connection
from tests.support.larder import StartLarder
from tests.support.origin import Origin

OFF = "- {name: all, ttl: off}"
HOP_BY_HOP = [
    ("Connection", "keep-alive, X-Private"),
    ("X-Private", "1"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "keep-alive"),
    ("TE", "gzip;q=0.5"),
]
GONE = {"x-private", "keep-alive", "proxy-connection", "te", "upgrade"}


@pytest.mark.parametrize("routes", ["", OFF, "- {name: all, ttl: 5m}"], ids=["http", "off", "rule"])
async def test_hop_by_hop_fields_end_here(larder: StartLarder, origin: Origin, routes: str) -> None:
    """§7.6.1: and whatever Connection names; everything else goes on, in both directions."""
    origin.reply(
        answer(
            "x",
            fields=[
                ("Connection", "X-Private"),
                ("X-Private", "1"),
                ("Keep-Alive", "timeout=5"),
                ("X-Kept", "2"),
            ],
        )
    )
    proxy = await larder(routes)
    told = await proxy.get("/db/a", [*HOP_BY_HOP, ("X-Kept", "1")])
    sent = origin.last.fields
    assert not GONE & sent.names()
    assert sent.get("x-kept") == "1"
    assert "x-private" not in (sent.get("connection") or "").lower()
    assert not {"x-private", "keep-alive"} & told.fields.names()
    assert told["X-Kept"] == "2"


async def test_fields_keep_their_spelling_order_and_repeats(
    larder: StartLarder, origin: Origin
) -> None:
    lines = [("X-b", "1"), ("x-A", "ü".encode().decode("latin-1")), ("X-b", "2"), ("X-Empty", "")]
    origin.reply(answer("x", fields=lines))
    proxy = await larder(OFF)
    told = await proxy.get("/db/a", lines)
    kept = {"x-a", "x-b", "x-empty"}
    assert [each for each in origin.last.fields if each[0].lower() in kept] == lines
    assert [each for each in told.fields if each[0].lower() in kept] == lines


async def test_via_names_each_hop(larder: StartLarder, origin: Origin) -> None:
    """§7.6.3: added to what is there."""
    origin.handler = lambda _: answer("x")
    proxy = await larder()
    await proxy.get("/db/a", {"Via": "1.0 fred"})
    assert origin.last.fields.get("via") == "1.0 fred, 1.1 larder"


async def test_a_request_that_goes_in_circles_is_ended(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder()
    told = await proxy.get("/db/a", {"Via": ", ".join(["1.1 larder"] * 20)})
    assert told.status == 508
    assert origin.requests == []


async def test_a_relayed_request_says_for_whom(larder: StartLarder, origin: Origin) -> None:
    """X-Forwarded-* and Forwarded speak of this hop; what an unknown peer claims in them goes."""
    origin.handler = lambda _: answer("x")
    proxy = await larder(OFF)
    claims = {"X-Forwarded-For": "10.0.0.9", "Forwarded": "for=10.0.0.9"}
    await proxy.get("/db/a", {"Host": "api.test", **claims})
    sent = origin.last.fields
    assert sent.get("x-forwarded-for") == "127.0.0.1"
    assert sent.get("forwarded") == "for=127.0.0.1;host=api.test;proto=http"
    assert sent.get("x-forwarded-proto") == "http"
    assert sent.get("x-forwarded-host") == "api.test"
    assert sent.get("host") == f"127.0.0.1:{origin.port}"


async def test_nothing_outside_the_key_shapes_an_answer_that_is_stored(
    larder: StartLarder, origin: Origin
) -> None:
    """Cache poisoning by unkeyed fields: what a client claims of hosts does not go up."""
    origin.handler = lambda _: answer("x")
    proxy = await larder("- {name: all, ttl: 5m}")
    claims = [
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Host",
        "Forwarded",
        "X-Forwarded-Prefix",
        "X-Original-Host",
    ]
    await proxy.get("/db/a", [(name, "evil.test") for name in claims])
    assert "evil.test" not in origin.last.raw.decode()


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        pytest.param("/db/a%2Fb", "/a%2Fb", id="encoded-slash"),
        pytest.param("/db/a/../b", "/a/../b", id="dots"),
        pytest.param("/db/a/%2e%2e/b", "/a/%2e%2e/b", id="encoded-dots"),
        pytest.param("/db//a//b/", "//a//b/", id="double-slashes"),
        pytest.param("/db/a?", "/a?", id="empty-query"),
        pytest.param("/db", "/", id="the-mount-itself"),
        pytest.param("/db?x=1", "/?x=1", id="the-mount-with-a-query"),
        pytest.param("/db/a?x=%20+%e4&&y", "/a?x=%20+%e4&&y", id="query-as-it-is"),
        pytest.param("/db/a?x=1?y=2", "/a?x=1?y=2", id="question-mark-in-a-query"),
        pytest.param("/db/%C3%BC%zz", "/%C3%BC%zz", id="bad-escape"),
        pytest.param("/db/a;p=1,2:3@4!$&'()*", "/a;p=1,2:3@4!$&'()*", id="sub-delimiters"),
        pytest.param("http://larder.test/db/a?x", "/a?x", id="absolute-form"),
    ],
)
@pytest.mark.parametrize("routes", ["", OFF], ids=["http", "off"])
async def test_the_target_goes_up_byte_for_byte(
    larder: StartLarder, origin: Origin, routes: str, asked: str, sent: str
) -> None:
    origin.handler = lambda _: answer("x", fields=[("Cache-Control", "max-age=60")])
    proxy = await larder(routes)
    told = await proxy.get(asked)
    assert (told.status, origin.last.target) == (200, sent)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"GET /db/a HTTP/1.1\r\n\r\n", id="no-host"),
        pytest.param(b"GET /db/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", id="two-hosts"),
        pytest.param(b"GET /db/\xc3\xbc HTTP/1.1\r\nHost: a\r\n\r\n", id="bytes-no-uri-may-have"),
        pytest.param(b"GET db/a HTTP/1.1\r\nHost: a\r\n\r\n", id="no-slash"),
        pytest.param(b"GET /db/a HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n", id="space-in-a-name"),
        pytest.param(b"GET /db/a HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", id="space-before-colon"),
        pytest.param(
            b"POST /db/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="both-lengths",
        ),
        pytest.param(
            b"POST /db/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            id="two-lengths",
        ),
        pytest.param(
            b"POST /db/a HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", id="signed-length"
        ),
        pytest.param(
            b"POST /db/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            id="unknown-coding",
        ),
        pytest.param(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", id="connect"),
        pytest.param(b"\x16\x03\x01\x02\x00\r\n\r\n", id="tls-on-a-plain-port"),
    ],
)
async def test_a_bad_request_is_refused_and_its_connection_closed(
    larder: StartLarder, origin: Origin, raw: bytes
) -> None:
    """RFC 9112 §2.2, §3.2, §6.3: nothing that could be read in two ways goes further."""
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(raw)
        told = await client.answer()
        assert told.status in {400, 501}
        assert await client.to_end() == b""
    assert origin.requests == []


@pytest.mark.parametrize("size", [8_000, 30_000, 60_000])
async def test_large_fields_pass_both_ways(larder: StartLarder, origin: Origin, size: int) -> None:
    big = "x" * size
    origin.reply(answer("x", fields=[("X-Big", big), *[(f"X-{n}", "y" * 100) for n in range(90)]]))
    proxy = await larder(OFF)
    told = await proxy.get(f"/db/a?{big[:8000]}", {"X-Big": big})
    assert (told.status, told["X-Big"], told["X-89"]) == (200, big, "y" * 100)
    assert origin.last.fields.get("x-big") == big


async def test_fields_too_large_are_refused(larder: StartLarder, origin: Origin) -> None:
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a", {"X-Big": "x" * 200_000})
        assert (await client.start()).status in {400, 431}
    assert origin.requests == []


# -- Expect: 100-continue (RFC 9110 §10.1.1)

EXPECTS = b"POST /db/a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"


@pytest.mark.parametrize(
    "routes", ["", "- {name: all, match: POST /a, ttl: 5m}"], ids=["relayed", "keyed"]
)
async def test_a_client_that_waits_is_invited_once(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    origin.reply(answer("done"))
    proxy = await larder(routes)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(EXPECTS)
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await client.send(b"body")
        told = await client.answer()
    assert (told.status, told.body, told.interim) == (200, b"done", ())
    assert origin.last.body == b"body"


async def test_a_refusal_comes_without_an_invitation(larder: StartLarder) -> None:
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(EXPECTS.replace(b"/db/", b"/nowhere/"))
        told = await client.answer()
    assert (told.status, told.interim) == (404, ())


async def test_an_unknown_expectation_is_417(larder: StartLarder) -> None:
    proxy = await larder()
    assert (await proxy.get("/db/a", {"Expect": "magic"})).status == 417


async def test_interim_answers_are_relayed(larder: StartLarder, origin: Origin) -> None:
    origin.reply(answer("x", interim=[(103, [("Link", "</a.css>; rel=preload")])]))
    proxy = await larder()
    told = await proxy.get("/db/a")
    assert [(each.status, each["Link"]) for each in told.interim] == [
        (103, "</a.css>; rel=preload")
    ]
    assert told.body == b"x"
