"""Requests that two readers could read in two ways (RFC 9112 §11.2): refused, or made plain.

After each the connection is closed, or the next request on it is shown to be itself.
"""

from __future__ import annotations

import pytest

from tests.support.answers import answer
from tests.support.http import Connection
from tests.support.larder import Larder, StartLarder
from tests.support.origin import Origin
from tests.unit.caching.table import table

OFF = "- {name: all, ttl: off}"
HOST = b"Host: a\r\n"
POST = b"POST /db/a HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /db/smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
NEXT = b"GET /db/next HTTP/1.1\r\n" + HOST + b"\r\n"


def post(*lines: bytes, body: bytes = b"5\r\nhello\r\n0\r\n\r\n") -> bytes:
    return POST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def get(target: bytes = b"/db/a", *lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    head = b"GET " + target + b" " + version + b"\r\n" + HOST
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


CL, TE = b"Content-Length: ", b"Transfer-Encoding: "
REFUSED = table(
    # Two lengths.
    ("cl-te", "9112 §6.1", post(CL + b"5", TE + b"chunked")),
    ("te-cl", "9112 §6.1", post(TE + b"chunked", CL + b"5")),
    ("cl-te-identity", "9112 §6.1", post(CL + b"5", TE + b"identity", body=b"hello")),
    ("two-lengths", "9112 §6.3", post(CL + b"5", CL + b"6", body=b"hello")),
    ("one-length-twice", "9112 §6.3", post(CL + b"5", CL + b"5", body=b"hello")),
    ("list-of-lengths", "9112 §6.3", post(CL + b"5, 5", body=b"hello")),
    # Lengths that are none.
    ("negative", "9110 §8.6", post(CL + b"-5", body=b"hello")),
    ("signed", "9110 §8.6", post(CL + b"+5", body=b"hello")),
    ("hex", "9110 §8.6", post(CL + b"0x5", body=b"hello")),
    ("fraction", "9110 §8.6", post(CL + b"5.0", body=b"hello")),
    ("exponent", "9110 §8.6", post(CL + b"5e0", body=b"hello")),
    ("underscore", "9110 §8.6", post(CL + b"0_5", body=b"hello")),
    ("two-words", "9110 §8.6", post(CL + b"5 5", body=b"hello")),
    ("quoted", "9110 §8.6", post(CL + b'"5"', body=b"hello")),
    ("other-digits", "9110 §8.6", post(CL + b"\xb2", body=b"hello")),
    ("empty-length", "9110 §8.6", post(CL, body=b"hello")),
    ("overflowing", "9110 §8.6", post(CL + b"18446744073709551621", body=b"hello")),
    # Codings that some read as chunked and some do not.
    ("space-before-colon", "9112 §5.1", post(b"Transfer-Encoding : chunked")),
    ("tab-before-colon", "9112 §5.1", post(b"Transfer-Encoding\t: chunked")),
    ("space-before-name", "9112 §2.2", POST + b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("xchunked", "9112 §6.1", post(TE + b"xchunked")),
    ("chunkedx", "9112 §6.1", post(TE + b"chunkedx")),
    ("quoted-coding", "9112 §6.1", post(TE + b'"chunked"')),
    ("vertical-tab", "9112 §6.1", post(TE + b"\x0bchunked")),
    ("chunked-then-identity", "9112 §6.1", post(TE + b"chunked, identity")),
    ("two-codings-on-two-lines", "9112 §6.1", post(TE + b"chunked", TE + b"identity")),
    ("identity-then-chunked", "9112 §6.1", post(TE + b"identity", TE + b"chunked")),
    ("gzip-then-chunked", "9112 §6.1", post(TE + b"gzip, chunked")),
    ("chunked-twice", "9112 §6.1", post(TE + b"chunked, chunked")),
    ("chunked-with-parameter", "9112 §7", post(TE + b"chunked;a=b")),
    ("coding-after-nul", "9110 §5.5", post(TE + b"\0chunked")),
    ("folded-coding", "9112 §5.2", post(b"Transfer-Encoding:\r\n chunked")),
    ("coding-in-1.0", "9112 §6.1", post(TE + b"chunked").replace(b"HTTP/1.1", b"HTTP/1.0")),
    # Line ends.
    ("obs-fold", "9112 §5.2", get(b"/db/a", b"X: a\r\n b")),
    ("fold-hides-a-length", "9112 §5.2", post(b"X: a\r\n Content-Length: 5", body=b"hello")),
    ("bare-lf-after-line", "9112 §2.2", b"GET /db/a HTTP/1.1\n" + HOST + b"\r\n"),
    ("bare-lf-after-field", "9112 §2.2", get(b"/db/a", b"X: a\nY: b")),
    ("bare-lf-at-the-end", "9112 §2.2", b"GET /db/a HTTP/1.1\r\nHost: a\n\n"),
    ("bare-cr-in-a-value", "9112 §2.2", get(b"/db/a", b"X: a\rContent-Length: 5")),
    ("bare-cr-after-line", "9112 §2.2", b"GET /db/a HTTP/1.1\r" + HOST + b"\r\n"),
    # Bytes that have no place.
    ("nul-in-a-value", "9110 §5.5", get(b"/db/a", b"X: a\0b")),
    ("nul-in-a-name", "9110 §5.1", get(b"/db/a", b"X\0: a")),
    ("control-in-a-value", "9110 §5.5", get(b"/db/a", b"X: a\x01b")),
    ("del-in-a-value", "9110 §5.5", get(b"/db/a", b"X: a\x7fb")),
    ("bytes-in-a-name", "9110 §5.1", get(b"/db/a", b"X\xe4: a")),
    ("nul-in-the-target", "9112 §3.2", get(b"/db/a\0b")),
    ("control-in-the-target", "9112 §3.2", get(b"/db/a\x01b")),
    ("del-in-the-target", "9112 §3.2", get(b"/db/a\x7fb")),
    ("tab-in-the-target", "9112 §3.2", get(b"/db/a\tb")),
    ("space-in-the-target", "9112 §3.2", get(b"/db/a b")),
    ("cr-in-the-target", "9112 §3.2", get(b"/db/a\rb")),
    ("version-in-the-target", "9112 §3", get(b"/db/a HTTP/1.1 X")),
    # Names of hosts.
    ("two-hosts", "9112 §3.2", get(b"/db/a", b"Host: b")),
    ("the-same-host-twice", "9112 §3.2", get(b"/db/a", b"Host: a")),
    ("absolute-and-another-host", "9112 §3.2.2", get(b"http://b/db/a")),
    ("absolute-and-another-port", "9112 §3.2.2", get(b"http://a:81/db/a")),
    ("absolute-with-user", "9110 §4.2.4", get(b"http://a@b/db/a")),
    ("host-with-two-names", "9112 §3.2", get().replace(b"Host: a", b"Host: a, b")),
    ("no-host", "9112 §3.2", get().replace(HOST, b"")),
    # What is no request of this protocol.
    ("http-0.9", "9112 §3", b"GET /db/a\r\n\r\n"),
    ("http-1.2", "9112 §2.3", get(version=b"HTTP/1.2")),
    ("http-2", "9112 §2.3", get(version=b"HTTP/2.0")),
    ("lower-case-version", "9112 §2.3", get(version=b"http/1.1")),
    ("space-in-the-method", "9112 §3.1", b" GET /db/a HTTP/1.1\r\n" + HOST + b"\r\n"),
)  # fmt: skip


async def refused(proxy: Larder, attack: bytes) -> int:
    """The status of the only answer on a connection that is closed behind it."""
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(attack)
        told = await client.answer()
        assert (told["Connection"], await client.to_end()) == ("close", b"")
        return told.status


@pytest.mark.parametrize("attack", REFUSED)
async def test_what_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(
    larder: StartLarder, origin: Origin, attack: bytes
) -> None:
    proxy = await larder(OFF)
    assert await refused(proxy, attack + SMUGGLED) in {400, 501, 505}
    assert origin.requests == []


BODIES = table(
    ("no-size", "9112 §7.1", b"\r\nhello\r\n0\r\n\r\n"),
    ("no-hex", "9112 §7.1", b"z\r\nhello\r\n0\r\n\r\n"),
    ("signed-size", "9112 §7.1", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("negative-size", "9112 §7.1", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("prefixed-size", "9112 §7.1", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("size-of-64-bits", "9112 §7.1", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("size-all-ones", "9112 §7.1", b"ffffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    ("chunk-too-long", "9112 §7.1", b"3\r\nhello\r\n0\r\n\r\n"),
    ("lf-after-size", "9112 §2.2", b"5\nhello\r\n0\r\n\r\n"),
    ("lf-after-chunk", "9112 §2.2", b"5\r\nhello\n0\r\n\r\n"),
    ("lf-in-extension", "9112 §7.1.1", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ("cr-in-extension", "9112 §7.1.1", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("nul-in-extension", "9112 §7.1.1", b"5;a\0b\r\nhello\r\n0\r\n\r\n"),
    ("lf-in-trailer", "9112 §7.1.2", b"0\r\nX: a\nY: b\r\n\r\n"),
    ("folded-trailer", "9112 §7.1.2", b"0\r\nX: a\r\n b\r\n\r\n"),
    ("endless-trailer", "9110 §5.4", b"0\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"),
)


@pytest.mark.parametrize("body", BODIES)
async def test_a_malformed_chunked_body_that_comes_at_once_never_goes_up(
    larder: StartLarder, origin: Origin, body: bytes
) -> None:
    proxy = await larder(OFF)
    assert await refused(proxy, CHUNKED + b"\r\n" + body + SMUGGLED) == 400
    assert [request for request in origin.requests if request.whole] == []


@pytest.mark.parametrize("body", BODIES)
async def test_a_malformed_chunked_body_that_comes_later_is_never_whole_for_the_upstream(
    larder: StartLarder, origin: Origin, body: bytes
) -> None:
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(CHUNKED + b"\r\n1\r\na\r\n")
        await origin.received(1)
        await client.send(body + SMUGGLED)
        told = await client.answer()
        assert (told.status, await client.to_end()) == (400, b"")
    await origin.closed(1)
    assert [(request.target, request.whole) for request in origin.requests] == [("/a", False)]


PLAIN = table(
    ("leading-empty-line", "9112 §2.2", b"\r\n" + get(), b""),
    ("absolute-form", "9112 §3.2.2", get(b"http://A/db/a"), b""),
    ("get-with-body", "9110 §9.3.1", get(b"/db/a", CL + b"5") + b"hello", b"hello"),
    ("body-that-looks-like-a-request", "9112 §6.3",
     post(CL + b"%d" % len(SMUGGLED), body=SMUGGLED), SMUGGLED),
    ("length-with-zeros", "9110 §8.6", post(CL + b"005", body=b"hello"), b"hello"),
    ("length-zero", "9112 §6.3", post(CL + b"0", body=b""), b""),
    ("coding-in-other-case", "9112 §7", post(TE + b"ChUnKeD"), b"hello"),
    ("coding-with-spaces", "9112 §5.1", post(b"Transfer-Encoding: \t chunked \t"), b"hello"),
    ("extensions", "9112 §7.1.1", post(TE + b"chunked", body=b'5;a="b"\r\nhello\r\n0;c\r\n\r\n'),
     b"hello"),
    ("chunk-that-looks-like-the-end", "9112 §7.1",
     post(TE + b"chunked", body=b"5\r\n0\r\n\r\n\r\n0\r\n\r\n"), b"0\r\n\r\n"),
    ("trailers", "9112 §7.1.2",
     post(TE + b"chunked", body=b"1\r\na\r\n0\r\nHost: b\r\n\r\n"), b"a"),
    ("length-in-a-trailer", "9110 §6.5.1",
     post(TE + b"chunked", body=b"1\r\na\r\n0\r\nContent-Length: 9\r\n\r\n"), b"a"),
    ("length-named-by-connection", "9110 §7.6.1",
     post(CL + b"5", b"Connection: Content-Length", body=b"hello"), b"hello"),
    ("coding-named-by-connection", "9110 §7.6.1",
     post(TE + b"chunked", b"Connection: Transfer-Encoding"), b"hello"),
    ("host-named-by-connection", "9110 §7.6.1", get(b"/db/a", b"Connection: Host"), b""),
    ("declined-upgrade", "9110 §7.8", get(b"/db/a", b"Upgrade: h2c"), b""),
)  # fmt: skip


@pytest.mark.parametrize(("sent", "body"), PLAIN)
async def test_what_is_odd_but_plain_goes_up_as_one_request_and_the_next_as_itself(
    larder: StartLarder, origin: Origin, sent: bytes, body: bytes
) -> None:
    """Framed anew, so that the upstream needs not read it as we did."""
    origin.handler = lambda request: answer(request.target)
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(sent + NEXT)
        told = [(await client.answer()).body for _ in range(2)]
    assert told == [b"/a", b"/next"]
    assert [(each.target, each.body) for each in origin.requests] == [("/a", body), ("/next", b"")]
    framing = [origin.requests[0].fields.get_all(name) for name in ("content-length", "te")]
    assert (len(framing[0]) <= 1, framing[1]) == (True, ())
    assert origin.requests[0].fields.get_all("host") == (f"127.0.0.1:{origin.port}",)


@pytest.mark.parametrize("routes", ["", OFF], ids=["http", "off"])
async def test_a_malformed_request_takes_no_good_one_before_it_along(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    """RFC 9112 §9.3.2: answers come in the order of their requests, the refusal the last."""
    origin.handler = lambda request: answer(request.target + request.body.decode())
    proxy = await larder(routes)
    good = get(b"/db/1") + post(CL + b"5", body=b"hello") + get(b"/db/2")
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(good + get(b"/db/3", b"X : 1") + SMUGGLED)
        told = [await client.answer() for _ in range(4)]
        assert await client.to_end() == b""
    assert [each.status for each in told] == [200, 200, 200, 400]
    assert [each.body for each in told[:3]] == [b"/1", b"/ahello", b"/2"]
    assert len(origin.requests) == 3
