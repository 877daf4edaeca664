"""A way is found where lines were only taken out and put behind, and fits requests alike."""

from __future__ import annotations

import pytest

from proxy.edges.ways import Way, way_of, way_up


def head(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1")


CAME = head("GET /a/1?x=2 HTTP/1.1", "Host: me", "Accept: b", "Connection: keep-alive", "X-Id: 1")
UP = head("GET /base/1?x=2 HTTP/1.1", "Host: up", "Accept: b", "X-Id: 1", "Via: 1.1 larder")


def found(came: bytes, up: bytes) -> Way:
    way = way_up(came, came, up)
    assert way is not None
    return way


def test_it_makes_what_went_up_of_what_came() -> None:
    assert found(CAME, UP).on(CAME) == UP


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("Accept: b", "X-Id: 2"), ("Accept: b", "X-Id: 2")),
        (("X-Id: 2", "Accept: b"), ("X-Id: 2", "Accept: b")),
        (("Accept: b", "X-Id: 2", "X-Id: 3", "X-Other: 4"),) * 2,
        (("X-Id: Host: me",),) * 2,
    ],
)
def test_others_go_up_with_their_own_lines(
    lines: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    came = head("GET /a/1?x=2 HTTP/1.1", "Host: me", "Connection: keep-alive", *lines)
    up = head("GET /base/1?x=2 HTTP/1.1", "Host: up", *expected, "Via: 1.1 larder")
    assert found(CAME, UP).on(came) == up


def test_nothing_taken_out_and_nothing_put_behind() -> None:
    came = head("GET / HTTP/1.1", "Host: me")
    up = head("GET / HTTP/1.1", "Host: up")
    assert found(came, up).on(came) == up


@pytest.mark.parametrize(
    ("came", "up"),
    [
        (CAME, UP[:-2]),
        (CAME[:-2], UP),
        (CAME, head("GET / HTTP/1.1")),
        (CAME, head("GET / HTTP/1.1", "Accept: b", "Host: up")),
        (CAME + b"body", UP),
    ],
)
def test_what_is_no_head_has_none(came: bytes, up: bytes) -> None:
    assert way_up(came, came, up) is None


def test_lines_that_changed_places_have_none() -> None:
    came = head("GET / HTTP/1.1", "Host: me", "A: 1", "B: 2", "A: 1")
    up = head("GET / HTTP/1.1", "Host: up", "B: 2", "A: 1")
    way = way_up(came, came, up)
    assert way is None or way.on(came) == up


def test_what_was_folded_away_must_go_up_as_it_came() -> None:
    assert way_up(CAME, CAME.replace(b"X-Id: 1\r\n", b""), UP) is not None
    dropped = UP.replace(b"X-Id: 1\r\n", b"")
    assert way_up(CAME, CAME, dropped) is not None
    assert way_up(CAME, CAME.replace(b"X-Id: 1\r\n", b""), dropped) is None


def test_it_names_the_fields_that_do_not_go_up_as_they_came() -> None:
    assert found(CAME, UP).named == ("Host", "Connection")
    odd = CAME.replace(b"X-Id: 1", b"X-Id:1")
    assert found(odd, UP).named == ("Host", "Connection", "X-Id")


OK = head("HTTP/1.1 200 OK", "A: 1", "Connection: keep-alive", "Keep-Alive: timeout=5", "B: 2")
WENT = head("HTTP/1.1 200 OK", "A: 1", "B: 2", "X-Cache: BYPASS")


def test_the_way_of_an_answer_has_one_line_of_its_own() -> None:
    way = way_of(OK, OK, WENT, 1)
    assert way is not None
    assert way.named == ("Connection", "Keep-Alive")
    assert (way.first, way.last) == (b"HTTP/1.1 200 OK\r\n", b"X-Cache: BYPASS\r\n\r\n")
    assert way.on(OK) == WENT


@pytest.mark.parametrize(
    "lines",
    [
        ("Connection: keep-alive", "Keep-Alive: timeout=5", "C: 3"),
        ("C: 3", "Keep-Alive: timeout=5", "D: 4", "Connection: keep-alive"),
        ("C: Connection: keep-alive", "Keep-Alive: timeout=5", "Connection: keep-alive"),
    ],
)
def test_lines_that_end_here_are_cut_wherever_they_stand(lines: tuple[str, ...]) -> None:
    way = way_of(OK, OK, WENT, 1)
    assert way is not None
    left = [line for line in lines if not line.startswith(("Connection", "Keep-Alive"))]
    gone = head("HTTP/1.1 200 OK", *left, "X-Cache: BYPASS")
    assert way.on(head("HTTP/1.1 200 OK", *lines)) == gone


def test_another_first_line_goes_in_place_of_what_came() -> None:
    came, went = head("HTTP/1.1 200", "A: 1"), head("HTTP/1.1 200 OK", "A: 1")
    way = way_of(came, came, went, 1)
    assert way is not None
    assert way.on(head("HTTP/1.1 200", "B: 2")) == head("HTTP/1.1 200 OK", "B: 2")


def test_a_head_of_too_few_lines_has_none() -> None:
    came = head("HTTP/1.1 200 OK")
    assert way_of(came, came, came, 1) is not None
    assert way_of(came, came, came, 2) is None
