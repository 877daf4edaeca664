from __future__ import annotations

from email.parser import BytesParser

import pytest

from proxy.caching.dates import format_http_date
from proxy.caching.ranges import MAX_RANGES, Partial, Span, parse_range, partial
from proxy.fields import Fields
from tests.support.build import FieldLines, as_fields, request
from tests.support.clock import NOW
from tests.unit.caching.table import table

BODY = b"0123456789"
TYPED = as_fields({"Content-Type": "text/plain", "Content-Length": "10", "ETag": '"a"'})

# Spans are (first, one after the last), of ten bytes.
RANGES = table(
    ("first-and-last", "9110 §14.1.2", "bytes=0-4", ((0, 5),)),
    ("one-byte", "9110 §14.1.2", "bytes=9-9", ((9, 10),)),
    ("no-last", "9110 §14.1.2", "bytes=5-", ((5, 10),)),
    ("last-beyond-end", "9110 §14.1.2", "bytes=5-999", ((5, 10),)),
    ("suffix", "9110 §14.1.2", "bytes=-3", ((7, 10),)),
    ("suffix-longer-than-all", "9110 §14.1.2", "bytes=-99", ((0, 10),)),
    ("unit-case", "9110 §14.1", "BYTES=0-0", ((0, 1),)),
    ("white-space-and-empty", "9110 §14.1.1", "bytes= 0-0 , ,5-5,", ((0, 1), (5, 6))),
    ("order-kept", "9110 §15.3.7.2", "bytes=8-8, 1-1", ((8, 9), (1, 2))),
    ("overlap-merged", "9110 §15.3.7.2", "bytes=4-6, 0-4", ((0, 7),)),
    ("touching-merged", "9110 §15.3.7.2", "bytes=0-4, 5-9", ((0, 10),)),
    ("contained-merged", "9110 §15.3.7.2", "bytes=0-8, 2-3", ((0, 9),)),
    ("partly-satisfiable", "9110 §14.1.2", "bytes=0-0, 10-", ((0, 1),)),
    ("first-beyond-end", "9110 §14.1.2", "bytes=10-", ()),
    ("empty-suffix", "9110 §14.1.2", "bytes=-0", ()),
    ("last-before-first", "9110 §14.1.1", "bytes=4-2", None),
    ("one-malformed", "9110 §14.2", "bytes=0-0, x", None),
    ("other-unit", "9110 §14.2", "lines=0-4", None),
    ("no-equals", "9110 §14.2", "bytes 0-4", None),
    ("space-in-unit", "9110 §14.2", "bytes =0-4", None),
    ("empty", "9110 §14.2", "bytes=", None),
    ("minus-only", "9110 §14.2", "bytes=-", None),
    ("negative", "9110 §14.2", "bytes=--1", None),
    ("superscript", "9110 §14.2", "bytes=\u00b2-", None),
    ("absurdly-long", "9110 §14.2", f"bytes={'9' * 5000}-", None),
    ("most", "9110 §17.15", "bytes=" + ",".join(["0-0"] * MAX_RANGES), ((0, 1),)),
    ("too-many", "9110 §17.15", "bytes=" + ",".join(["0-0"] * (MAX_RANGES + 1)), None),
)


@pytest.mark.parametrize(("text", "expected"), RANGES)
def test_ranges_are_read(text: str, expected: tuple[Span, ...] | None) -> None:
    assert parse_range(text, len(BODY)) == expected


def test_nothing_can_be_cut_from_an_empty_body() -> None:
    assert parse_range("bytes=0-", 0) is None
    assert parse_range("bytes=-5", 0) is None


def test_one_range_is_sent_as_it_is() -> None:
    asked = request(fields={"Range": "bytes=2-4"})
    expected = as_fields(
        {"Content-Type": "text/plain", "ETag": '"a"', "Content-Range": "bytes 2-4/10"}
    )
    assert partial(asked, TYPED, BODY, NOW) == Partial(206, expected, b"234")


def test_no_satisfiable_range_is_a_416_that_tells_the_length() -> None:
    asked = request(fields={"Range": "bytes=10-"})
    expected = Fields([("Content-Range", "bytes */10")])
    assert partial(asked, TYPED, BODY, NOW) == Partial(416, expected, b"")


@pytest.mark.parametrize("content_type", ["text/plain", None])
def test_several_ranges_are_sent_as_multipart(content_type: str | None) -> None:
    """Read back with the standard library's MIME parser (RFC 9110 §14.6)."""
    fields = TYPED if content_type else TYPED.without("content-type")
    answer = partial(request(fields={"Range": "bytes=8-,0-1"}), fields, BODY, NOW)
    assert answer is not None
    assert answer.status == 206
    assert "content-range" not in answer.fields
    assert "content-length" not in answer.fields
    head = f"Content-Type: {answer.fields.get('content-type')}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + answer.body)
    assert message.get_content_type() == "multipart/byteranges"
    assert [
        (part["content-type"], part["content-range"], part.get_payload(decode=True))
        for part in message.walk()
        if not part.is_multipart()
    ] == [(content_type, "bytes 8-9/10", b"89"), (content_type, "bytes 0-1/10", b"01")]


def test_the_boundary_is_not_in_the_body() -> None:
    asked = request(fields={"Range": "bytes=0-0,2-2"})

    def boundary(body: bytes) -> str:
        answer = partial(asked, TYPED, body, NOW)
        assert answer is not None
        return (answer.fields.get("content-type") or "").partition("boundary=")[2]

    usual = boundary(BODY)
    assert boundary(b"xyz" + usual.encode()) not in {usual, ""}


THEN, LATER = format_http_date(NOW - 600), format_http_date(NOW - 300)
WHOLE = table(
    ("no-range", "9110 §14.2", "GET", {}),
    ("head", "9110 §14.2", "HEAD", {"Range": "bytes=0-1"}),
    ("post", "9110 §14.2", "POST", {"Range": "bytes=0-1"}),
    ("malformed", "9110 §14.2", "GET", {"Range": "bytes=x"}),
    ("if-range-other", "9110 §13.1.5", "GET", {"Range": "bytes=0-1", "If-Range": '"b"'}),
    ("if-range-later", "9110 §13.1.5", "GET", {"Range": "bytes=0-1", "If-Range": LATER}),
)


@pytest.mark.parametrize(("method", "fields"), WHOLE)
def test_when_everything_is_sent(method: str, fields: FieldLines) -> None:
    answer = as_fields({"ETag": '"a"', "Last-Modified": THEN, "Date": LATER})
    assert partial(request(method, fields=fields), answer, BODY, NOW) is None


@pytest.mark.parametrize("validator", ['"a"', THEN])
def test_if_range_that_holds_gives_the_part(validator: str) -> None:
    answer = as_fields({"ETag": '"a"', "Last-Modified": THEN, "Date": LATER})
    asked = request(fields={"Range": "bytes=0-1", "If-Range": validator})
    part = partial(asked, answer, BODY, NOW)
    assert part is not None
    assert part.body == b"01"
