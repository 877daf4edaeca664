"""What a client is shown: fields, the story in them, and its own conditions and ranges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.caching.dates import format_http_date
from proxy.decisions.delivery import X_CACHE, Portion, Story, client_fields, member, portion
from proxy.outcomes import Bypass, Forward, NotServed, Outcome, Refusal, Tier
from tests.support.build import as_fields, request
from tests.support.clock import NOW
from tests.unit.caching.table import table
from tests.unit.decisions.routed import TIMED, route_of

HIT = Story(outcome=Outcome.HIT, tier=Tier.MEMORY, age_s=3.9, ttl_s=56.1)
MISS = Story(outcome=Outcome.MISS, forward=Forward.URI_MISS)
EDITS = (
    TIMED
    + """
client_cache: "public, max-age=9"
headers: {set: {x-set: "1"}, remove: [x-gone]}"""
)

MEMBERS = table(
    ("hit", "9211 §2.1", HIT, "larder; hit; ttl=56; detail=memory"),
    (
        "stale",
        "9211 §2.4",
        Story(outcome=Outcome.STALE, tier=Tier.SHARED, ttl_s=-11.5),
        "larder; hit; ttl=-12; detail=shared",
    ),
    (
        "miss-stored",
        "9211 §2.2",
        Story(
            outcome=Outcome.MISS,
            forward=Forward.URI_MISS,
            forward_status=200,
            stored=True,
            reason=NotServed.ABSENT,
        ),
        "larder; fwd=uri-miss; fwd-status=200; stored; detail=absent",
    ),
    (
        "collapsed",
        "9211 §2.6",
        Story(outcome=Outcome.COLLAPSED, forward=Forward.URI_MISS, collapsed=True),
        "larder; fwd=uri-miss; collapsed",
    ),
    (
        "stale-error-went-forward",
        "9211 §2",
        Story(outcome=Outcome.STALE_ERROR, forward=Forward.STALE, forward_status=503, ttl_s=-1),
        "larder; fwd=stale; fwd-status=503; ttl=-1",
    ),
    (
        "bypass",
        "9211 §2.2",
        Story(outcome=Outcome.BYPASS, forward=Forward.BYPASS, reason=Bypass.TTL_OFF),
        "larder; fwd=bypass; detail=ttl-off",
    ),
    (
        "refused-is-neither",
        "9211 §2",
        Story(outcome=Outcome.REFUSED, reason=Refusal.ONLY_IF_CACHED),
        "larder; detail=only-if-cached",
    ),
)


@pytest.mark.parametrize(("story", "expected"), MEMBERS)
def test_the_member_of_cache_status(story: Story, expected: str) -> None:
    assert member(story) == expected


def test_every_outcome_has_its_x_cache_word() -> None:
    assert X_CACHE.keys() == set(Outcome)


FIELDS: list[Any] = table(
    ("hop-by-hop", "9110 §7.6.1", MISS, {"Connection": "x-a", "X-A": "1", "TE": "t"}, {}),
    ("framing-is-ours", "9112 §6", MISS, {"Content-Length": "7"}, {"content-length": None}),
    ("kept", "9110 §8.3", MISS, {"Content-Type": "a/b", "ETag": '"1"'}, {"etag": '"1"'}),
    ("date-added", "9110 §6.6.1", MISS, {}, {"date": format_http_date(NOW)}),
    ("date-kept", "9110 §6.6.1", MISS, {"Date": "then"}, {"date": "then"}),
    ("age-of-a-hit", "9111 §5.1", HIT, {"Age": "99"}, {"age": "3"}),
    ("age-that-came-with-it", "9111 §5.1", MISS, {"Age": "99"}, {"age": "99"}),
    ("x-cache", "DESIGN", HIT, {"X-Cache": "theirs"}, {"x-cache": "HIT"}),
    (
        "cache-status-after-theirs",
        "9211 §2",
        MISS,
        {"Cache-Status": "cdn; hit"},
        {"cache-status": "cdn; hit, larder; fwd=uri-miss"},
    ),
)


@pytest.mark.parametrize(("story", "fields", "expected"), FIELDS)
def test_the_fields_a_client_gets(
    story: Story, fields: dict[str, str], expected: dict[str, str | None]
) -> None:
    out = client_fields(None, 200, as_fields(fields), story, NOW)
    assert {name: out.get(name) for name in expected} == expected
    assert out.names() & {"connection", "te", "x-a", "content-length"} == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cost": 1_000_000, "saved": 19_500_000}, ("1", "credits", "19.5")),
        ({"cost": 20_000_000}, ("20", "credits", None)),
        ({}, (None, None, None)),
    ],
)
def test_costs_are_told_as_far_as_they_are_known(
    changes: dict[str, Any], expected: tuple[str | None, ...]
) -> None:
    route = route_of("ttl: 1m\ncost: {miss: 20, hit: 1}")
    theirs = as_fields({"X-Cost": "9", "x-cost-saved": "9"})
    out = client_fields(route, 200, theirs, replace(HIT, **changes), NOW)
    names = ("x-cost", "x-cost-unit", "x-cost-saved")
    assert tuple(out.get(name) for name in names) == expected


@pytest.mark.parametrize(("status", "cache"), [(200, "public, max-age=9"), (404, "private")])
def test_the_route_edits_what_a_client_sees(status: int, cache: str) -> None:
    """client_cache speaks of good answers only."""
    fields = as_fields({"X-Gone": "1", "Cache-Control": "private"})
    out = client_fields(route_of(EDITS), status, fields, HIT, NOW)
    assert (out.get("cache-control"), out.get("x-set"), out.get("x-gone")) == (cache, "1", None)


TAGGED = as_fields({"ETag": '"1"', "Content-Type": "text/plain", "Date": format_http_date(NOW)})
PORTIONS = table(
    ("all", "9110 §9.3.1", {}, 200, b"0123", (200, None)),
    ("not-modified", "9110 §13.1.2", {"If-None-Match": 'W/"1"'}, 200, b"0123", (304, b"")),
    ("modified", "9110 §13.1.2", {"If-None-Match": '"2"'}, 200, b"0123", (200, None)),
    ("range", "9110 §14.2", {"Range": "bytes=1-2"}, 200, b"0123", (206, b"12")),
    ("range-beyond", "9110 §15.5.17", {"Range": "bytes=9-"}, 200, b"0123", (416, b"")),
    (
        "condition-before-range",
        "9110 §13.2.2",
        {"Range": "bytes=1-2", "If-None-Match": '"1"'},
        200,
        b"0123",
        (304, b""),
    ),
    ("range-of-a-404", "9110 §14.2", {"Range": "bytes=1-2"}, 404, b"0123", (404, None)),
    ("body-not-at-hand", "9110 §14.2", {"Range": "bytes=1-2"}, 200, None, (200, None)),
    ("if-match-is-the-upstream's", "9111 §4.3.2", {"If-Match": '"2"'}, 200, b"0", (200, None)),
)


@pytest.mark.parametrize(("asked", "status", "body", "expected"), PORTIONS)
def test_the_portion_of_an_answer(
    asked: dict[str, str], status: int, body: bytes | None, expected: tuple[int, bytes | None]
) -> None:
    shown = portion(request(fields=asked), status, TAGGED, body, NOW)
    assert (shown.status, shown.body) == expected
    assert isinstance(shown, Portion)
