"""What is stored of a complete answer, or why nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.caching.dates import format_http_date
from proxy.decisions.keeping import (
    KEPT_TO_STAND_IN_S,
    KEPT_TO_VALIDATE_S,
    Origin,
    keep_answer,
    replayable,
    slide,
)
from proxy.messages import Part, StoredResponse
from proxy.outcomes import NotStored
from proxy.rules.lifetimes import TimedTtl
from tests.support.build import request, response, stored
from tests.support.clock import NOW
from tests.unit.caching.table import table
from tests.unit.decisions.routed import HTTP, TIMED, match, route_of

DATE = {"Date": format_http_date(NOW)}
FRESH = {"Cache-Control": "max-age=60", **DATE}
SSE = {"Content-Type": "text/event-stream"}
BORN = (7, 1)


def kept(
    route: str,
    fields: dict[str, str] | None = None,
    body: bytes = b"body",
    *,
    status: int = 200,
    method: str = "GET",
    jitter: float = 0.0,
) -> StoredResponse | NotStored:
    """What is kept of this answer."""
    found = match(route, request(method, "/a?api_key=s&b=1"))
    head = response(status, fields=fields or DATE)
    return keep_answer(
        found.route,
        found.subject,
        head,
        body,
        NOW,
        origin=Origin(born=BORN, selecting=("x",), head="GET /a"),
        jitter=jitter,
    )


FROM = "ttl: {from: response.body.ends, margin: 15s}"
REFUSED: list[Any] = table(
    ("no-store", "9111 §5.2.2.5", HTTP, {"Cache-Control": "no-store"}, b"a", NotStored.NO_STORE),
    ("empty-under-a-rule", "RULES", TIMED, {}, b"", NotStored.EMPTY),
    ("broken-stream", "RULES 3", TIMED, SSE, b"event: message_start\n\n", NotStored.TRUNCATED),
    (
        "store-if-reads-the-body",
        "RULES 3",
        TIMED + "\nstore_if: {response.body.success: true}",
        {},
        b'{"success": false}',
        NotStored.RULE,
    ),
    (
        "tag-missing",
        "RULES 3",
        TIMED + '\ntags: ["a:{response.body.id}"]',
        {},
        b"{}",
        NotStored.MISSING_SELECTOR,
    ),
    ("already-over", "RULES 3", FROM, {}, b'{"ends": 15}', NotStored.EXPIRED),
    ("names-no-time", "RULES 3", FROM, {}, b"{}", NotStored.EXPIRED),
)


@pytest.mark.parametrize(("route", "fields", "body", "reason"), REFUSED)
def test_why_nothing_is_kept(
    route: str, fields: dict[str, str], body: bytes, reason: NotStored
) -> None:
    assert kept(route, fields, body) is reason


def test_an_empty_answer_to_http_rules_and_a_204_are_kept() -> None:
    assert isinstance(kept(HTTP, FRESH, b""), StoredResponse)
    assert isinstance(kept(TIMED, {}, b"", status=204), StoredResponse)


STALE = "\nstale: {while_revalidate: 30s, if_error: 2d}"
TIMES: list[Any] = table(
    ("http", "9111 §4.2.1", HTTP, FRESH, (60.0, KEPT_TO_STAND_IN_S, 0.0, 0.0)),
    (
        "http-with-validator",
        "9111 §4.3",
        HTTP,
        {**FRESH, "ETag": '"1"'},
        (60.0, KEPT_TO_VALIDATE_S, 0.0, 0.0),
    ),
    (
        "http-windows",
        "5861 §3-4",
        HTTP,
        {**DATE, "Cache-Control": "max-age=60, stale-while-revalidate=5, stale-if-error=9000"},
        (60.0, 9000.0, 5.0, 9000.0),
    ),
    ("http-rule's-windows", "RULES 3", HTTP + STALE, FRESH, (60.0, 172_800.0, 30.0, 172_800.0)),
    ("rule", "RULES 3", TIMED, {}, (60.0, 0.0, 0.0, 0.0)),
    ("rule-to-validate", "9111 §4.3", TIMED, {"ETag": '"1"'}, (60.0, KEPT_TO_VALIDATE_S, 0.0, 0.0)),
    ("rule-windows", "RULES 3", TIMED + STALE, {}, (60.0, 172_800.0, 30.0, 172_800.0)),
    ("rule-overrides", "RULES 3", TIMED, {"Cache-Control": "no-store"}, (60.0, 0.0, 0.0, 0.0)),
)


@pytest.mark.parametrize(("route", "fields", "expected"), TIMES)
def test_how_long_it_is_fresh_and_of_use(
    route: str, fields: dict[str, str], expected: tuple[float, ...]
) -> None:
    made = kept(route, fields)
    assert isinstance(made, StoredResponse)
    windows = made.stale_while_revalidate, made.stale_if_error
    assert (made.lifetime, made.keep, *windows) == expected


def test_what_is_kept_knows_whence_it_came() -> None:
    made = kept(TIMED, {"ETag": '"1"'})
    assert isinstance(made, StoredResponse)
    assert (made.born, made.selecting, made.head, made.route) == (BORN, ("x",), "GET /a", "all")
    assert made.url == "/a?b=1"
    assert made.tags == ("*", "@upstream:db", "@route:all", "@url:db /a?b=1")
    assert made.route_digest == route_of(TIMED).digest


def test_what_is_kept_tells_what_it_cost_and_what_was_asked() -> None:
    lines = f"{TIMED}\ncost: {{miss: 20, hit: 1}}\nparams: [query.b, query.none]"
    made = kept(lines, {})
    assert isinstance(made, StoredResponse)
    assert (made.cost, made.params) == (20_000_000.0, (("query.b", "1"),))
    assert made.created_at == made.response_time


def test_the_age_an_answer_came_with_counts() -> None:
    """RFC 9111 §4.2.3."""
    made = kept(HTTP, {**FRESH, "Age": "50"})
    assert isinstance(made, StoredResponse)
    assert (made.ttl(NOW), made.age(NOW), "age" in made.fields) == (10.0, 50.0, False)


def test_jitter_shortens_by_chance() -> None:
    made = kept("ttl: {default: 1m, jitter: 50%}", jitter=1.0)
    assert isinstance(made, StoredResponse)
    assert made.lifetime == 30.0


REPLAYED = {
    "cookie": ({"Set-Cookie": "a=1"}, HTTP, False),
    "hop-by-hop": ({"Connection": "x", "X": "1"}, HTTP, False),
    "length": ({"Content-Length": "4"}, HTTP, False),
    "kept": ({"X-Own": "1"}, TIMED, True),
    "retry-after-by-rfc": ({"Retry-After": "1"}, HTTP, True),
    "retry-after-by-a-rule": ({"Retry-After": "1"}, TIMED, False),
    "counters-by-a-rule": ({"X-RateLimit-Remaining": "1"}, TIMED, False),
}


@pytest.mark.parametrize(("fields", "route", "expected"), REPLAYED.values(), ids=REPLAYED)
def test_what_would_be_wrong_on_replay_is_gone(
    fields: dict[str, str], route: str, *, expected: bool
) -> None:
    replayed = replayable(route_of(route), response(fields=fields))
    assert (next(reversed(fields)) in replayed) is expected


NAMED = match("ttl: {from: response.body.ends, default: 1m, sliding: true}").route.ttl
SLIDES: list[Any] = table(
    ("from-its-use-on", "RULES 3", TimedTtl(default=60.0, sliding=True), {}, 30, 90.0),
    (
        "up-to-its-maximum",
        "RULES 3",
        TimedTtl(default=60.0, sliding=True, maximum=80.0),
        {},
        30,
        80.0,
    ),
    ("not-on-every-hit", "RULES 3", TimedTtl(default=60.0, sliding=True), {}, 5, None),
    ("not-asked-for", "RULES 3", TimedTtl(default=60.0), {}, 30, None),
    (
        "by-its-own-status",
        "RULES 3",
        TimedTtl(default=300.0, sliding=True, status={404: 60.0}),
        {"status": 404},
        30,
        90.0,
    ),
    ("a-named-end-is-the-end", "RULES 3", NAMED, {}, 30, None),
    ("no-default", "RULES 3", TimedTtl(sliding=True, status={404: 9.0}), {}, 30, None),
)


@pytest.mark.parametrize(("ttl", "changes", "after", "expected"), SLIDES)
def test_a_lifetime_slides(
    ttl: TimedTtl, changes: dict[str, Any], after: float, expected: float | None
) -> None:
    slid = slide(stored(**changes), ttl, NOW + after)
    assert (None if slid is None else slid.lifetime) == expected


PART_FIELDS = {**FRESH, "ETag": '"1"', "Content-Range": "bytes 2-5/10", "Content-Length": "4"}


@pytest.mark.parametrize("route", [HTTP, TIMED], ids=["http", "rule"])
def test_a_part_is_kept_as_one_of_the_200_that_it_belongs_to(route: str) -> None:
    """RFC 9111 §3.3: which bytes it has is said apart from the head, which is the whole's."""
    made = kept(route, PART_FIELDS, b"2345", status=206)
    assert isinstance(made, StoredResponse)
    assert (made.status, made.part, made.lifetime, made.body) == (206, Part(2, 6, 10), 60, b"2345")
    assert made.fields.names() & {"content-range", "content-length"} == set()


@pytest.mark.parametrize("body", [b"234", b"23456", b""])
def test_a_part_that_is_shorter_or_longer_than_it_says_is_not_kept(body: bytes) -> None:
    fields = {name: value for name, value in PART_FIELDS.items() if name != "Content-Length"}
    assert kept(HTTP, fields, body, status=206) is NotStored.PARTIAL


def test_a_part_that_is_used_lives_as_long_as_a_200() -> None:
    ttl = TimedTtl(default=None, sliding=True, status={200: 100.0})
    part = stored(b"ab", status=206, part=Part(0, 2, 10), lifetime=100.0)
    slid = slide(part, ttl, NOW + 50)
    assert slid is not None
    assert (slid.lifetime, slid.part) == (150.0, part.part)
