"""What goes on to a client before the head and behind the body."""

from __future__ import annotations

import pytest

from proxy.decisions.trailing import NOT_IN_TRAILERS, interim_fields, takes_trailers, trailers_for
from proxy.fields import NO_FIELDS, Fields
from tests.unit.caching.table import table

TAKES = table(
    ("trailers", "9110 §10.1.4", [("TE", "trailers")], True),
    ("in-a-list", "9110 §10.1.4", [("TE", "gzip;q=0.5, Trailers")], True),
    ("on-two-lines", "9110 §5.3", [("TE", "gzip"), ("te", "trailers")], True),
    ("a-coding", "9110 §10.1.4", [("TE", "gzip")], False),
    ("empty", "9110 §10.1.4", [("TE", "")], False),
    ("announced-only", "9110 §6.6.2", [("Trailer", "X")], False),
)


@pytest.mark.parametrize(("lines", "expected"), TAKES)
def test_who_takes_trailers(lines: list[tuple[str, str]], expected: bool) -> None:
    assert takes_trailers(Fields(lines)) == expected
    sent = Fields([("X-Sum", "1")])
    assert trailers_for(Fields(lines), sent) == (sent if expected else NO_FIELDS)


def test_fields_that_belong_into_a_head_are_dropped_from_trailers() -> None:
    """RFC 9110 §6.5.1: framing, routing, control, credentials, and how to read the content."""
    sent = Fields([*((name.title(), "1") for name in sorted(NOT_IN_TRAILERS)), ("ETag", '"1"')])
    assert trailers_for(Fields([("TE", "trailers")]), sent) == Fields([("ETag", '"1"')])
    must = {"content-length", "transfer-encoding", "host", "set-cookie", "cache-control", "vary"}
    assert must <= NOT_IN_TRAILERS


def test_an_interim_answer_frames_nothing_and_says_nothing_of_its_connection() -> None:
    """RFC 9110 §15.2, §7.6.1: a Content-Length in it could desynchronise the client."""
    lines = [("Link", "</a>"), ("Content-Length", "5"), ("Connection", "x"), ("X", "1")]
    framing = [("Transfer-Encoding", "chunked"), ("Keep-Alive", "timeout=1")]
    assert interim_fields(Fields([*lines, *framing])) == Fields([("Link", "</a>")])
