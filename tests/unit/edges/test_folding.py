"""Folding drops whole lines of fields that do not matter, and nothing else."""

from __future__ import annotations

import pytest

from proxy.edges.folding import Folding

HEEDED = ("host", "authorization", "cookie", "x-http-method")


def head(*lines: str, first: str = "GET /a HTTP/1.1", body: str = "") -> bytes:
    """A request of these field lines."""
    return "\r\n".join((first, "Host: a", *lines, "", body)).encode("latin-1")


def knowing(*requests: bytes) -> Folding:
    """A folding that has learnt of these."""
    folding = Folding(HEEDED)
    for request in requests:
        assert folding.learn(request)
    return folding


TRACED = head("X-Trace: 1", "Accept: c", "authorization: b", "X-Größe: ä".replace("öß", "oss"))
FOLDING = knowing(TRACED)


@pytest.mark.parametrize(
    ("request_", "same_as"),
    [
        (TRACED, head("authorization: b")),
        (head("X-Trace: 2"), head()),
        (head("X-Trace: 2,\t3"), head()),
        (head("X-Trace: \xe4"), head()),
        (head("X-Trace: 1", "X-Trace: 2"), head()),
        (
            head("Accept: */*", "Cookie: a", "X-Trace: 1", "Cookie: b"),
            head("Cookie: a", "Cookie: b"),
        ),
        (head("X-Trace: 1", body="\r\nX-Trace: 1\r\n"), head(body="\r\nX-Trace: 1\r\n")),
    ],
)
def test_what_does_not_matter_is_dropped(request_: bytes, same_as: bytes) -> None:
    assert FOLDING.fold(request_) == FOLDING.fold(same_as) == same_as


@pytest.mark.parametrize(
    "request_",
    [
        head("X-Trace: \x01"),
        head("X-Trace:1"),
        head("X-Trace:"),
        head("X-Trace: 1 "),
        head("X-Trace:\t1"),
        head("X-Trace : 1"),
        head(" X-Trace: 1"),
        head("X-Trace: a\nHost: b"),
        head("X-Trace: a\rHost: b"),
        head("X-Trace: a\x00"),
        head("Authorization: c"),
        head("X_HTTP_METHOD: DELETE"),
        head("X-Http-Method: DELETE"),
        head("X-Unknown: 1"),
        head("X-Trace2: 1"),
        head("x-trace: 1"),
        head(first="GET /a HTTP/1.1\r\nX-Trace 1"),
        head(body="X"),
        b"GET /a HTTP/1.1\r\nX-Trace: 1\r\n",
        b"X-Trace: 1\r\nX-Trace: 1\r\n\r\n",
        head(*["X-Trace: 1"] * 65),
        b"",
    ],
)
def test_what_may_matter_or_may_be_malformed_is_not_like_anything_well_formed(
    request_: bytes,
) -> None:
    assert FOLDING.fold(request_) not in {head(), head("authorization: b")}


def test_a_continued_line_is_glued_to_no_other() -> None:
    folded = FOLDING.fold(head("Cookie: a", "X-Trace: 1", " b"))
    assert folded not in {head("Cookie: a"), head("Cookie: a b")}
    assert not Folding(HEEDED).learn(folded)


@pytest.mark.parametrize(
    "request_",
    [
        head("X-Trace: 1", " folded"),
        head("X-Trace : 1"),
        head("X-Trace: \x7f"),
        b"GET / HTTP/1.0\nHost: a\n\n",
        b"GET / HTTP/1.1\r\n",
        head(*["Cookie: a"] * 65),
    ],
)
def test_what_is_not_plainly_lines_of_fields_is_not_learnt_from(request_: bytes) -> None:
    folding = Folding(HEEDED)
    assert not folding.learn(request_)
    assert folding.fold(head("X-Trace: 1")) == head("X-Trace: 1")


def test_a_spelling_is_learnt_when_it_is_seen() -> None:
    folding = knowing(head("X-Trace: 1"))
    assert folding.fold(head("x-TRACE: 1")) == head("x-TRACE: 1")
    assert folding.learn(head("x-TRACE: 1"))
    assert folding.fold(head("x-TRACE: 1", "X-Trace: 2")) == head()


def test_so_many_names_and_no_more() -> None:
    folding = Folding(HEEDED)
    for number in range(60):
        assert folding.learn(head(f"X-{number}: 1"))
    dropped = [folding.fold(head(f"X-{number}: 1")) == head() for number in range(60)]
    assert dropped == [True] * 48 + [False] * 12


def test_which_names_it_heeds() -> None:
    folding = Folding(("Accept-Language", "x_y"))
    assert folding.heeds(())
    assert folding.heeds(("accept-language", "X-Y"))
    assert not folding.heeds(("accept-language", "accept"))
