from __future__ import annotations

from typing import Any

import pytest

from proxy.caching.dates import format_http_date
from proxy.caching.directives import RequestDirectives
from proxy.caching.freshness import (
    HEURISTIC_MAX_S,
    Lifetime,
    age_value,
    corrected_initial_age,
    freshness_lifetime,
    may_reuse,
    single_date,
)
from proxy.caching.syntax import MAX_DELTA
from proxy.caching.targeted import response_directives
from tests.support.build import FieldLines, request, response, stored
from tests.support.clock import NOW
from tests.unit.caching.table import lines, table

CC, CDN = "Cache-Control", "CDN-Cache-Control"
R = RequestDirectives
DAY = 86_400


def at(seconds: float) -> str:
    """The date that many seconds from NOW."""
    return format_http_date(NOW + seconds)


LIFETIMES = table(
    ("nothing", "9111 §4.2.1", 200, {}, None),
    ("max-age", "9111 §4.2.1", 200, {CC: "max-age=60"}, Lifetime(60)),
    ("s-maxage-first", "9111 §4.2.1", 200, {CC: "max-age=60, s-maxage=9"}, Lifetime(9)),
    (
        "max-age-before-expires",
        "9111 §5.3",
        200,
        {CC: "max-age=60", "Expires": at(9)},
        Lifetime(60),
    ),
    (
        "max-age-0-before-expires",
        "9111 §5.3",
        200,
        {CC: "max-age=0", "Expires": at(9)},
        Lifetime(0),
    ),
    (
        "bad-max-age-before-expires",
        "9111 §4.2.1",
        200,
        {CC: "max-age=x", "Expires": at(9)},
        Lifetime(0),
    ),
    ("any-status", "9111 §3", 599, {CC: "max-age=60"}, Lifetime(60)),
    ("huge", "9111 §1.2.2", 200, {CC: "max-age=9999999999999"}, Lifetime(MAX_DELTA)),
    ("expires", "9111 §4.2.1", 200, {"Date": at(0), "Expires": at(60)}, Lifetime(60)),
    ("expires-by-dates", "9111 §4.2.1", 200, {"Date": at(-30), "Expires": at(60)}, Lifetime(90)),
    ("expires-date-ahead", "9111 §4.2.1", 200, {"Date": at(90), "Expires": at(60)}, Lifetime(0)),
    ("expires-without-date", "9110 §6.6.1", 200, {"Expires": at(60)}, Lifetime(60)),
    ("expires-invalid-date", "9110 §6.6.1", 200, {"Date": "x", "Expires": at(60)}, Lifetime(60)),
    ("expires-past", "9111 §5.3", 200, {"Date": at(0), "Expires": at(-60)}, Lifetime(0)),
    ("expires-zero", "9111 §5.3", 200, {"Date": at(0), "Expires": "0"}, Lifetime(0)),
    ("expires-empty", "9111 §5.3", 200, {"Date": at(0), "Expires": ""}, Lifetime(0)),
    (
        "expires-far",
        "9111 §1.2.2",
        200,
        {"Expires": "Fri, 31 Dec 9999 23:59:59 GMT"},
        Lifetime(MAX_DELTA),
    ),
    ("expires-twice", "9111 §4.2.1", 200, [("Expires", at(60)), ("Expires", at(90))], Lifetime(0)),
    (
        "expires-twice-same",
        "9111 §4.2.1",
        200,
        [("Expires", at(60)), ("Expires", at(60))],
        Lifetime(60),
    ),
    ("expires-split", "9110 §5.3", 200, [("Expires", "Fri"), ("Expires", at(60)[5:])], Lifetime(0)),
    ("targeted-hides-expires", "9213 §2.2", 200, {CDN: "public", "Expires": at(60)}, None),
    ("targeted-hides-max-age", "9213 §2.2", 200, {CDN: "max-age=1", CC: "max-age=60"}, Lifetime(1)),
    (
        "invalid-expires-no-heuristic",
        "9111 §4.2.2",
        200,
        {"Expires": "0", "Last-Modified": at(-DAY)},
        Lifetime(0),
    ),
    (
        "zero-max-age-no-heuristic",
        "9111 §4.2.2",
        200,
        {CC: "max-age=0", "Last-Modified": at(-DAY)},
        Lifetime(0),
    ),
)


@pytest.mark.parametrize(("status", "fields", "expected"), LIFETIMES)
def test_the_freshness_lifetime(status: int, fields: FieldLines, expected: Lifetime | None) -> None:
    answer = response(status, fields=fields)
    assert freshness_lifetime(request(), answer, response_directives(answer.fields)) == expected


def h(seconds: float) -> Lifetime:
    return Lifetime(seconds, heuristic=True)


LM = "Last-Modified"
HEURISTICS = table(
    ("tenth", "9111 §4.2.2", "GET", 200, {LM: at(-1000), "Date": at(0)}, h(100)),
    ("capped", "9111 §4.2.2", "GET", 200, {LM: at(-1000 * DAY)}, h(HEURISTIC_MAX_S)),
    ("from-date", "9111 §4.2.2", "GET", 200, {LM: at(-1000), "Date": at(-500)}, h(50)),
    ("date-ahead", "9111 §4.2.2", "GET", 200, {LM: at(-1000), "Date": at(5000)}, h(100)),
    ("modified-just-now", "9111 §4.2.2", "GET", 200, {LM: at(0)}, None),
    ("modified-in-the-future", "9111 §4.2.2", "GET", 200, {LM: at(60)}, None),
    ("modified-invalid", "9111 §4.2.2", "GET", 200, {LM: "yesterday"}, None),
    ("etag-only", "9111 §4.2.2", "GET", 200, {"ETag": '"a"'}, None),
    ("post", "9110 §9.3.3", "POST", 200, {LM: at(-1000)}, None),
    ("public-any-status", "9111 §4.2.2", "GET", 599, {LM: at(-1000), CC: "public"}, h(100)),
    *(
        (f"status-{status}", "9110 §15.1", "GET", status, {LM: at(-1000)}, h(100))
        for status in (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501)
    ),
    *(
        (f"status-{status}-not", "9110 §15.1", "GET", status, {LM: at(-1000)}, None)
        for status in (201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599)
    ),
)


@pytest.mark.parametrize(("method", "status", "fields", "expected"), HEURISTICS)
def test_the_heuristic_lifetime(
    method: str, status: int, fields: FieldLines, expected: Lifetime | None
) -> None:
    answer = response(status, fields=fields)
    directives = response_directives(answer.fields)
    assert freshness_lifetime(request(method), answer, directives) == expected


AGES = table(
    ("absent", "9111 §5.1", [], 0),
    ("number", "9111 §5.1", ["30"], 30),
    ("zero", "9111 §5.1", ["0"], 0),
    ("white-space", "9111 §5.1", [" 30 "], 30),
    ("list-first-old", "9111 §5.1", ["7200, 0"], 7200),
    ("list-first-new", "9111 §5.1", ["0, 7200"], 0),
    ("lines-first", "9111 §5.1", ["7200", "0"], 7200),
    ("list-first-invalid", "9111 §5.1", ["x, 7200"], 0),
    ("negative", "9111 §5.1", ["-7200"], 0),
    ("plus", "9111 §5.1", ["+7200"], 0),
    ("decimal", "9111 §5.1", ["7200.0"], 0),
    ("letters-before", "9111 §5.1", ["a7200"], 0),
    ("letters-after", "9111 §5.1", ["7200s"], 0),
    ("parameter", "9111 §5.1", ["7200;x=1"], 0),
    ("quoted", "9111 §5.1", ['"7200"'], 0),
    ("overflow", "9111 §1.2.2", ["9" * 30], MAX_DELTA),
    ("empty", "9111 §5.1", [""], 0),
)


@pytest.mark.parametrize(("values", "expected"), AGES)
def test_age_is_its_first_member_or_nothing(values: list[str], expected: int) -> None:
    assert age_value(response(fields=lines("Age", *values))) == expected


INITIAL_AGES = table(
    ("nothing-known", "9111 §4.2.3", {}, 0.0, 0.0, 0.0),
    ("age-value", "9111 §4.2.3", {"Age": "30"}, 0.0, 0.0, 30.0),
    ("apparent-age", "9111 §4.2.3", {"Date": at(-40)}, 0.0, 0.0, 40.0),
    ("the-greater-apparent", "9111 §4.2.3", {"Age": "30", "Date": at(-40)}, 0.0, 0.0, 40.0),
    ("the-greater-value", "9111 §4.2.3", {"Age": "50", "Date": at(-40)}, 0.0, 0.0, 50.0),
    ("delay-adds-to-age", "9111 §4.2.3", {"Age": "30"}, 0.0, 2.5, 32.5),
    ("delay-alone", "9111 §4.2.3", {}, 0.0, 2.5, 2.5),
    ("upstream-clock-ahead", "9111 §4.2.3", {"Date": at(3600)}, 0.0, 0.0, 0.0),
    ("own-clock-set-back", "9111 §4.2.3", {"Age": "5"}, 10.0, 0.0, 5.0),
    ("date-invalid", "9111 §4.2.3", {"Date": "0"}, 0.0, 0.0, 0.0),
    ("same-second", "9110 §5.6.7", {"Date": at(0)}, 0.5, 0.9, 0.4),
    ("overflow", "9111 §1.2.2", {"Age": "9" * 30}, 0.0, 0.0, float(MAX_DELTA)),
)


@pytest.mark.parametrize(("fields", "asked_at", "received_at", "expected"), INITIAL_AGES)
def test_the_age_on_arrival(
    fields: FieldLines, asked_at: float, received_at: float, expected: float
) -> None:
    answer = response(fields=fields, request_time=NOW + asked_at, response_time=NOW + received_at)
    assert corrected_initial_age(answer) == pytest.approx(expected)


# Stored 40 s ago, fresh for 60 s unless the row says otherwise.
REUSE = table(
    ("fresh", "9111 §4", {}, R(), True),
    ("just-stale", "9111 §4.2", {"lifetime": 40.0}, R(), False),
    ("old-on-arrival", "9111 §4.2.3", {"initial_age": 30.0}, R(), False),
    ("response-no-cache", "9111 §5.2.2.4", {"no_cache": True}, R(max_stale=999), False),
    ("request-no-cache", "9111 §5.2.1.4", {}, R(no_cache=True), False),
    ("max-age-above", "9111 §5.2.1.1", {}, R(max_age=50), True),
    ("max-age-equal", "9111 §5.2.1.1", {}, R(max_age=40), True),
    ("max-age-below", "9111 §5.2.1.1", {}, R(max_age=39), False),
    ("max-age-counts-age", "9111 §5.2.1.1", {"initial_age": 15.0}, R(max_age=50), False),
    ("max-age-0", "9111 §5.2.1.1", {}, R(max_age=0), False),
    ("immutable-reload", "8246 §2", {"fields": {CC: "immutable"}}, R(max_age=0), True),
    ("immutable-forced", "8246 §2", {"fields": {CC: "immutable"}}, R(no_cache=True), False),
    (
        "immutable-stale",
        "8246 §2",
        {"fields": {CC: "immutable"}, "lifetime": 9.0},
        R(max_age=0),
        False,
    ),
    (
        "immutable-just-stale",
        "8246 §2",
        {"fields": {CC: "immutable"}, "lifetime": 40.0},
        R(max_age=0, max_stale=9),
        False,
    ),
    ("min-fresh-met", "9111 §5.2.1.3", {}, R(min_fresh=20), True),
    ("min-fresh-unmet", "9111 §5.2.1.3", {}, R(min_fresh=21), False),
    ("min-fresh-counts-age", "9111 §5.2.1.3", {"initial_age": 10.0}, R(min_fresh=20), False),
    ("max-stale-within", "9111 §5.2.1.2", {"lifetime": 30.0}, R(max_stale=10), True),
    ("max-stale-beyond", "9111 §5.2.1.2", {"lifetime": 29.0}, R(max_stale=10), False),
    ("max-stale-any", "9111 §5.2.1.2", {"lifetime": 0.0}, R(max_stale=MAX_DELTA), True),
    (
        "max-stale-forbidden",
        "9111 §4.2.4",
        {"lifetime": 0.0, "must_revalidate": True},
        R(max_stale=MAX_DELTA),
        False,
    ),
    (
        "max-stale-and-min-fresh",
        "9111 §5.2.1.3",
        {"lifetime": 30.0},
        R(max_stale=99, min_fresh=1),
        False,
    ),
    (
        "max-stale-and-max-age",
        "9111 §5.2.1.1",
        {"lifetime": 30.0},
        R(max_stale=99, max_age=20),
        False,
    ),
    ("must-revalidate-fresh", "9111 §5.2.2.2", {"must_revalidate": True}, R(), True),
)


@pytest.mark.parametrize(("changes", "asked", "expected"), REUSE)
def test_reuse_without_validation(
    changes: dict[str, Any], asked: RequestDirectives, expected: bool
) -> None:
    assert may_reuse(stored(**changes), asked, NOW + 40) is expected


DATES = table(
    ("one", "9110 §6.6.1", [at(5)], NOW + 5),
    ("none", "9110 §6.6.1", [], None),
    ("two-alike", "9110 §6.6.1", [at(5), at(5)], NOW + 5),
    ("two-unlike", "9110 §6.6.1", [at(5), at(6)], None),
)


@pytest.mark.parametrize(("values", "expected"), DATES)
def test_a_date_field_has_one_value(values: list[str], expected: float | None) -> None:
    assert single_date(response(fields=lines("Date", *values)), "date") == expected
