"""Learnt lifetimes: what is doubled, what is halved, what teaches nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decisions.adapting import Past, adapted, kept_to_learn, past_of
from proxy.rules.route import Match
from tests.support.build import request, response, stored
from tests.support.clock import NOW
from tests.unit.rules.support import matched, route_config

RULE = "ttl: {adaptive: {min: 10s, max: 60s}, status: {404: 5s}}"


def a_match(rule: str = RULE) -> Match:
    return matched(route_config(rule, match="/a"), request(target="/api/a"))


CASES: list[tuple[Past | None, float]] = [
    (None, 10),
    (Past(0, changed=False, due=True), 20),
    (Past(20, changed=False, due=True), 40),
    (Past(40, changed=False, due=True), 60),
    (Past(40, changed=True, due=True), 20),
    (Past(15, changed=True, due=True), 10),
    (Past(40, changed=False, due=False), 40),
    (Past(40, changed=True, due=False), 40),
    (Past(500, changed=False, due=False), 60),
]


@pytest.mark.parametrize(("past", "seconds"), CASES)
def test_what_is_learnt(past: Past | None, seconds: float) -> None:
    assert adapted(a_match().route, 200, past) == seconds


@pytest.mark.parametrize(("rule", "status"), [(RULE, 404), ("ttl: 1m", 200), ("ttl: http", 200)])
def test_nothing_is_learnt_where_the_rule_says(rule: str, status: int) -> None:
    route = a_match(rule).route
    assert adapted(route, status, Past(20, changed=False, due=True)) == 0
    assert kept_to_learn(route, status) == 0


@given(st.lists(st.booleans(), max_size=20))
def test_it_never_leaves_its_bounds(changes: list[bool]) -> None:
    route, seconds = a_match().route, 0.0
    for changed in changes:
        seconds = adapted(route, 200, Past(seconds, changed=changed, due=True))
        assert 10 <= seconds <= 60


@pytest.mark.parametrize(
    ("rule", "later", "due"),
    [
        (RULE, 59, False),
        (RULE, 60, True),
        (RULE + "\nrefresh: {ahead: 20%}", 48, True),
        (RULE + "\nrefresh: {ahead: 20%}", 47, False),
    ],
)
def test_it_is_due_once_it_has_lived(rule: str, later: int, due: bool) -> None:
    match = a_match(rule)
    whole = match.subject.with_response(response(request_time=NOW + later), b"stored")
    past = past_of(match.route, stored(learned=60.0), whole)
    assert (past.learned, past.changed, past.due) == (60.0, False, due)


ETAG = RULE + "\netag: response.body.at"
OURS = {"fields": {"ETag": 'W/"1"'}, "validators": (("etag", ""),)}
CHANGES = [
    (RULE, {}, 200, b"stored", False),
    (RULE, {}, 200, b"other", True),
    (RULE, {}, 203, b"stored", True),
    (ETAG, OURS, 200, b'{"at": 1, "now": 9}', False),
    (ETAG, OURS, 200, b'{"at": 2}', True),
    (ETAG, {}, 200, b"stored", False),
]


@pytest.mark.parametrize(("rule", "kept", "status", "body", "changed"), CHANGES)
def test_what_a_change_is(
    rule: str, kept: dict[str, object], status: int, body: bytes, changed: bool
) -> None:
    match = a_match(rule)
    prior = stored(**kept)  # type: ignore[arg-type]  # fields and more
    past = past_of(match.route, prior, match.subject.with_response(response(status), body))
    assert past.changed is changed


def test_a_stale_answer_is_kept_as_long_as_the_longest_lifetime() -> None:
    assert kept_to_learn(a_match().route, 200) == 60
    long = a_match("ttl: {adaptive: {min: 1s, max: 30d}}")
    assert kept_to_learn(long.route, 200) == 86_400
