"""plan_lookup: serve, fetch or refuse."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.caching.directives import NOTHING_ASKED, request_directives
from proxy.decisions.lookup import Fetch, LookupPlan, Refuse, Serve, alone, plan_lookup
from proxy.outcomes import Forward, NotServed, Outcome, Refusal
from tests.support.build import request, stored
from tests.support.clock import NOW
from tests.unit.caching.table import table

ETAG = {"ETag": '"1"'}
FRESH = stored(fields=ETAG)
BARE = stored()
SWR = stored(fields=ETAG, stale_while_revalidate=30.0)
REFUSED = Refuse(504, Refusal.ONLY_IF_CACHED)
EXPIRED = Fetch(Forward.STALE, NotServed.EXPIRED, FRESH, FRESH)
DECLINED = Fetch(Forward.REQUEST, NotServed.DECLINED, FRESH, FRESH, joinable=False)
RELOAD = Fetch(Forward.REQUEST, NotServed.DECLINED, FRESH, None, joinable=False)
CC = "Cache-Control"

PLANS = table(
    ("nothing", "9111 §4", None, {}, 0, {}, Fetch(Forward.URI_MISS, NotServed.ABSENT)),
    (
        "no-such-variant",
        "9111 §4.1",
        None,
        {},
        0,
        {"missing": NotServed.VARIANT},
        Fetch(Forward.VARY_MISS, NotServed.VARIANT),
    ),
    (
        "store-down",
        "9111 §4",
        None,
        {},
        0,
        {"missing": NotServed.STORE_DOWN},
        Fetch(Forward.URI_MISS, NotServed.STORE_DOWN),
    ),
    ("fresh", "9111 §4", FRESH, {}, 59, {}, Serve(FRESH, Outcome.HIT)),
    ("stale-at-its-end", "9111 §4.2", FRESH, {}, 60, {}, EXPIRED),
    (
        "stale-without-validator",
        "9111 §4.3.1",
        BARE,
        {},
        60,
        {},
        Fetch(Forward.STALE, NotServed.EXPIRED, None, BARE),
    ),
    ("no-cache-asked", "9111 §5.2.1.4", FRESH, {CC: "no-cache"}, 1, {}, RELOAD),
    ("pragma", "9111 §5.4", FRESH, {"Pragma": "no-cache"}, 1, {}, RELOAD),
    ("max-age-met", "9111 §5.2.1.1", FRESH, {CC: "max-age=5"}, 5, {}, Serve(FRESH, Outcome.HIT)),
    ("max-age-passed", "9111 §5.2.1.1", FRESH, {CC: "max-age=5"}, 6, {}, DECLINED),
    ("min-fresh", "9111 §5.2.1.3", FRESH, {CC: "min-fresh=30"}, 31, {}, DECLINED),
    ("max-stale", "9111 §5.2.1.2", FRESH, {CC: "max-stale=9"}, 69, {}, Serve(FRESH, Outcome.STALE)),
    ("max-stale-passed", "9111 §5.2.1.2", FRESH, {CC: "max-stale=9"}, 70, {}, EXPIRED),
    ("behind", "5861 §3", SWR, {}, 89, {}, Serve(SWR, Outcome.STALE, refresh=True, validate=SWR)),
    (
        "behind-no-more",
        "5861 §3",
        SWR,
        {},
        90,
        {},
        Fetch(Forward.STALE, NotServed.EXPIRED, SWR, SWR),
    ),
    (
        "behind-but-must-revalidate",
        "9111 §5.2.2.2",
        stored(stale_while_revalidate=30.0, must_revalidate=True),
        {},
        61,
        {},
        Fetch(
            Forward.STALE,
            NotServed.EXPIRED,
            None,
            stored(stale_while_revalidate=30.0, must_revalidate=True),
        ),
    ),
    (
        "no-cache-stored",
        "9111 §5.2.2.4",
        stored(fields=ETAG, no_cache=True),
        {},
        1,
        {},
        Fetch(
            Forward.STALE,
            NotServed.EXPIRED,
            stored(fields=ETAG, no_cache=True),
            stored(fields=ETAG, no_cache=True),
        ),
    ),
    ("soft-purged", "README", FRESH, {}, 1, {"soft": True}, EXPIRED),
    (
        "soft-purged-behind",
        "5861 §3",
        SWR,
        {},
        1,
        {"soft": True},
        Serve(SWR, Outcome.STALE, refresh=True, validate=SWR),
    ),
    (
        "serve-if-says-no",
        "RULES 3",
        FRESH,
        {},
        1,
        {"serves": False},
        Fetch(Forward.MISS, NotServed.RULE),
    ),
    ("only-if-cached", "9111 §5.2.1.7", None, {CC: "only-if-cached"}, 0, {}, REFUSED),
    ("only-if-cached-stale", "9111 §5.2.1.7", FRESH, {CC: "only-if-cached"}, 60, {}, REFUSED),
    (
        "only-if-cached-declined",
        "9111 §5.2.1.7",
        FRESH,
        {CC: "only-if-cached, no-cache"},
        1,
        {},
        REFUSED,
    ),
    (
        "only-if-cached-refused-by-rule",
        "9111 §5.2.1.7",
        FRESH,
        {CC: "only-if-cached"},
        1,
        {"serves": False},
        REFUSED,
    ),
    (
        "only-if-cached-fresh",
        "9111 §5.2.1.7",
        FRESH,
        {CC: "only-if-cached"},
        1,
        {},
        Serve(FRESH, Outcome.HIT),
    ),
)


@pytest.mark.parametrize(("found", "asked", "after", "seen", "expected"), PLANS)
def test_the_plan(
    found: Any, asked: dict[str, str], after: float, seen: dict[str, Any], expected: LookupPlan
) -> None:
    sent = request(fields=asked)
    wanted = request_directives(sent.fields)
    assert plan_lookup(sent, wanted, found, NOW + after, **seen) == expected


@pytest.mark.parametrize(("method", "validates"), [("GET", True), ("HEAD", True), ("POST", False)])
def test_only_methods_that_may_be_answered_304_are_sent_with_a_condition(
    method: str, *, validates: bool
) -> None:
    """RFC 9110 §13.1.2: to any other method a server answers 412."""
    plan = plan_lookup(request(method), NOTHING_ASKED, FRESH, NOW + 100)
    assert isinstance(plan, Fetch)
    assert (plan.validate is FRESH, plan.fallback is FRESH) == (validates, True)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        pytest.param(Serve(FRESH, Outcome.HIT), Serve(FRESH, Outcome.HIT), id="served"),
        pytest.param(
            Serve(SWR, Outcome.HIT, refresh=True, validate=SWR),
            Serve(SWR, Outcome.HIT),
            id="not-renewed",
        ),
        pytest.param(
            DECLINED,
            Fetch(Forward.REQUEST, NotServed.DECLINED, joinable=False),
            id="neither-validated-nor-a-fallback",
        ),
        pytest.param(REFUSED, REFUSED, id="refused"),
    ],
)
def test_what_answers_another_request_is_served_as_it_stands_or_not_at_all(
    plan: LookupPlan, expected: LookupPlan
) -> None:
    assert alone(plan) == expected
