from __future__ import annotations

import pytest

from proxy.caching.dates import format_http_date
from proxy.caching.preconditions import if_range_holds, not_modified_fields, precondition
from tests.support.build import FieldLines, as_fields, request
from tests.support.clock import NOW
from tests.unit.caching.table import table

INM, IMS, IM, IUS = "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since"
ETAG, LM = "ETag", "Last-Modified"
EARLIER, THEN, LATER = (format_http_date(NOW - ago) for ago in (900, 600, 300))
A_SECOND_ON = format_http_date(NOW - 599)
RFC850, ASCTIME = "Friday, 15-Jan-27 07:50:00 GMT", "Fri Jan 15 07:50:00 2027"  # THEN
A, WA = {ETAG: '"a"'}, {ETAG: 'W/"a"'}

ASKED = table(
    ("nothing", "9110 §13.2", {}, A, None),
    # If-None-Match
    ("inm-same", "9110 §13.1.2", {INM: '"a"'}, A, 304),
    ("inm-other", "9110 §13.1.2", {INM: '"b"'}, A, None),
    ("inm-in-list", "9110 §13.1.2", {INM: '"b", "a"'}, A, 304),
    ("inm-on-lines", "9110 §13.1.2", [(INM, '"b"'), (INM, '"a"')], A, 304),
    ("inm-weak-asked", "9110 §13.1.2", {INM: 'W/"a"'}, A, 304),
    ("inm-weak-stored", "9110 §13.1.2", {INM: '"a"'}, WA, 304),
    ("inm-star", "9110 §13.1.2", {INM: "*"}, {}, 304),
    ("inm-star-in-list", "9110 §13.1.2", {INM: '*, "b"'}, A, None),
    ("inm-unquoted-asked", "9110 §13.1.2", {INM: "a"}, A, None),
    ("inm-unquoted-both", "9110 §13.1.2", {INM: "a"}, {ETAG: "a"}, 304),
    ("inm-without-etag", "9110 §13.1.2", {INM: '"a"'}, {LM: THEN}, None),
    ("inm-empty", "9110 §13.1.2", {INM: ""}, A, None),
    ("inm-outranks-date-same", "9110 §13.1.3", {INM: '"b"', IMS: LATER}, {**A, LM: THEN}, None),
    ("inm-outranks-date-other", "9110 §13.1.3", {INM: '"a"', IMS: EARLIER}, {**A, LM: THEN}, 304),
    # If-Modified-Since
    ("ims-same", "9110 §13.1.3", {IMS: THEN}, {LM: THEN}, 304),
    ("ims-later", "9110 §13.1.3", {IMS: LATER}, {LM: THEN}, 304),
    ("ims-earlier", "9110 §13.1.3", {IMS: EARLIER}, {LM: THEN}, None),
    ("ims-rfc850", "9110 §13.1.3", {IMS: RFC850}, {LM: THEN}, 304),
    ("ims-asctime", "9110 §13.1.3", {IMS: ASCTIME}, {LM: THEN}, 304),
    ("ims-invalid", "9110 §13.1.3", {IMS: "now"}, {LM: THEN}, None),
    ("ims-twice", "9110 §13.1.3", [(IMS, LATER), (IMS, LATER)], {LM: THEN}, None),
    ("ims-by-date", "9111 §4.3.2", {IMS: THEN}, {"Date": THEN}, 304),
    ("ims-before-date", "9111 §4.3.2", {IMS: EARLIER}, {"Date": THEN}, None),
    ("ims-nothing-to-compare", "9111 §4.3.2", {IMS: THEN}, {}, None),
    # If-Match
    ("im-same", "9110 §13.1.1", {IM: '"a"'}, A, None),
    ("im-in-list", "9110 §13.1.1", {IM: '"b", "a"'}, A, None),
    ("im-other", "9110 §13.1.1", {IM: '"b"'}, A, 412),
    ("im-star", "9110 §13.1.1", {IM: "*"}, {}, None),
    ("im-weak-asked", "9110 §13.1.1", {IM: 'W/"a"'}, A, 412),
    ("im-weak-stored", "9110 §13.1.1", {IM: '"a"'}, WA, 412),
    ("im-without-etag", "9110 §13.1.1", {IM: '"a"'}, {}, 412),
    ("im-then-inm", "9110 §13.2.2", {IM: '"a"', INM: '"a"'}, A, 304),
    ("im-before-inm", "9110 §13.2.2", {IM: '"b"', INM: '"a"'}, A, 412),
    # If-Unmodified-Since
    ("ius-same", "9110 §13.1.4", {IUS: THEN}, {LM: THEN}, None),
    ("ius-earlier", "9110 §13.1.4", {IUS: EARLIER}, {LM: THEN}, 412),
    ("ius-invalid", "9110 §13.1.4", {IUS: "x"}, {LM: THEN}, None),
    ("ius-no-date", "9110 §13.1.4", {IUS: EARLIER}, A, None),
    ("ius-outranked", "9110 §13.1.4", {IUS: EARLIER, IM: '"a"'}, {**A, LM: THEN}, None),
)


@pytest.mark.parametrize(("asked", "fields", "expected"), ASKED)
def test_what_conditions_make_of_an_answer(
    asked: FieldLines, fields: FieldLines, expected: int | None
) -> None:
    assert precondition(request(fields=asked), 200, as_fields(fields), NOW) == expected


WHERE = table(
    ("head", "9110 §13.2.1", "HEAD", 200, 304),
    ("post", "9110 §13.2.1", "POST", 200, None),
    ("no-content", "9110 §13.2.1", "GET", 204, 304),
    ("redirection", "9110 §13.2.1", "GET", 302, None),
    ("not-found", "9110 §13.2.1", "GET", 404, None),
)


@pytest.mark.parametrize(("method", "status", "expected"), WHERE)
def test_where_conditions_count(method: str, status: int, expected: int | None) -> None:
    asked = request(method, fields={INM: '"a"'})
    assert precondition(asked, status, as_fields(A), NOW) == expected


IF_RANGE = table(
    ("absent", "9110 §13.1.5", None, A, True),
    ("tag-same", "9110 §13.1.5", '"a"', A, True),
    ("tag-other", "9110 §13.1.5", '"b"', A, False),
    ("tag-weak-asked", "9110 §13.1.5", 'W/"a"', WA, False),
    ("tag-weak-stored", "9110 §13.1.5", '"a"', WA, False),
    ("tag-without-etag", "9110 §13.1.5", '"a"', {}, False),
    ("tag-list", "9110 §13.1.5", '"b", "a"', A, False),
    ("date-same", "9110 §13.1.5", THEN, {LM: THEN, "Date": LATER}, True),
    ("date-a-second-later", "9110 §8.8.2.2", THEN, {LM: THEN, "Date": A_SECOND_ON}, True),
    ("date-same-second", "9110 §8.8.2.2", THEN, {LM: THEN, "Date": THEN}, False),
    ("date-later", "9110 §13.1.5", LATER, {LM: THEN, "Date": LATER}, False),
    ("date-undated-answer", "9110 §8.8.2.2", THEN, {LM: THEN}, False),
    ("date-without-last-modified", "9110 §13.1.5", THEN, A, False),
    ("malformed", "9110 §13.1.5", "", A, False),
)


@pytest.mark.parametrize(("value", "fields", "expected"), IF_RANGE)
def test_if_range(value: str | None, fields: FieldLines, expected: bool) -> None:
    asked = request(fields={} if value is None else {"If-Range": value})
    assert if_range_holds(asked, as_fields(fields), NOW) is expected


def test_a_304_keeps_what_guides_caches_and_drops_what_describes_content() -> None:
    guides = ("Date", "ETag", "Cache-Control", "Expires", "Vary", "Content-Location", "X-Other")
    content = ("Content-Type", "Content-Encoding", "Content-Language", "Content-Length")
    everything = as_fields((name, "x") for name in (*guides, *content, LM))
    assert not_modified_fields(everything) == as_fields((name, "x") for name in guides)
    assert LM in not_modified_fields(everything.without(ETAG))
