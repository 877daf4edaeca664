from __future__ import annotations

import pytest

from proxy.caching.dates import format_http_date
from proxy.caching.validation import (
    conditional_fields,
    freshen,
    has_validator,
    head_freshens,
    is_about,
)
from proxy.fields import Fields
from tests.support.build import FieldLines, as_fields, response
from tests.support.clock import NOW
from tests.unit.caching.table import table

CC, LM, ETAG = "Cache-Control", "Last-Modified", "ETag"
THEN, LATER = format_http_date(NOW - 600), format_http_date(NOW - 300)
DATE = ("Date", format_http_date(NOW))

CONDITIONS = table(
    ("none", "9111 §4.3.1", {}, {}),
    ("etag", "9111 §4.3.1", {ETAG: '"a"'}, {"If-None-Match": '"a"'}),
    ("etag-weak", "9111 §4.3.1", {ETAG: 'W/"a"'}, {"If-None-Match": 'W/"a"'}),
    ("etag-unquoted", "9111 §4.3.1", {ETAG: "a"}, {"If-None-Match": "a"}),
    ("last-modified", "9111 §4.3.1", {LM: THEN}, {"If-Modified-Since": THEN}),
    (
        "both",
        "9111 §4.3.1",
        {LM: THEN, ETAG: '"a"'},
        {"If-None-Match": '"a"', "If-Modified-Since": THEN},
    ),
)


@pytest.mark.parametrize(("fields", "expected"), CONDITIONS)
def test_the_conditions_that_validate(fields: dict[str, str], expected: dict[str, str]) -> None:
    stored = as_fields(fields)
    assert conditional_fields(stored) == as_fields(expected)
    assert has_validator(stored) is bool(expected)


ABOUT = table(
    ("same-strong", "9111 §4.3.4", {ETAG: '"a"'}, {ETAG: '"a"'}, True),
    ("other-strong", "9111 §4.3.4", {ETAG: '"a"'}, {ETAG: '"b"'}, False),
    ("strong-for-weak", "9111 §4.3.4", {ETAG: 'W/"a"'}, {ETAG: '"a"'}, False),
    ("weak-for-strong", "9111 §4.3.4", {ETAG: '"a"'}, {ETAG: 'W/"a"'}, True),
    ("same-weak", "9111 §4.3.4", {ETAG: 'W/"a"'}, {ETAG: 'W/"a"'}, True),
    ("other-weak", "9111 §4.3.4", {ETAG: 'W/"a"'}, {ETAG: 'W/"b"'}, False),
    ("strong-for-none", "9111 §4.3.4", {LM: THEN}, {ETAG: '"a"', LM: THEN}, False),
    ("contradictory-tags", "9111 §4.3.4", {ETAG: '"a"'}, [(ETAG, '"a"'), (ETAG, '"b"')], False),
    ("same-date", "9111 §4.3.4", {LM: THEN}, {LM: THEN}, True),
    ("other-date", "9111 §4.3.4", {LM: THEN}, {LM: LATER}, False),
    ("tag-outranks-date", "9111 §4.3.4", {ETAG: '"a"', LM: THEN}, {ETAG: '"a"', LM: LATER}, True),
    ("no-validator", "9111 §4.3.4", {ETAG: '"a"'}, {}, True),
)


@pytest.mark.parametrize(("stored", "received", "expected"), ABOUT)
def test_which_stored_response_a_304_is_about(
    stored: FieldLines, received: FieldLines, expected: bool
) -> None:
    assert is_about(as_fields(stored), as_fields(received)) is expected


FRESHENED = table(
    ("nothing-new", "9111 §3.2", [DATE, ("A", "1")], [DATE], [("A", "1"), DATE]),
    ("replaced", "9111 §3.2", [DATE, ("A", "1")], [DATE, ("a", "2")], [DATE, ("a", "2")]),
    (
        "all-lines-replaced",
        "9111 §3.2",
        [("A", "1"), ("A", "2")],
        [DATE, ("A", "3")],
        [DATE, ("A", "3")],
    ),
    ("added", "9111 §3.2", [("A", "1")], [DATE, ("B", "2")], [("A", "1"), DATE, ("B", "2")]),
    (
        "content-type",
        "9111 §3.2",
        [("Content-Type", "a/b")],
        [DATE, ("Content-Type", "c/d")],
        [DATE, ("Content-Type", "c/d")],
    ),
    (
        "content-location",
        "9111 §3.2",
        [],
        [DATE, ("Content-Location", "/x")],
        [DATE, ("Content-Location", "/x")],
    ),
    (
        "content-length-stays",
        "9111 §3.2",
        [("Content-Length", "9")],
        [DATE, ("Content-Length", "0")],
        [("Content-Length", "9"), DATE],
    ),
    (
        "content-encoding-stays",
        "9111 §3.2",
        [("Content-Encoding", "gzip")],
        [DATE, ("Content-Encoding", "br")],
        [("Content-Encoding", "gzip"), DATE],
    ),
    ("content-range-not-added", "9111 §3.2", [], [DATE, ("Content-Range", "bytes 0-1/2")], [DATE]),
    (
        "hop-by-hop-not-added",
        "9111 §3.1",
        [],
        [DATE, ("Connection", "a"), ("A", "1"), ("Keep-Alive", "x")],
        [DATE],
    ),
    ("proxy-fields-not-added", "9111 §3.1", [], [DATE, ("Proxy-Authenticate", "x")], [DATE]),
    (
        "private-not-added-and-gone",
        "9111 §5.2.2.7",
        [("A", "1")],
        [DATE, (CC, 'private="a"'), ("A", "2")],
        [DATE, (CC, 'private="a"')],
    ),
    ("old-age-gone", "9111 §4.2.3", [("Age", "99")], [DATE, ("Age", "3")], [DATE]),
    ("date-made", "9110 §6.6.1", [("Date", THEN)], [], [DATE]),
    ("cookie-not-added", "9111 §7.3", [], [DATE, ("Set-Cookie", "a=1")], [DATE]),
    (
        "cookie-replaced-where-stored",
        "9111 §3.2",
        [("Set-Cookie", "a=1")],
        [DATE, ("Set-Cookie", "a=2")],
        [DATE, ("Set-Cookie", "a=2")],
    ),
)


@pytest.mark.parametrize(("stored", "received", "expected"), FRESHENED)
def test_what_a_304_updates(stored: FieldLines, received: FieldLines, expected: FieldLines) -> None:
    not_modified = response(304, fields=received)
    assert freshen(as_fields(stored), not_modified) == as_fields(expected)


HEADS = table(
    ("nothing-said", "9111 §4.3.5", {ETAG: '"a"'}, {}, True),
    ("same", "9111 §4.3.5", {ETAG: '"a"'}, {ETAG: '"a"', "Content-Length": "6"}, True),
    ("other-etag", "9111 §4.3.5", {ETAG: '"a"'}, {ETAG: '"b"'}, False),
    ("etag-new", "9111 §4.3.5", {}, {ETAG: '"b"'}, False),
    ("other-date", "9111 §4.3.5", {ETAG: '"a"', LM: THEN}, {ETAG: '"a"', LM: LATER}, False),
    ("other-length", "9111 §4.3.5", {ETAG: '"a"'}, {ETAG: '"a"', "Content-Length": "7"}, False),
)


@pytest.mark.parametrize(("stored", "head", "expected"), HEADS)
def test_what_a_head_says_of_a_stored_response(
    stored: FieldLines, head: FieldLines, expected: bool
) -> None:
    assert head_freshens(as_fields(stored), 6, as_fields(head)) is expected


def test_a_stored_head_is_unchanged_by_freshening_it() -> None:
    stored = Fields([("A", "1")])
    freshen(stored, response(304, fields={"A": "2"}))
    assert stored == Fields([("A", "1")])
