"""Request heads: byte for byte, framed for the body, and never two requests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from proxy.errors import ClientError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.request_head import (
    Body,
    Trailed,
    is_repeatable,
    is_replayable,
    no_trailers,
    outgoing,
)

HOST = "api.test"


async def incoming() -> AsyncIterator[bytes]:
    yield b"x"


STREAM = incoming()


def head(method: str, fields: Fields, body: Body, target: str = "/") -> bytes:
    return outgoing(method, target, HOST, fields, body).head


def test_target_and_fields_go_out_byte_for_byte_in_order() -> None:
    fields = Fields([("x-B", "\xe9"), ("X-a", "1"), ("x-b", ""), ("Content-Length", "0")])
    assert head("GET", fields, None, "/a%2Fb//c?x=%20&&=;'\"|") == (
        b"GET /a%2Fb//c?x=%20&&=;'\"| HTTP/1.1\r\nHost: api.test\r\n"
        b"x-B: \xe9\r\nX-a: 1\r\nx-b: \r\nContent-Length: 0\r\n\r\n"
    )


def test_a_host_that_is_there_is_kept_in_its_place() -> None:
    fields = Fields([("Accept", "*/*"), ("host", "other.test")])
    assert head("GET", fields, None) == (
        b"GET / HTTP/1.1\r\nAccept: */*\r\nhost: other.test\r\n\r\n"
    )


FRAMING = [
    ("get-none", "GET", [], None, [], 0),
    ("get-empty", "GET", [], b"", [], 0),
    ("post-none", "POST", [], None, [("Content-Length", "0")], 0),
    ("bytes", "POST", [], b"abc", [("Content-Length", "3")], 3),
    ("bytes-agreeing", "PUT", [("content-length", "3"), ("A", "1")], b"abc", None, 3),
    ("bytes-other", "PUT", [("content-length", "9")], b"abc", [("Content-Length", "3")], 3),
    ("none-other", "GET", [("content-length", "9")], None, [("Content-Length", "0")], 0),
    ("twice", "PUT", [("content-length", "3")] * 2, b"abc", [("Content-Length", "3")], 3),
    ("bytes-te", "PUT", [("TE", "x"), ("Transfer-Encoding", "chunked")], b"abc",
     [("TE", "x"), ("Content-Length", "3")], 3),
    ("stream-length", "POST", [("content-length", "7")], STREAM, None, 7),
    ("stream", "POST", [], STREAM, [("Transfer-Encoding", "chunked")], None),
    ("stream-te", "POST", [("transfer-encoding", "gzip")], STREAM,
     [("Transfer-Encoding", "chunked")], None),
    ("stream-bad-length", "POST", [("content-length", "+7")], STREAM,
     [("Transfer-Encoding", "chunked")], None),
    ("stream-two-lengths", "POST", [("content-length", "7"), ("content-length", "8")], STREAM,
     [("Transfer-Encoding", "chunked")], None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "fields", "body", "expected", "length"),
    [row[1:] for row in FRAMING],
    ids=[row[0] for row in FRAMING],
)
def test_framing_is_what_the_body_calls_for(
    method: str,
    fields: list[tuple[str, str]],
    body: Body,
    expected: list[tuple[str, str]] | None,
    length: int | None,
) -> None:
    made = outgoing(method, "/", HOST, Fields(fields), body)
    lines = [("Host", HOST), *(fields if expected is None else expected)]
    assert made.head == f"{method} / HTTP/1.1\r\n".encode() + Fields(lines).to_bytes() + b"\r\n"
    assert made.length == length


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ("/ HTTP/1.1\r\nX: 1", ("A", "1")),
        ("/a b", ("A", "1")),
        ("/a\n", ("A", "1")),
        ("/", ("A", "1\r\nX-Evil: 1")),
        ("/", ("A", "1\n")),
        ("/", ("A", "1\r")),
        ("/", ("A\r\nB", "1")),
        ("/", ("A", "\0")),
        ("/", ("A", "snow \N{SNOWMAN}")),
        ("/\N{SNOWMAN}", ("A", "1")),
    ],
)
def test_what_would_end_a_line_is_refused(target: str, field: tuple[str, str]) -> None:
    with pytest.raises(ClientError) as told:
        head("GET", Fields([field]), None, target)
    assert told.value.status == 400


def test_the_error_quotes_no_value() -> None:
    with pytest.raises(ClientError) as told:
        head("GET", Fields([("Authorization", "Bearer secret\n")]), None)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("method", "body", "replayable", "repeatable"),
    [
        ("GET", None, True, True),
        ("HEAD", None, True, True),
        ("PUT", b"x", True, True),
        ("DELETE", None, True, True),
        ("QUERY", b"{}", True, True),
        ("POST", None, True, False),
        ("PATCH", b"x", True, False),
        ("get", None, True, False),
        ("PUT", STREAM, False, False),
    ],
)
def test_what_may_be_sent_again(
    method: str, body: Body, replayable: bool, repeatable: bool
) -> None:
    assert is_replayable(body) == replayable
    assert is_repeatable(method, body) == repeatable


@pytest.mark.parametrize(("method", "expected"), [("GET", True), ("HEAD", False)])
def test_an_answer_to_head_has_no_body(method: str, expected: bool) -> None:
    assert outgoing(method, "/", HOST, NO_FIELDS, None).has_answer_body is expected


async def test_a_body_with_trailers_is_its_pieces() -> None:
    told = Fields([("X", "1")])
    body = Trailed(incoming(), lambda: told)
    assert ([piece async for piece in body], body.trailers()) == ([b"x"], told)
    assert (is_replayable(body), no_trailers()) == (False, NO_FIELDS)
