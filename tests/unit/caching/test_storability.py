from __future__ import annotations

from typing import Any

import pytest

from proxy.caching.dates import format_http_date
from proxy.caching.storability import may_store, stored_fields
from proxy.caching.targeted import response_directives
from proxy.fields import Fields
from proxy.outcomes import NotStored
from tests.support.build import FieldLines, request, response
from tests.support.clock import NOW
from tests.unit.caching.table import table

CC, CL = "Cache-Control", "Content-Location"
FRESH = {CC: "max-age=60"}
AUTH = {"fields": {"Authorization": "Bearer x"}}
POST: dict[str, Any] = {"method": "POST", "target": "/a?b=1"}
TODAY = format_http_date(NOW)
YESTERDAY = format_http_date(NOW - 86_400)
N = NotStored

STORABLE = table(
    # method
    ("get", "9111 §3", {}, 200, FRESH, None),
    ("head", "9111 §3", {"method": "HEAD"}, 200, FRESH, N.METHOD),
    ("put", "9111 §3", {"method": "PUT"}, 200, FRESH, N.METHOD),
    ("unknown-method", "9111 §3", {"method": "FOO"}, 200, FRESH, N.METHOD),
    ("lower-case-get", "9110 §9.1", {"method": "get"}, 200, FRESH, N.METHOD),
    ("post", "9110 §9.3.3", POST, 200, FRESH, N.METHOD),
    ("post-at-target", "9110 §9.3.3", POST, 200, {**FRESH, CL: "/a?b=1"}, None),
    (
        "post-at-target-absolute",
        "9110 §9.3.3",
        POST,
        200,
        {**FRESH, CL: "http://larder.test/a?b=1"},
        None,
    ),
    ("post-elsewhere", "9110 §9.3.3", POST, 200, {**FRESH, CL: "/a"}, N.METHOD),
    ("post-other-host", "9110 §9.3.3", POST, 200, {**FRESH, CL: "//evil.test/a?b=1"}, N.METHOD),
    ("post-malformed-location", "9110 §9.3.3", POST, 200, {**FRESH, CL: "http://[/"}, N.METHOD),
    ("post-not-explicit", "9110 §9.3.3", POST, 200, {CL: "/a?b=1", "ETag": '"a"'}, N.METHOD),
    # status
    ("interim", "9111 §3", {}, 103, FRESH, N.STATUS),
    ("partial", "9111 §3.3", {}, 206, FRESH, N.PARTIAL),
    ("not-modified", "9111 §3", {}, 304, FRESH, N.STATUS),
    ("too-many-requests", "6585 §4", {}, 429, FRESH, N.STATUS),
    ("range-not-satisfiable", "9111 §3", {}, 416, FRESH, N.STATUS),
    ("precondition-failed", "9111 §3", {}, 412, FRESH, N.STATUS),
    *(
        (f"explicit-{status}", "9111 §3", {}, status, FRESH, None)
        for status in (
            200,
            203,
            204,
            299,
            301,
            302,
            303,
            307,
            308,
            400,
            404,
            410,
            499,
            500,
            502,
            503,
            504,
            599,
        )
    ),
    ("not-heuristic", "9111 §3", {}, 302, {"ETag": '"a"'}, N.STATUS),
    ("not-heuristic-public", "9111 §3", {}, 302, {"ETag": '"a"', CC: "public"}, None),
    ("must-understand", "9111 §5.2.2.3", {}, 200, {CC: "must-understand, max-age=60"}, None),
    (
        "must-understand-unknown",
        "9111 §5.2.2.3",
        {},
        599,
        {CC: "must-understand, max-age=60"},
        N.STATUS,
    ),
    (
        "must-understand-voids-no-store",
        "9111 §5.2.2.3",
        {},
        200,
        {CC: "must-understand, no-store, max-age=60"},
        None,
    ),
    (
        "must-understand-unknown-no-store",
        "9111 §5.2.2.3",
        {},
        599,
        {CC: "must-understand, no-store, max-age=60"},
        N.NO_STORE,
    ),
    # directives
    ("no-store", "9111 §5.2.2.5", {}, 200, {CC: "no-store, max-age=60"}, N.NO_STORE),
    ("request-no-store", "9111 §5.2.1.5", {"fields": {CC: "no-store"}}, 200, FRESH, N.NO_STORE),
    (
        "request-no-store-understood",
        "9111 §5.2.1.5",
        {"fields": {CC: "no-store"}},
        200,
        {CC: "must-understand, max-age=60"},
        N.NO_STORE,
    ),
    ("private", "9111 §5.2.2.7", {}, 200, {CC: "private, max-age=60"}, N.PRIVATE),
    ("private-and-public", "9111 §4.2.1", {}, 200, {CC: "private, public, max-age=60"}, N.PRIVATE),
    ("private-fields", "9111 §5.2.2.7", {}, 200, {CC: 'private="x", max-age=60'}, None),
    ("no-cache", "9111 §5.2.2.4", {}, 200, {CC: "no-cache", "ETag": '"a"'}, None),
    (
        "targeted-over-no-store",
        "9213 §2.2",
        {},
        200,
        {CC: "no-store", "CDN-Cache-Control": "max-age=60"},
        None,
    ),
    (
        "targeted-no-store",
        "9213 §2.2",
        {},
        200,
        {CC: "max-age=60", "CDN-Cache-Control": "no-store"},
        N.NO_STORE,
    ),
    # Authorization
    ("authorized", "9111 §3.5", AUTH, 200, FRESH, N.AUTHORIZATION),
    ("authorized-public", "9111 §3.5", AUTH, 200, {CC: "max-age=60, public"}, None),
    (
        "authorized-must-revalidate",
        "9111 §3.5",
        AUTH,
        200,
        {CC: "max-age=60, must-revalidate"},
        None,
    ),
    ("authorized-s-maxage", "9111 §3.5", AUTH, 200, {CC: "s-maxage=60"}, None),
    (
        "authorized-proxy-revalidate",
        "9111 §3.5",
        AUTH,
        200,
        {CC: "max-age=60, proxy-revalidate"},
        N.AUTHORIZATION,
    ),
    (
        "authorized-public-malformed",
        "9111 §3.5",
        AUTH,
        200,
        {CC: "max-age=60, public=x"},
        N.AUTHORIZATION,
    ),
    # Set-Cookie, Vary
    ("set-cookie", "9111 §7.3", {}, 200, {**FRESH, "Set-Cookie": "a=b"}, N.SET_COOKIE),
    ("set-cookie2", "9111 §7.3", {}, 200, {**FRESH, "Set-Cookie2": "a=b"}, N.SET_COOKIE),
    ("vary-star", "9111 §4.1", {}, 200, {**FRESH, "Vary": "a, *"}, N.VARY_STAR),
    ("vary", "9111 §4.1", {}, 200, {**FRESH, "Vary": "a"}, None),
    # of use at all
    ("nothing", "9111 §3", {}, 200, {}, N.NO_LIFETIME),
    ("heuristic", "9111 §4.2.2", {}, 200, {"Last-Modified": YESTERDAY}, None),
    ("etag-only", "9111 §4.3", {}, 200, {"ETag": '"a"'}, None),
    ("last-modified-only", "9111 §4.3", {}, 200, {"Last-Modified": TODAY}, None),
    ("zero", "9111 §3", {}, 200, {CC: "max-age=0"}, N.NO_LIFETIME),
    ("zero-with-validator", "9111 §4.3", {}, 200, {CC: "max-age=0", "ETag": '"a"'}, None),
    (
        "zero-stale-while-revalidate",
        "5861 §3",
        {},
        200,
        {CC: "max-age=0, stale-while-revalidate=9"},
        None,
    ),
    ("zero-stale-if-error", "5861 §4", {}, 200, {CC: "max-age=0, stale-if-error=9"}, None),
    (
        "zero-stale-forbidden",
        "5861 §3",
        {},
        200,
        {CC: "s-maxage=0, stale-while-revalidate=9"},
        N.NO_LIFETIME,
    ),
    ("expires-invalid", "9111 §5.3", {}, 200, {"Expires": "0"}, N.NO_LIFETIME),
)


@pytest.mark.parametrize(("asked", "status", "fields", "expected"), STORABLE)
def test_what_a_shared_cache_stores(
    asked: dict[str, Any], status: int, fields: FieldLines, expected: NotStored | None
) -> None:
    answer = response(status, fields=fields)
    assert may_store(request(**asked), answer, response_directives(answer.fields)) == expected


def test_answers_with_cookies_are_stored_only_for_who_asks_for_it() -> None:
    answer = response(fields={**FRESH, "Set-Cookie": "a=b"})
    directives = response_directives(answer.fields)
    assert may_store(request(), answer, directives, cookies=True) is None
    assert "set-cookie" in stored_fields(answer, directives, cookies=True)
    assert "set-cookie" not in stored_fields(answer, directives)


DATE = ("Date", TODAY)
KEPT = table(
    (
        "everything",
        "9111 §3.1",
        [DATE, ("X-Unknown", "1"), ("X-Unknown", "2")],
        [DATE, ("X-Unknown", "1"), ("X-Unknown", "2")],
    ),
    (
        "hop-by-hop",
        "9111 §3.1",
        [DATE, ("Connection", "a"), ("A", "1"), ("Keep-Alive", "x"), ("Upgrade", "y")],
        [DATE],
    ),
    (
        "proxy-fields",
        "9111 §3.1",
        [
            DATE,
            ("Proxy-Authenticate", "x"),
            ("Proxy-Authentication-Info", "x"),
            ("Proxy-Authorization", "x"),
        ],
        [DATE],
    ),
    (
        "private-fields",
        "9111 §5.2.2.7",
        [DATE, (CC, 'private="a"'), ("A", "1"), ("B", "2")],
        [DATE, (CC, 'private="a"'), ("B", "2")],
    ),
    (
        "no-cache-fields",
        "9111 §5.2.2.4",
        [DATE, (CC, 'no-cache="a, b"'), ("A", "1"), ("B", "2")],
        [DATE, (CC, 'no-cache="a, b"')],
    ),
    ("age", "9111 §5.1", [DATE, ("Age", "1")], [DATE]),
    ("date-absent", "9110 §6.6.1", [], [DATE]),
    ("date-invalid", "9110 §6.6.1", [("Date", "0"), ("A", "1")], [("A", "1"), DATE]),
    ("date-for-one-hop", "9110 §6.6.1", [("Date", YESTERDAY), ("Connection", "date")], [DATE]),
)


@pytest.mark.parametrize(("fields", "expected"), KEPT)
def test_which_fields_are_stored(
    fields: list[tuple[str, str]], expected: list[tuple[str, str]]
) -> None:
    answer = response(fields=fields)
    assert stored_fields(answer, response_directives(answer.fields)) == Fields(expected)
