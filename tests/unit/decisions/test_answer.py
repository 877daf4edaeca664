"""plan_answer: what to do with an upstream's answer once its head is here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.decisions.answer import (
    AnswerPlan,
    Freshen,
    Keep,
    Relay,
    StandIn,
    announced_length,
    plan_answer,
)
from proxy.outcomes import NotStored
from tests.support.build import request, response, stored
from tests.support.clock import NOW
from tests.unit.caching.table import table
from tests.unit.decisions.routed import HTTP, TIMED, match

FRESH = {"Cache-Control": "max-age=60"}
OLD = stored(fields={"ETag": '"1"', "X-Old": "1"}, stale_if_error=999.0)
STORE_IF = TIMED + "\nstore_if: {response.status: [200, 404]}"
BY_BODY = TIMED + "\nstore_if: {response.body.ok: true}"

PART = response(206, fields={**FRESH, "Content-Range": "bytes 0-3/10", "ETag": '"1"'})

PLANS = table(
    ("keep", "9111 §3", HTTP, response(fields=FRESH), {}, Keep()),
    ("no-lifetime", "9111 §3", HTTP, response(), {}, Relay(NotStored.NO_LIFETIME)),
    (
        "private",
        "9111 §5.2.2.7",
        HTTP,
        response(fields={"Cache-Control": "private, max-age=60"}),
        {},
        Relay(NotStored.PRIVATE),
    ),
    ("rule-overrides-headers", "RULES 3", TIMED, response(), {}, Keep()),
    ("rule-not-2xx", "RULES 3", TIMED, response(404), {}, Relay(NotStored.STATUS)),
    ("rule-names-it", "RULES 3", STORE_IF, response(404), {}, Keep()),
    ("rule-does-not-name-it", "RULES 3", STORE_IF, response(201), {}, Relay(NotStored.STATUS)),
    ("rule-waits-for-the-body", "RULES 3", BY_BODY, response(500), {}, Keep()),
    (
        "rule-vary-star",
        "9111 §4.1",
        TIMED,
        response(fields={"Vary": "*"}),
        {},
        Relay(NotStored.VARY_STAR),
    ),
    (
        "varies-by-too-much",
        "9111 §7.1",
        HTTP,
        response(fields={**FRESH, "Vary": ",".join(f"x-{n}" for n in range(17))}),
        {},
        Relay(NotStored.VARY_MANY),
    ),
    ("partial", "9111 §3.3", TIMED, response(206), {}, Relay(NotStored.PARTIAL)),
    ("part-unasked", "9111 §3.3", TIMED, PART, {}, Relay(NotStored.PARTIAL)),
    ("part", "9111 §3.3", HTTP, PART, {"ranged": True}, Keep()),
    ("part-under-a-rule", "9111 §3.3", TIMED, PART, {"ranged": True}, Keep()),
    ("part-named-as-200", "RULES 3", STORE_IF, PART, {"ranged": True}, Keep()),
    (
        "part-of-what-is-judged-by-its-body",
        "RULES 3",
        BY_BODY,
        PART,
        {"ranged": True},
        Relay(NotStored.PARTIAL),
    ),
    (
        "part-without-strong-validator",
        "9111 §3.4",
        HTTP,
        response(206, fields={**FRESH, "Content-Range": "bytes 0-3/10", "ETag": 'W/"1"'}),
        {"ranged": True},
        Relay(NotStored.PARTIAL),
    ),
    (
        "part-of-what-is-private",
        "9111 §5.2.2.7",
        HTTP,
        replace(PART, fields=PART.fields.with_set("Cache-Control", "private")),
        {"ranged": True},
        Relay(NotStored.PRIVATE),
    ),
    ("range-ignored", "9110 §14.2", HTTP, response(fields=FRESH), {"ranged": True}, Keep()),
    (
        "range-not-satisfiable",
        "9110 §15.5.17",
        HTTP,
        response(416, fields=FRESH),
        {"ranged": True},
        Relay(NotStored.STATUS),
    ),
    (
        "trouble-while-a-range-is-asked-for",
        "5861 §4",
        HTTP,
        response(503),
        {"ranged": True, "fallback": OLD},
        StandIn(OLD),
    ),
    ("304-unasked", "9110 §15.4.5", TIMED, response(304), {}, Relay(NotStored.PARTIAL)),
    (
        "announced-too-large",
        "README",
        TIMED,
        response(fields={"Content-Length": "101"}),
        {},
        Relay(NotStored.TOO_LARGE),
    ),
    (
        "announced-just-right",
        "README",
        TIMED,
        response(fields={"Content-Length": "100"}),
        {},
        Keep(),
    ),
    ("503-without-reserve", "5861 §4", HTTP, response(503), {}, Relay(NotStored.STATUS)),
    ("503-with-reserve", "5861 §4", HTTP, response(503), {"fallback": OLD}, StandIn(OLD)),
    (
        "404-is-an-answer",
        "5861 §4",
        TIMED,
        response(404),
        {"fallback": OLD},
        Relay(NotStored.STATUS),
    ),
    ("200-is-newer", "9111 §4.3.3", TIMED, response(), {"validate": OLD, "fallback": OLD}, Keep()),
)


@pytest.mark.parametrize(("route", "answered", "kept", "expected"), PLANS)
def test_the_plan(route: str, answered: Any, kept: dict[str, Any], expected: AnswerPlan) -> None:
    found = match(route, request())
    reserve: dict[str, Any] = {"validate": None, "fallback": None, **kept}
    plan = plan_answer(found.route, found.subject, answered, NOW + 100, max_body=100, **reserve)
    assert plan == expected


def test_a_304_brings_the_stored_head_up_to_date() -> None:
    """RFC 9111 §3.2: status and body are the stored ones, fields and times the new ones."""
    found = match(HTTP)
    answered = response(304, fields={"ETag": '"1"', "X-New": "2"}, response_time=NOW + 100)
    plan = plan_answer(
        found.route, found.subject, answered, NOW + 100, validate=OLD, fallback=OLD, max_body=100
    )
    assert isinstance(plan, Freshen)
    assert (plan.stored, plan.head.status, plan.head.response_time) == (OLD, 200, NOW + 100)
    assert (plan.head.fields.get("x-old"), plan.head.fields.get("x-new")) == ("1", "2")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), None),
        (("12",), 12),
        (("0",), 0),
        (("12", "12"), None),
        (("-1",), None),
        (("1_0",), None),
        (("²",), None),
        (("",), None),
    ],
)
def test_the_announced_length_is_one_plain_number(
    lines: tuple[str, ...], expected: int | None
) -> None:
    fields = [("Content-Length", line) for line in lines]
    assert announced_length(response(fields=fields)) == expected
