"""Heads as the parser gets them: each by itself, under a method that it knows."""

from __future__ import annotations

import pytest

from proxy.edges.heads import MAX_METHOD, Heads
from proxy.errors import ClientError

REST = b" /a HTTP/1.1\r\nHost: a\r\n\r\n"


def read(*pieces: bytes) -> tuple[str, bytes, bytes, bool]:
    """The method, what the parser got, what came behind the head, whether it was complete."""
    heads, given, behind = Heads(), b"", b""
    for piece in pieces:
        part, behind = heads.cut(piece)
        given += part
    return heads.method, given, behind, heads.complete


METHODS = [
    *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"),
    *("get", "GETX", "GE", "PRI", "SOURCE", "DESCRIBE", "M-SEARCH", "1", "!#$%&'*+-.^_`|~"),
    "X" * MAX_METHOD,
]


@pytest.mark.parametrize("method", METHODS)
def test_any_token_is_a_method_and_the_parser_is_given_one_it_knows(method: str) -> None:
    known = method.encode() if method in METHODS[:8] else b"POST"
    assert read(method.encode() + REST) == (method, known + REST, b"", True)


@pytest.mark.parametrize("method", ["GET", "get", "PURGE"])
def test_it_is_the_same_however_the_bytes_are_cut(method: str) -> None:
    whole = b"\r\n" + method.encode() + REST
    for size in range(1, len(whole)):
        cut = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert read(*cut) == read(whole)


REFUSED = {
    "empty": (b" /a", 400),
    "tab": (b"GET\t/a", 400),
    "line-end": (b"GET\r\n", 400),
    "colon": (b"GET:", 400),
    "bytes": (b"G\xc3T /a", 400),
    "nul": (b"\0", 400),
    "slash": (b"/a HTTP/1.1", 400),
    "tls": (b"\x16\x03\x01", 400),
    "long": (b"X" * (MAX_METHOD + 1) + REST, 501),
    "long-and-none": (b"X" * MAX_METHOD + b"\xc3 /a", 400),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_method_is_refused_at_once(data: bytes, status: int) -> None:
    with pytest.raises(ClientError) as refused:
        read(data)
    assert refused.value.status == status
    with pytest.raises(ClientError):
        read(*(data[at : at + 1] for at in range(len(data))))


def test_nothing_behind_a_head_is_given_to_the_parser() -> None:
    heads = Heads()
    given, behind = heads.cut(b"FOO" + REST + b"GET /b")
    assert (given, behind, heads.method) == (b"POST" + REST, b"GET /b", "FOO")
    heads.next()
    assert heads.cut(behind) == (b"GET /b", b"")
    assert (heads.method, heads.complete) == ("GET", False)


def test_only_the_method_itself_is_changed() -> None:
    """Not where the same bytes come again."""
    head = b"FOO /FOO HTTP/1.1\r\nFOO: FOO \r\n\r\n"
    assert read(head)[1] == b"POST" + head[3:]


def test_between_two_heads_nothing_of_another_has_come() -> None:
    heads = Heads()
    assert heads.between
    for piece in (b"GE", b"T / HTTP/1.1\r\nHost: x\r\n", b"\r\n"):
        heads.cut(piece)
        assert not heads.between
    heads.next()
    assert heads.between
    heads.cut(b"\r\n")  # an empty line is of no head
    assert heads.between
