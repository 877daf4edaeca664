"""What is checked of a head beyond its grammar; the whole way over a socket is in test_server."""

from __future__ import annotations

import pytest
from aiohttp import HttpVersion
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from proxy.edges.requests import address_of, body_framing, parse_request
from proxy.errors import ClientError
from proxy.flow.framing import Chunked, Counted
from tests.unit.caching.table import table

Lines = list[tuple[bytes, bytes]]
HOST: Lines = [(b"Host", b"larder.test")]


def message(
    lines: Lines, target: str = "/", method: str = "GET", version: tuple[int, int] = (1, 1)
) -> RawRequestMessage:
    """What aiohttp's parser hands over."""
    texts = [(name.decode(), value.decode("latin-1")) for name, value in lines]
    return RawRequestMessage(
        method,
        target,
        HttpVersion(*version),
        CIMultiDictProxy(CIMultiDict(texts)),
        tuple(lines),
        should_close=False,
        compression=None,
        upgrade=False,
        chunked=False,
        url=URL("/"),
    )


LENGTHS = table(
    ("none", "9112 §6.3", [], 0),
    ("one", "9112 §6.3", [(b"Content-Length", b"12")], 12),
    ("chunked", "9112 §6.3", [(b"Transfer-Encoding", b"chunked")], None),
)


@pytest.mark.parametrize(("lines", "expected"), LENGTHS)
def test_the_length_of_the_body(lines: Lines, expected: int | None) -> None:
    assert parse_request(message([*HOST, *lines]), "http", "")[1] == expected


@pytest.mark.parametrize(
    ("option", "left"),
    [
        (b"accept, X-Key", {"host", "connection", "cookie"}),
        (b"close", {"host", "connection", "cookie", "accept", "x-key"}),
        (b"Host, Cookie", {"connection", "accept", "x-key"}),
    ],
)
def test_what_connection_names_is_gone_before_anything_is_keyed(
    option: bytes, left: set[str]
) -> None:
    """RFC 9110 §7.6.1; the framing and the host were read before."""
    sent = [(b"Accept", b"a"), (b"X-Key", b"k"), (b"Cookie", b"c"), (b"Connection", option)]
    request, _ = parse_request(message([*HOST, *sent]), "http", "")
    assert request.fields.names() == left
    assert request.authority == "larder.test"


CL, TE = b"Content-Length", b"Transfer-Encoding"
REFUSED = table(
    ("two-lengths", "9112 §6.3", message([*HOST, (CL, b"1"), (CL, b"1")]), 400),
    ("underscore", "9110 §8.6", message([*HOST, (CL, b"1_0")]), 400),
    ("superscript", "9110 §8.6", message([*HOST, (CL, b"\xb2")]), 400),
    ("astronomical", "9110 §8.6", message([*HOST, (CL, b"9" * 19)]), 400),
    ("both-framings", "9112 §6.1", message([*HOST, (CL, b"1"), (TE, b"chunked")]), 400),
    ("coding-in-1.0", "9112 §6.1", message([(TE, b"chunked")], version=(1, 0)), 400),
    ("coding-without-end", "9112 §6.3", message([*HOST, (TE, b"gzip")]), 400),
    ("coding-within-chunks", "9112 §6.1", message([*HOST, (TE, b"gzip, Chunked")]), 501),
    ("two-codings", "9112 §6.3", message([*HOST, (TE, b"gzip"), (TE, b"chunked")]), 400),
    ("no-host", "9112 §3.2", message([]), 400),
    ("host-list", "9112 §3.2", message([(b"Host", b"a, b")]), 400),
    ("host-with-fragment", "9112 §3.2", message([(b"Host", b"a#b")]), 400),
    ("host-port", "9112 §3.2", message([(b"Host", b"a:b")]), 400),
    ("host-latin-1", "9112 §3.2", message([(b"Host", b"\xe4")]), 400),
    ("target-without-host", "9112 §3.2.2", message(HOST, "http:///a"), 400),
    ("target-with-user", "9112 §3.2.2", message(HOST, "http://u@larder.test/a"), 400),
    ("target-without-slash", "9112 §3.2.1", message(HOST, "a"), 400),
    ("tunnel", "9110 §9.3.6", message(HOST, "larder.test:443", "CONNECT"), 501),
    ("expectation", "9110 §10.1.1", message([*HOST, (b"Expect", b"x")]), 417),
    ("version", "9110 §2.5", message(HOST, version=(2, 0)), 505),
)


@pytest.mark.parametrize(("head", "status"), REFUSED)
def test_what_is_refused(head: RawRequestMessage, status: int) -> None:
    with pytest.raises(ClientError) as refused:
        parse_request(head, "http", "")
    assert refused.value.status == status


FRAMINGS = table(
    ("none", "9112 §6.3", message(HOST), Counted, True),
    ("length-0", "9112 §6.3", message([(CL, b"0")]), Counted, True),
    ("length", "9112 §6.3", message([(CL, b"5")]), Counted, False),
    ("chunked", "9112 §6.3", message([(TE, b"Chunked")]), Chunked, False),
)


@pytest.mark.parametrize(("head", "kind", "complete"), FRAMINGS)
def test_how_the_body_is_read(head: RawRequestMessage, kind: type, complete: bool) -> None:
    framing = body_framing(head)
    assert framing is not None
    assert (type(framing), framing.complete) == (kind, complete)


FRAMING_FIELDS = {CL.decode(), TE.decode()}
UNFRAMED = [row for row in REFUSED if FRAMING_FIELDS & set(row.values[0].headers)]


@pytest.mark.parametrize(("head", "status"), UNFRAMED)
def test_nothing_is_read_behind_a_head_that_is_refused_for_its_framing(
    head: RawRequestMessage, status: int
) -> None:
    """Two places judge it: they may not differ, or what follows would be read as requests."""
    assert (body_framing(head), status in {400, 501}) == (None, True)


def test_a_target_is_the_bytes_that_came() -> None:
    """Aiohttp's parser reads them as UTF-8; the core's text is latin-1."""
    asked, _ = parse_request(
        message(HOST, b"/\xc3\xa4/\xff".decode("utf-8", "surrogateescape")), "http", ""
    )
    assert asked.target == "/\xc3\xa4/\xff"


@pytest.mark.parametrize(
    ("peer", "expected"),
    [(("127.0.0.1", 5), "127.0.0.1"), (("::1", 5, 0, 0), "::1"), ("/run/s", ""), (None, "")],
)
def test_the_peer_is_an_address_or_nothing(peer: object, expected: str) -> None:
    assert address_of(peer) == expected


def test_expectations_and_hosts_ignore_case() -> None:
    """RFC 9110 §10.1.1, §4.2.3."""
    lines = [(b"Host", b"Larder.TEST"), (b"Expect", b"100-Continue")]
    asked, _ = parse_request(message(lines, "http://larder.test/a"), "http", "")
    assert (asked.authority, asked.target) == ("larder.test", "/a")
