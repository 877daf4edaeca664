"""Who may be given an answer that was fetched for another request."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.decisions.answer import Keep, Relay
from proxy.decisions.sharing import may_join, selecting_fields
from proxy.outcomes import NotStored
from tests.support.build import request, response
from tests.unit.caching.table import table
from tests.unit.decisions.routed import HTTP, TIMED, match

CREDENTIALS = ("authorization", "cookie")
COOKIE = {"Cookie": "a=1"}
VARY = {"Vary": "Accept-Language, Accept-Encoding"}
IGNORES = TIMED + "\nkey: {ignore: [header.x-*]}"

SELECTING = table(
    ("nothing", "9111 §4.1", HTTP, {}, {}, ()),
    ("vary", "9111 §4.1", HTTP, VARY, {}, ("accept-encoding", "accept-language")),
    ("identity-was-asked-for", "README", TIMED, VARY, {}, ("accept-language",)),
    (
        "encoded-all-the-same",
        "README",
        TIMED,
        {"Content-Encoding": "gzip"},
        {},
        ("accept-encoding",),
    ),
    ("ignored-by-the-rule", "RULES 3", IGNORES, {"Vary": "X-A, B"}, {}, ("b",)),
    ("credentials-unnamed", "README", HTTP, {}, COOKIE, ("cookie",)),
    ("credentials-but-public", "9111 §5.2.2.9", HTTP, {"Cache-Control": "public"}, COOKIE, ()),
    ("credentials-but-s-maxage", "9111 §3.5", HTTP, {"Cache-Control": "s-maxage=9"}, COOKIE, ()),
    ("a-rule's-scope-tells-apart", "RULES 3", TIMED, {}, COOKIE, ()),
)


@pytest.mark.parametrize(("route", "answered", "asked", "expected"), SELECTING)
def test_which_request_fields_select_an_answer(
    route: str, answered: dict[str, str], asked: dict[str, str], expected: tuple[str, ...]
) -> None:
    found = match(route, request(fields=asked))
    head = response(fields=answered)
    assert selecting_fields(found.route, found.subject, head, CREDENTIALS) == expected


PRIVATE, STATUS = Relay(NotStored.PRIVATE), Relay(NotStored.STATUS)
BEARER = {"Authorization": "Bearer a"}
EN, DE = {"Accept-Language": "en"}, {"Accept-Language": "de"}

JOINS = table(
    ("stored", "9111 §4", HTTP, Keep(), response(), (), {}, {}, True),
    ("same-variant", "9111 §4.1", HTTP, Keep(), response(), ("accept-language",), EN, EN, True),
    ("other-variant", "9111 §4.1", HTTP, Keep(), response(), ("accept-language",), EN, DE, False),
    ("variant-absent", "9111 §4.1", HTTP, Keep(), response(), ("accept-language",), EN, {}, False),
    ("private", "9111 §5.2.2.7", HTTP, PRIVATE, response(), (), {}, {}, False),
    ("an-error-for-everybody", "README", HTTP, STATUS, response(502), (), {}, {}, True),
    ("by-a-rule", "README", TIMED, STATUS, response(404), (), {}, {}, True),
    ("another's-error", "README", TIMED, STATUS, response(502), (), BEARER, {}, False),
    ("one's-own-error", "README", TIMED, STATUS, response(502), (), BEARER, BEARER, True),
    (
        "a-cookie-is-for-one",
        "9111 §7.3",
        TIMED,
        STATUS,
        response(502, fields={"Set-Cookie": "a=1"}),
        (),
        {},
        {},
        False,
    ),
)


@pytest.mark.parametrize(
    ("route", "plan", "head", "selecting", "leads", "follows", "expected"), JOINS
)
def test_who_may_join(
    route: str,
    plan: Any,
    head: Any,
    selecting: tuple[str, ...],
    leads: dict[str, str],
    follows: dict[str, str],
    *,
    expected: bool,
) -> None:
    leader, follower = match(route, request(fields=leads)), match(route, request(fields=follows))
    joins = may_join(leader.route, plan, head, selecting, leader.subject, follower.subject)
    assert joins is expected
