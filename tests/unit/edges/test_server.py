"""The listener over real sockets: heads it refuses, and how a connection lives and ends."""

from __future__ import annotations

import asyncio

import pytest

from proxy.messages import Request
from tests.support.http import Answer, Connection
from tests.support.ports import LOOPBACK
from tests.unit.edges.listener import HOST, serving


async def asked(head: bytes) -> tuple[list[Request], Answer]:
    """What reached the handler of a request in these bytes, and the answer to it."""
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(head)
        method = "HEAD" if head.startswith(b"HEAD") else "GET"
        return served.requests, await client.answer(method)


REFUSED: dict[str, tuple[str, bytes, int]] = {
    "both-framings": (
        "9112 §6.1",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
    ),
    "two-lengths": (
        "9112 §6.3",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        400,
    ),
    "the-same-length-twice": (
        "9112 §6.3",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        400,
    ),
    "list-of-lengths": (
        "9112 §6.3",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\nhello",
        400,
    ),
    "signed-length": (
        "9110 §8.6",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\nhello",
        400,
    ),
    "hex-length": (
        "9110 §8.6",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x5\r\n\r\nhello",
        400,
    ),
    "unknown-coding": (
        "9112 §6.1",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\nx",
        400,
    ),
    "chunked-not-last": (
        "9112 §6.1",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunked-twice": (
        "9112 §7.1",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "obscured-coding": (
        "9112 §6.1",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "coding-in-1.0": (
        "9112 §6.1",
        b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "space-before-colon": (
        "9112 §5.1",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length : 5\r\n\r\nhello",
        400,
    ),
    "folded-line": ("9112 §5.2", b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400),
    "nul-in-value": ("9110 §5.5", b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400),
    "cr-in-value": ("9110 §5.5", b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n", 400),
    "bare-lf-after-field": ("9112 §2.2", b"GET / HTTP/1.1\r\n" + HOST + b"X: a\n\r\n", 400),
    "bare-lf-after-line": ("9112 §2.2", b"GET / HTTP/1.1\n" + HOST + b"\r\n", 400),
    "no-colon": ("9112 §5", b"GET / HTTP/1.1\r\n" + HOST + b"X\r\n\r\n", 400),
    "no-name": ("9112 §5", b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n", 400),
    "no-host": ("9112 §3.2", b"GET / HTTP/1.1\r\n\r\n", 400),
    "two-hosts": ("9112 §3.2", b"GET / HTTP/1.1\r\n" + HOST + b"Host: b\r\n\r\n", 400),
    "host-with-path": ("9112 §3.2", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "host-with-user": ("9112 §3.2", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    "host-with-space": ("9112 §3.2", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "other-host-in-target": (
        "9112 §3.2.2",
        b"GET http://other.test/ HTTP/1.1\r\n" + HOST + b"\r\n",
        400,
    ),
    "no-path": ("9112 §3.2", b"GET path HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "space-in-target": ("9112 §3.2", b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "asterisk-but-get": ("9112 §3.2.4", b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "ftp-target": ("9112 §3.2.2", b"GET ftp://larder.test/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "connect": ("9110 §9.3.6", b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", 501),
    "expectation": ("9110 §10.1.1", b"GET / HTTP/1.1\r\n" + HOST + b"Expect: magic\r\n\r\n", 417),
    "http-2": ("9113 §3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "http-0.9": ("9112 §2.3", b"GET /\r\n\r\n", 505),
    "http-2.0-line": ("9110 §2.5", b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "http-1.2-line": ("9112 §2.3", b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", 400),
    "tls": ("9112 §2", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "endless-line": ("9112 §3", b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n", 414),
    "endless-field": ("9110 §5.4", b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n", 431),
    "endless-fields": (
        "9110 §5.4",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 1000 + b"\r\n",
        431,
    ),
}


@pytest.mark.parametrize(
    ("head", "status"),
    [pytest.param(*row, id=f"{name} [{section}]") for name, (section, *row) in REFUSED.items()],
)
async def test_a_request_that_is_not_plainly_well_formed_is_refused_and_its_connection_closed(
    head: bytes, status: int
) -> None:
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(head)
        refused = await client.answer()
        assert (refused.status, refused.json()["status"]) == (status, status)
        assert (refused["Connection"], await client.to_end()) == ("close", b"")
    assert served.requests == []


ACCEPTED: dict[str, tuple[str, bytes, tuple[str, str, str]]] = {
    "absolute-form": (
        "9112 §3.2.2",
        b"GET http://larder.test/a?b HTTP/1.1\r\n" + HOST + b"\r\n",
        ("/a?b", "larder.test", "GET /a?b "),
    ),
    "absolute-form-without-path": (
        "9112 §3.2.1",
        b"GET http://larder.test?b HTTP/1.1\r\n" + HOST + b"\r\n",
        ("/?b", "larder.test", "GET /?b "),
    ),
    "asterisk-form": (
        "9112 §3.2.4",
        b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
        ("*", "larder.test", "OPTIONS * "),
    ),
    "empty-host": (
        "9112 §3.2",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        ("/", "", "GET / "),
    ),
    "ipv6-host": (
        "9112 §3.2",
        b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
        ("/", "[::1]:8080", "GET / "),
    ),
    "http-1.0-without-host": ("9112 §3.2", b"GET / HTTP/1.0\r\n\r\n", ("/", "", "GET / ")),
    "percent-encoding-untouched": (
        "9110 §4.2.3",
        b"GET /a%2fb/../%7Ec?x=%C3%A4 HTTP/1.1\r\n" + HOST + b"\r\n",
        ("/a%2fb/../%7Ec?x=%C3%A4", "larder.test", "GET /a%2fb/../%7Ec?x=%C3%A4 "),
    ),
    "empty-line-first": (
        "9112 §2.2",
        b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
        ("/", "larder.test", "GET / "),
    ),
    "chunked": (
        "9112 §7.1",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        b'3;ext="a"\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n',
        ("/", "larder.test", "POST / abcde"),
    ),
    "own-method": (
        "9110 §9.1",
        b"PURGE /a HTTP/1.1\r\n" + HOST + b"\r\n",
        ("/a", "larder.test", "PURGE /a "),
    ),
    "latin-1-value": (
        "9110 §5.5",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: \xe4\xff\r\n\r\n",
        ("/", "larder.test", "GET / "),
    ),
}


@pytest.mark.parametrize(
    ("head", "expected"),
    [pytest.param(*row, id=f"{name} [{section}]") for name, (section, *row) in ACCEPTED.items()],
)
async def test_an_unusual_request_that_is_well_formed_is_served(
    head: bytes, expected: tuple[str, str, str]
) -> None:
    requests, answered = await asked(head)
    assert (answered.status, len(requests)) == (200, 1)
    got = requests[0].target, requests[0].authority, answered.body.decode()
    assert got == expected


async def test_fields_reach_the_handler_byte_for_byte() -> None:
    requests, _ = await asked(b"GET / HTTP/1.1\r\n" + HOST + b"x-A:  \xe4 b\t\r\nX-a: \r\n\r\n")
    assert requests[0].fields.items[1:] == (("x-A", "\xe4 b"), ("X-a", ""))
    assert (requests[0].peer, requests[0].scheme) == (LOOPBACK, "http")


async def test_a_client_that_sends_its_head_byte_by_byte_is_served() -> None:
    async with serving() as served, Connection.open(served.url) as client:
        for byte in b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi":
            await client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.answer()).body == b"POST /a hi"


MALFORMED_BODIES = {
    "no-hex": b"zz\r\nabc\r\n0\r\n\r\n",
    "too-long-chunk": b"3\r\nabcd\r\n0\r\n\r\n",
    "signed-size": b"+3\r\nabc\r\n0\r\n\r\n",
    "bare-lf-after-size": b"3\nabc\r\n0\r\n\r\n",
    "bare-cr-in-extension": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "huge-size": b"ffffffffffffffff0\r\nabc\r\n",
}


@pytest.mark.parametrize("body", MALFORMED_BODIES.values(), ids=MALFORMED_BODIES)
async def test_a_malformed_chunked_body_is_refused_and_its_connection_closed(body: bytes) -> None:
    """RFC 9112 §7.1: whatever follows it could be a request of somebody else's."""
    head = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    smuggled = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
    async with serving() as served, Connection.open(served.url) as client:
        await client.send(head + body + smuggled)
        refused = await client.answer()
        assert (refused.status, await client.to_end()) == (400, b"")
    assert [request.target for request in served.requests if request.target != "/"] == []
