"""Any token is a method (RFC 9110 §9.1, §16.1): relayed as it came, unsafe, never stored.

The parser in front knows some methods only and is given another in the place of the rest; no
client may gain from that.
"""

from __future__ import annotations

import pytest

from proxy.outcomes import Bypass, Forward
from tests.support.answers import answer
from tests.support.http import Connection, request_bytes
from tests.support.larder import Larder, StartLarder, x_cache
from tests.support.origin import Origin

OFF = "- {name: all, ttl: off}"
FRESH = {"Cache-Control": "public, max-age=60"}
HOST = b"Host: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
METHODS = [
    *("FOO", "get", "Get", "head", "post", "connect", "GETX", "HEADX", "POSTX", "CONNECTX", "GE"),
    *("PRI", "SOURCE", "DESCRIBE", "SETUP", "TEARDOWN", "FLUSH", "PURGE", "BREW", "1", "-"),
    "!#$%&'*+-.^_`|~09azAZ",
    "X" * 64,
]


async def told_of(proxy: Larder, sent: bytes, count: int = 1) -> list[tuple[int, bytes]]:
    """Status and body of as many answers as one connection gets for these bytes, then its end."""
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(sent)
        answers = [await client.answer() for _ in range(count)]
    return [(each.status, each.body) for each in answers]


@pytest.mark.parametrize("method", METHODS)
async def test_it_goes_up_as_it_came_and_its_answer_is_framed_like_any_other(
    larder: StartLarder, origin: Origin, method: str
) -> None:
    origin.handler = lambda request: answer(request.method + request.body.decode(), fields=FRESH)
    proxy = await larder()
    told = [await proxy.ask(method, "/db/a", body=b"+body") for _ in range(2)]
    assert [each.body.decode() for each in told] == [f"{method}+body"] * 2
    assert x_cache(*told) == ["BYPASS", "BYPASS"]
    assert [request.raw.split(b" ")[0].decode() for request in origin.requests] == [method] * 2
    record = proxy.records[-1]
    assert (record.method, record.forward, record.reason) == (
        method,
        Forward.METHOD,
        Bypass.METHOD,
    )
    assert await proxy.entries() == []


@pytest.mark.parametrize("method", ["FOO", "get", "PRI", "post"])
async def test_its_success_invalidates_and_its_failure_does_not(
    larder: StartLarder, origin: Origin, method: str
) -> None:
    """RFC 9111 §4.4."""
    fails = answer("no", status=409)
    origin.reply(answer("1", fields=FRESH), fails, answer("done"), answer("2", fields=FRESH))
    proxy = await larder()
    steps = ["GET", method, "GET", method, "GET"]
    told = [await proxy.ask(step, "/db/a") for step in steps]
    assert [each.body for each in told] == [b"1", b"no", b"1", b"done", b"2"]


async def test_what_is_spelled_almost_like_get_is_not_get(
    larder: StartLarder, origin: Origin
) -> None:
    """§9.1: a method is case-sensitive; no answer of one reaches the other."""
    origin.handler = lambda request: answer(request.method, fields=FRESH)
    proxy = await larder("- {name: gets, match: 'GET /{any:path}', ttl: 5m}")
    told = [await proxy.ask(method, "/db/a") for method in ("get", "GET", "get", "GETX", "GET")]
    assert [each.body for each in told] == [b"get", b"GET", b"get", b"GETX", b"GET"]
    assert [each.method for each in origin.requests] == ["get", "GET", "get", "GETX", "GET"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
async def test_heads_in_pieces_and_one_behind_the_other_are_each_themselves(
    larder: StartLarder, origin: Origin, size: int
) -> None:
    origin.handler = lambda request: answer(f"{request.method} {request.body.decode()}")
    proxy = await larder(OFF)
    heads = [b"FOO", b"GET", b"get", b"POST", b"M-SEARCH"]
    sent = b"".join(b"\r\n" + each + b" /db/a HTTP/1.1\r\n" + HOST + b"\r\n" for each in heads)
    sent += b"BAR /db/a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc"
    sent += b"BAZ /db/a HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n1\r\nx\r\n0\r\n\r\n"
    sent += b"GET /db/a HTTP/1.1\r\n" + HOST + b"\r\n"
    async with Connection.open(proxy.app.proxy_url) as client:
        for at in range(0, len(sent), size):
            await client.send(sent[at : at + size])
        told = [(await client.answer()).body.decode() for _ in range(8)]
    expected = ["FOO ", "GET ", "get ", "POST ", "M-SEARCH ", "BAR abc", "BAZ x", "GET "]
    assert told == expected


@pytest.mark.parametrize("method", ["HEADX", "head", "GETX", "CONNECTX", "connect", "PRI"])
async def test_what_comes_behind_its_body_is_the_next_request_and_nothing_within_it_is(
    larder: StartLarder, origin: Origin, method: str
) -> None:
    """Were one read as HEAD, GET or CONNECT the body would be a request, or the answer cut."""
    origin.handler = lambda request: answer(request.target)
    proxy = await larder(OFF)
    smuggled = request_bytes("GET", "/db/smuggled")
    sent = request_bytes(method, "/db/a", body=smuggled) + request_bytes("GET", "/db/next")
    assert await told_of(proxy, sent, 2) == [(200, b"/a"), (200, b"/next")]
    assert [(each.method, each.target, each.body) for each in origin.requests] == [
        (method, "/a", smuggled),
        ("GET", "/next", b""),
    ]


NEXT = b"GET /db/next HTTP/1.1\r\n" + HOST + b"\r\n"
FOO = b"FOO /db/a HTTP/1.1\r\n" + HOST
REFUSED = {
    "two-lengths": (FOO + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "length-and-coding": (FOO + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n", 400),
    "no-host": (b"FOO /db/a HTTP/1.1\r\n\r\n", 400),
    "bare-lf": (b"FOO /db/a HTTP/1.1\n" + HOST + b"\r\n", 400),
    "asterisk": (b"FOO * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "authority": (b"connect a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "connect-itself": (b"CONNECT a:80 HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "preface-of-http-2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "http-2": (b"FOO /db/a HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "http-0.9": (b"FOO /db/a\r\n\r\n", 505),
    "icecast": (b"SOURCE /db/a ICE/1.0\r\n" + HOST + b"\r\n", 400),
    "two-methods": (b"FOO GET /db/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "line-end": (b"FOO\r\nGET /db/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "carriage-return": (b"FOO\rGET /db/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "tab": (b"FOO\t/db/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "colon": (b"FOO: /db/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "brackets": (b"F(O)O /db/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "quoted": (b'"FOO" /db/a HTTP/1.1\r\n' + HOST + b"\r\n", 400),
    "nul": (b"FO\0O /db/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "bytes": (b"FO\xc3\xa9 /db/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "leading-space": (b" FOO /db/a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "65-bytes": (b"X" * 65 + b" /db/a HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "10-kB": (b"X" * 10_000 + b" /db/a HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "endless": (b"X" * 200_000, 501),
}


@pytest.mark.parametrize(("sent", "status"), REFUSED.values(), ids=REFUSED)
async def test_what_is_no_request_is_refused_and_nothing_behind_it_is_read(
    larder: StartLarder, origin: Origin, sent: bytes, status: int
) -> None:
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(sent + NEXT)
        told = await client.answer()
        assert (told.status, told["Connection"], await client.to_end()) == (status, "close", b"")
    assert told["Cache-Status"] == "larder; detail=bad-request"
    assert origin.requests == []


async def test_an_http_1_0_client_may_use_any_method_too(
    larder: StartLarder, origin: Origin
) -> None:
    origin.handler = lambda request: answer(request.method)
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(b"FOO /db/a HTTP/1.0\r\n\r\n")
        assert (await client.to_end()).endswith(b"\r\n\r\nFOO")


async def test_half_a_method_is_no_request(larder: StartLarder, origin: Origin) -> None:
    """It waits for its rest, and goes with its connection."""
    origin.handler = lambda request: answer(request.method)
    proxy = await larder(OFF)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(request_bytes("GET", "/db/a") + b"DELE")
        assert (await client.answer()).body == b"GET"
        client.writer.write_eof()
        assert await client.to_end() == b""
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(b"TE /db/a HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await client.answer()).body == b"TE"
    assert [each.method for each in origin.requests] == ["GET", "TE"]


async def test_a_method_the_parser_knows_not_waits_its_turn_in_a_flood(
    larder: StartLarder, origin: Origin
) -> None:
    """More than are read ahead, the last one cut within its method."""
    origin.handler = lambda request: answer(request.target)
    proxy = await larder(OFF)
    count = 100
    sent = b"".join(request_bytes("FOO", f"/db/{number}") for number in range(count))
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(sent + b"BA")
        told = [(await client.answer()).body for _ in range(count)]
        await client.send(b"R /db/last HTTP/1.1\r\n" + HOST + b"\r\n")
        told.append((await client.answer()).body)
    assert told == [*(b"/%d" % number for number in range(count)), b"/last"]
