"""plan_range: what to do with a request for one range that no whole answer serves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.caching.directives import request_directives
from proxy.caching.partial import excerpt
from proxy.decisions.lookup import Fetch, LookupPlan, Refuse, Serve, plan_range
from proxy.messages import Part, StoredResponse
from proxy.outcomes import Forward, NotServed, Outcome, Refusal
from tests.support.build import request, stored
from tests.support.clock import NOW
from tests.unit.caching.table import table

ETAG = {"ETag": '"1"'}
FRESH = stored(fields=ETAG)
REFUSED = Refuse(504, Refusal.ONLY_IF_CACHED)
DECLINED = Fetch(Forward.REQUEST, NotServed.DECLINED, FRESH, FRESH, joinable=False)
CC = "Cache-Control"
PART = stored(b"234567", fields=ETAG, status=206, part=Part(2, 8, 10))
CUT = excerpt(PART, "bytes=3-5")
assert CUT is not None
MISS = Fetch(Forward.URI_MISS, NotServed.ABSENT)
UP = Fetch(Forward.URI_MISS, NotServed.ABSENT, ranged=True)
OLD_WHOLE = stored(fields=ETAG, response_time=NOW - 100)
STALE_WHOLE = Fetch(Forward.STALE, NotServed.EXPIRED, OLD_WHOLE, OLD_WHOLE)
BESIDE_WHOLE = Fetch(Forward.STALE, NotServed.EXPIRED, None, OLD_WHOLE, ranged=True, part=PART)


def up(forward: Forward, reason: NotServed, *, joinable: bool = True) -> Fetch:
    """Ask for the range, to be joined with PART."""
    return Fetch(forward, reason, joinable=joinable, ranged=True, part=PART)


NOT_HELD = up(Forward.PARTIAL, NotServed.PARTIAL)
# What would be done without parts, the whole that is stored, the part, what is asked, after how
# many seconds, what is said of the part, and what is done.
RANGES = table(
    ("nothing-stored", "9111 §3.3", MISS, None, None, {}, 0, {}, UP),
    ("within", "9111 §3.3", MISS, None, PART, {}, 59, {}, Serve(CUT, Outcome.HIT)),
    ("within-offline", "9111 §5.2.1.7", REFUSED, None, PART, {}, 0, {}, Serve(CUT, Outcome.HIT)),
    ("beyond", "9111 §3.3", MISS, None, PART, {"Range": "bytes=3-8"}, 0, {}, NOT_HELD),
    (
        "beyond-offline",
        "9111 §5.2.1.7",
        REFUSED,
        None,
        PART,
        {"Range": "bytes=3-8"},
        0,
        {},
        REFUSED,
    ),
    ("if-range-fails", "9110 §13.1.5", MISS, None, PART, {"If-Range": '"2"'}, 0, {}, NOT_HELD),
    (
        "if-range-holds",
        "9110 §13.1.5",
        MISS,
        None,
        PART,
        {"If-Range": '"1"'},
        0,
        {},
        Serve(CUT, Outcome.HIT),
    ),
    ("stale", "9111 §4", MISS, None, PART, {}, 60, {}, up(Forward.STALE, NotServed.EXPIRED)),
    (
        "stale-and-accepted",
        "9111 §5.2.1.2",
        MISS,
        None,
        PART,
        {CC: "max-stale"},
        60,
        {},
        up(Forward.STALE, NotServed.EXPIRED),
    ),
    (
        "softly-purged",
        "DESIGN 4",
        MISS,
        None,
        PART,
        {},
        0,
        {"soft": True},
        up(Forward.STALE, NotServed.EXPIRED),
    ),
    (
        "serve-if-refuses",
        "RULES 3",
        MISS,
        None,
        PART,
        {},
        0,
        {"serves": False},
        up(Forward.MISS, NotServed.RULE),
    ),
    (
        "client-declines",
        "9111 §5.2.1.4",
        MISS,
        None,
        PART,
        {CC: "no-cache"},
        0,
        {},
        up(Forward.REQUEST, NotServed.DECLINED, joinable=False),
    ),
    (
        "newer-than-the-whole",
        "9111 §4",
        STALE_WHOLE,
        OLD_WHOLE,
        PART,
        {},
        0,
        {},
        Serve(CUT, Outcome.HIT),
    ),
    (
        "older-than-the-whole",
        "9111 §4",
        replace(STALE_WHOLE, fallback=OLD_WHOLE),
        stored(fields=ETAG, response_time=NOW + 1),
        PART,
        {},
        0,
        {},
        BESIDE_WHOLE,
    ),
    ("whole-declined", "9111 §4", DECLINED, FRESH, None, {}, 0, {}, DECLINED),
    (
        "whole-refused",
        "9111 §4",
        Fetch(Forward.MISS, NotServed.RULE),
        FRESH,
        None,
        {},
        0,
        {},
        Fetch(Forward.MISS, NotServed.RULE),
    ),
)


@pytest.mark.parametrize(("plan", "whole", "part", "asked", "after", "said", "expected"), RANGES)
def test_the_plan_for_a_range_that_no_whole_answer_serves(
    plan: Any,
    whole: StoredResponse | None,
    part: StoredResponse | None,
    asked: dict[str, str],
    after: float,
    said: dict[str, bool],
    expected: LookupPlan,
) -> None:
    sent = request(fields={"Range": "bytes=3-5", **asked})
    wanted = request_directives(sent.fields)
    assert plan_range(sent, wanted, plan, whole, part, NOW + after, **said) == expected
