"""Parts of answers: what is believed of a 206, what is joined, what is cut from a part."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.caching.partial import (
    as_whole,
    asks_one_range,
    beginning,
    combine,
    completed,
    excerpt,
    join,
    parse_content_range,
    received_part,
    strong_validator,
)
from proxy.messages import Part, StoredResponse
from tests.support.build import FieldLines, request, response, stored
from tests.unit.caching.table import table

BODY = b"0123456789"
ETAG = '"v1"'
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
A_SECOND_LATER = "Sun, 06 Nov 1994 08:49:38 GMT"


def held(first: int, end: int, length: int | None = 10, **changes: Any) -> StoredResponse:
    """A stored part of BODY."""
    fields = changes.pop("fields", {"ETag": ETAG})
    part = Part(first, end, length)
    return stored(BODY[first:end], status=206, fields=fields, part=part, **changes)


CONTENT_RANGES = table(
    ("whole-known", "9110 §14.4", "bytes 0-4/10", Part(0, 5, 10)),
    ("length-unknown", "9110 §14.4", "bytes 5-9/*", Part(5, 10, None)),
    ("one-byte", "9110 §14.4", "bytes 9-9/10", Part(9, 10, 10)),
    ("unit-case", "9110 §14.1", "Bytes 0-0/1", Part(0, 1, 1)),
    ("around-it", "9110 §5.5", " bytes 0-4/10\t", Part(0, 5, 10)),
    ("end-at-length", "9110 §14.4", "bytes 5-10/10", None),
    ("last-before-first", "9110 §14.4", "bytes 5-4/10", None),
    ("unsatisfied", "9110 §14.4", "bytes */10", None),
    ("other-unit", "9110 §14.1", "lines 0-4/10", None),
    ("as-in-a-request", "9110 §14.4", "bytes=0-4/10", None),
    ("no-length", "9110 §14.4", "bytes 0-4", None),
    ("two-spaces", "9110 §14.4", "bytes  0-4/10", None),
    ("no-last", "9110 §14.4", "bytes 0-/10", None),
    ("negative", "9110 §14.4", "bytes -1-4/10", None),
    ("list", "9110 §5.3", "bytes 0-4/10, bytes 0-4/10", None),
    ("superscript", "9110 §14.4", "bytes 0-\u00b2/10", None),
    ("absurdly-long", "9110 §14.4", f"bytes 0-4/{'9' * 5000}", None),
    ("empty", "9110 §14.4", "", None),
)


@pytest.mark.parametrize(("text", "expected"), CONTENT_RANGES)
def test_content_range_is_read(text: str, expected: Part | None) -> None:
    assert parse_content_range(text) == expected


GOOD = {"ETag": ETAG, "Content-Range": "bytes 0-4/10"}
TWICE = [("Content-Range", "bytes 0-4/10"), ("Content-Range", "bytes 0-4/10"), ("ETag", ETAG)]
RECEIVED = table(
    ("plain", "9110 §15.3.7.1", 206, GOOD, Part(0, 5, 10)),
    ("length-agrees", "9110 §15.3.7.1", 206, {**GOOD, "Content-Length": "5"}, Part(0, 5, 10)),
    ("length-differs", "9110 §15.3.7.1", 206, {**GOOD, "Content-Length": "6"}, None),
    ("length-malformed", "9110 §8.6", 206, {**GOOD, "Content-Length": "5, 5"}, None),
    ("not-a-206", "9110 §14.4", 200, GOOD, None),
    ("no-content-range", "9110 §15.3.7.1", 206, {"ETag": ETAG}, None),
    ("two-content-ranges", "9110 §14.4", 206, TWICE, None),
    (
        "multipart",
        "9110 §15.3.7.2",
        206,
        {**GOOD, "Content-Type": "Multipart/Byteranges; boundary=x"},
        None,
    ),
    ("no-validator", "9111 §3.4", 206, {"Content-Range": "bytes 0-4/10"}, None),
    ("weak-validator", "9111 §3.4", 206, {**GOOD, "ETag": 'W/"v1"'}, None),
)


@pytest.mark.parametrize(("status", "fields", "expected"), RECEIVED)
def test_a_part_that_came_is_believed_or_not(
    status: int, fields: FieldLines, expected: Part | None
) -> None:
    assert received_part(response(status, fields=fields)) == expected


VALIDATORS = table(
    ("strong-tag", "9110 §8.8.3", {"ETag": ETAG}, ETAG),
    ("weak-tag", "9110 §8.8.1", {"ETag": 'W/"v1"'}, None),
    ("two-tags", "9110 §8.8.3", [("ETag", '"a"'), ("ETag", '"b"')], None),
    (
        "weak-tag-outranks-date",
        "9110 §8.8.1",
        {"ETag": 'W/"v1"', "Last-Modified": DATE, "Date": A_SECOND_LATER},
        None,
    ),
    ("settled-date", "9110 §8.8.2.2", {"Last-Modified": DATE, "Date": A_SECOND_LATER}, DATE),
    ("same-second", "9110 §8.8.2.2", {"Last-Modified": DATE, "Date": DATE}, None),
    ("no-date", "9110 §8.8.2.2", {"Last-Modified": DATE}, None),
    ("malformed-date", "9110 §5.6.7", {"Last-Modified": "x", "Date": DATE}, None),
    ("none", "9110 §8.8", {}, None),
)


@pytest.mark.parametrize(("fields", "expected"), VALIDATORS)
def test_a_validator_is_strong_or_none(fields: FieldLines, expected: str | None) -> None:
    assert strong_validator(response(fields=fields)) == expected


JOINS = table(
    ("touching", "9111 §3.4", Part(0, 5, 10), Part(5, 10, 10), Part(0, 10, 10)),
    ("touching-before", "9111 §3.4", Part(5, 10, 10), Part(0, 5, 10), Part(0, 10, 10)),
    ("overlapping", "9111 §3.4", Part(0, 6, 10), Part(4, 8, 10), Part(0, 8, 10)),
    ("overlapping-before", "9111 §3.4", Part(4, 8, 10), Part(0, 6, 10), Part(0, 8, 10)),
    ("within", "9111 §3.4", Part(2, 9, 10), Part(3, 4, 10), Part(2, 9, 10)),
    ("around", "9111 §3.4", Part(3, 4, 10), Part(2, 9, 10), Part(2, 9, 10)),
    ("same", "9111 §3.4", Part(2, 9, 10), Part(2, 9, 10), Part(2, 9, 10)),
    ("length-learnt", "9111 §3.4", Part(0, 5), Part(5, 10, 10), Part(0, 10, 10)),
    ("length-known", "9111 §3.4", Part(0, 5, 10), Part(5, 10), Part(0, 10, 10)),
    ("length-still-unknown", "9111 §3.4", Part(0, 5), Part(5, 10), Part(0, 10)),
    ("gap", "9111 §3.4", Part(0, 4, 10), Part(5, 10, 10), None),
    ("gap-before", "9111 §3.4", Part(5, 10, 10), Part(0, 4, 10), None),
    ("lengths-differ", "9110 §14.4", Part(0, 5, 10), Part(5, 9, 11), None),
    ("beyond-the-length", "9110 §14.4", Part(0, 5, 8), Part(5, 10), None),
)


@pytest.mark.parametrize(("one", "other", "expected"), JOINS)
def test_parts_are_joined_where_nothing_is_missing_between(
    one: Part, other: Part, expected: Part | None
) -> None:
    joined = join(one, BODY[one.first : one.end], other, BODY[other.first : other.end])
    assert joined == (expected and (expected, BODY[expected.first : expected.end]))


def test_parts_that_differ_where_they_overlap_are_not_joined() -> None:
    """One of them lies about its validator."""
    assert join(Part(0, 5, 10), b"01234", Part(4, 8, 10), b"x567") is None
    assert join(Part(4, 8, 10), b"4567", Part(0, 5, 10), b"0123x") is None


def test_combining_takes_the_newer_head_over_the_older() -> None:
    """RFC 9111 §3.4 by §3.2: what the newer says replaces, what it leaves out stays."""
    older = held(0, 5, fields={"ETag": ETAG, "Content-Type": "text/plain", "X": "1"}, lifetime=1.0)
    newer = held(5, 8, fields={"ETag": ETAG, "X": "2"}, lifetime=9.0)
    made = combine(older, newer)
    assert made is not None
    assert (made.body, made.part, made.lifetime) == (BODY[:8], Part(0, 8, 10), 9.0)
    assert sorted(made.fields) == [("Content-Type", "text/plain"), ("ETag", ETAG), ("X", "2")]


UNLIKE = table(
    ("other-validator", "9111 §3.4", held(0, 5, fields={"ETag": '"v0"'}), held(5, 10)),
    ("no-validator", "9111 §3.4", held(0, 5, fields={}), held(5, 10)),
    ("newer-without", "9111 §3.4", held(0, 5), held(5, 10, fields={})),
    ("newer-weak", "9111 §3.4", held(0, 5), held(5, 10, fields={"ETag": 'W/"v1"'})),
    ("gap", "9111 §3.4", held(0, 4), held(5, 10)),
    ("no-part", "9111 §3.4", stored(BODY, fields={"ETag": ETAG}), held(5, 10)),
)


@pytest.mark.parametrize(("older", "newer"), UNLIKE)
def test_what_is_not_of_one_answer_is_not_combined(
    older: StoredResponse, newer: StoredResponse
) -> None:
    assert combine(older, newer) is None


def test_only_a_part_without_anything_missing_becomes_a_complete_200() -> None:
    whole = completed(held(0, 10))
    assert (whole.status, whole.reason, whole.part, whole.body) == (200, "OK", None, BODY)
    for part in (held(0, 9), held(1, 10), held(0, 10, None), whole):
        assert completed(part) == part


EXCERPTS = table(
    ("inner", "9111 §3.3", (2, 8, 10), "bytes=3-5", b"345", "bytes 3-5/10"),
    ("exact", "9111 §3.3", (2, 8, 10), "bytes=2-7", b"234567", "bytes 2-7/10"),
    ("open-to-its-end", "9111 §3.3", (2, 10, 10), "bytes=6-", b"6789", "bytes 6-9/10"),
    ("past-the-end", "9110 §14.1.2", (2, 10, 10), "bytes=6-99", b"6789", "bytes 6-9/10"),
    ("suffix", "9110 §14.1.2", (2, 10, 10), "bytes=-2", b"89", "bytes 8-9/10"),
    ("length-unknown", "9110 §14.4", (2, 8, None), "bytes=3-5", b"345", "bytes 3-5/*"),
    (
        "several-that-are-one",
        "9110 §15.3.7.2",
        (2, 8, 10),
        "bytes=3-4,5-6",
        b"3456",
        "bytes 3-6/10",
    ),
)


@pytest.mark.parametrize(("part", "asked", "body", "content_range"), EXCERPTS)
def test_a_range_within_the_part_is_cut_from_it(
    part: tuple[int, int, int | None], asked: str, body: bytes, content_range: str
) -> None:
    cut = excerpt(held(*part), asked)
    assert cut is not None
    assert (cut.status, cut.body, cut.fields.get("content-range"), cut.part) == (
        (206, body, content_range, None)
    )


NO_EXCERPTS = table(
    ("before", "9111 §3.3", (2, 8, 10), "bytes=1-5"),
    ("after", "9111 §3.3", (2, 8, 10), "bytes=3-8"),
    ("open", "9111 §3.3", (2, 8, 10), "bytes=3-"),
    ("suffix-too-long", "9111 §3.3", (5, 10, 10), "bytes=-6"),
    ("open-length-unknown", "9111 §3.3", (2, 8, None), "bytes=3-"),
    ("suffix-length-unknown", "9111 §3.3", (2, 8, None), "bytes=-2"),
    ("unsatisfiable", "9110 §14.1.2", (2, 10, 10), "bytes=10-"),
    ("several", "9110 §14.2", (2, 8, 10), "bytes=3-3,5-5"),
    ("malformed", "9110 §14.2", (2, 8, 10), "bytes=5-3"),
    ("other-unit", "9110 §14.2", (2, 8, 10), "lines=3-5"),
)


@pytest.mark.parametrize(("part", "asked"), NO_EXCERPTS)
def test_what_the_part_does_not_hold_is_not_cut_from_it(
    part: tuple[int, int, int | None], asked: str
) -> None:
    assert excerpt(held(*part), asked) is None


def test_nothing_is_cut_from_a_whole_answer_here() -> None:
    assert excerpt(stored(BODY), "bytes=0-1") is None


ASKED = table(
    ("one", "9110 §14.2", "GET", "bytes=0-4", True),
    ("open", "9110 §14.2", "GET", "bytes=5-", True),
    ("suffix", "9110 §14.2", "GET", "bytes=-5", True),
    ("several", "9110 §14.2", "GET", "bytes=0-1,5-6", False),
    ("several-that-touch", "9110 §15.3.7.2", "GET", "bytes=0-4,5-9", True),
    ("other-method", "9110 §14.2", "HEAD", "bytes=0-4", False),
    ("other-unit", "9110 §14.2", "GET", "lines=0-4", False),
    ("malformed", "9110 §14.2", "GET", "bytes=4-0", False),
)


@pytest.mark.parametrize(("method", "text", "expected"), ASKED)
def test_whether_one_range_is_asked_for(method: str, text: str, expected: bool) -> None:
    assert asks_one_range(request(method, fields={"Range": text})) is expected


def test_who_asks_for_no_range_asks_for_everything() -> None:
    assert not asks_one_range(request())


CUT = {"ETag": ETAG, "Content-Length": "10"}
BEGINNINGS = table(
    ("half", "9111 §3.3", 200, CUT, 5, Part(0, 5, 10)),
    ("nothing-came", "9111 §3.3", 200, CUT, 0, None),
    ("all-came", "9111 §3.3", 200, CUT, 10, None),
    ("length-unknown", "9111 §3.3", 200, {"ETag": ETAG}, 5, None),
    ("length-malformed", "9111 §3.3", 200, {**CUT, "Content-Length": "x"}, 5, None),
    ("no-strong-validator", "9111 §3.4", 200, {"Content-Length": "10"}, 5, None),
    ("other-status", "9111 §3.3", 404, CUT, 5, None),
)


@pytest.mark.parametrize(("status", "fields", "size", "expected"), BEGINNINGS)
def test_what_came_of_an_answer_that_broke_off_is_a_part(
    status: int, fields: FieldLines, size: int, expected: Part | None
) -> None:
    cut = beginning(response(status, fields=fields), size)
    assert (cut and received_part(cut)) == expected


def test_a_206_is_judged_without_what_speaks_of_its_part() -> None:
    head = as_whole(response(206, fields={**GOOD, "Content-Length": "5"}, reason="Partial Content"))
    assert (head.status, head.reason, list(head.fields)) == (200, "OK", [("ETag", ETAG)])
