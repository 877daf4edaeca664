"""A visit: the same facts told to the client and to everybody else."""

from __future__ import annotations

from dataclasses import fields

import pytest

from proxy.decisions.delivery import Story
from proxy.outcomes import Bypass, ExchangeRecord, Forward, NotStored, Outcome, Tier
from proxy.visit import Visit
from tests.support.build import request
from tests.support.clock import NOW
from tests.unit.decisions.routed import match, upstream_of


def visit(target: str = "/a?secret=1") -> Visit:
    return Visit(request=request(target=target), began_at=NOW, began=5.0)


def test_a_visit_that_went_nowhere_is_an_error_without_route() -> None:
    record = visit().record(5.25, received=3, sent=4)
    assert (record.outcome, record.upstream, record.route, record.status) == (
        (Outcome.ERROR, "", "", 0)
    )
    assert (record.at, record.duration_s, record.request_bytes, record.response_bytes) == (
        (NOW, 0.25, 3, 4)
    )


def test_a_record_has_the_path_without_its_query_and_a_short_key() -> None:
    """Queries hold credentials; logs must not."""
    told = visit()
    told.upstream, told.route, told.key = upstream_of(), match().route, b"\xab" * 32
    record = told.record(6.0, received=0, sent=0)
    assert (record.path, record.key) == ("/a", "ab" * 8)
    assert (record.upstream, record.route) == ("db", "all")


def test_what_was_to_be_stored_and_was_not_is_told_as_not_stored() -> None:
    told = visit()
    told.stored, told.not_stored = True, NotStored.TRUNCATED
    record = told.record(6.0, received=0, sent=0)
    assert (record.stored, record.not_stored) == (False, NotStored.TRUNCATED)


def test_the_upstreams_status_is_told_only_of_what_went_forward() -> None:
    told = visit()
    told.upstream_status, told.tier, told.outcome = 200, Tier.MEMORY, Outcome.HIT
    assert told.story().forward_status is None
    told.forward = Forward.STALE
    assert (told.story().forward_status, told.story().tier) == (200, Tier.MEMORY)


COSTLY = "ttl: 1m\ncost: {miss: 20, hit: 1}"
MICROS = 1_000_000


def test_what_comes_from_the_cache_costs_a_hit_and_saves_the_rest() -> None:
    told = visit()
    told.route = match(COSTLY).route
    told.spares(20.0 * MICROS)
    record = told.record(6.0, received=0, sent=0)
    assert (record.unit, record.cost, record.saved) == ("credits", MICROS, 19 * MICROS)
    assert (told.story().cost, told.story().saved) == (MICROS, 19 * MICROS)


@pytest.mark.parametrize(
    ("follower", "status", "cost", "saved"),
    [(False, 200, 20, None), (False, 500, 0, None), (True, 200, 1, 19), (True, 500, 1, 0)],
)
def test_who_waits_along_pays_for_a_hit(
    follower: bool, status: int, cost: int, saved: int | None
) -> None:
    found = match(COSTLY)
    told = visit()
    told.route = found.route
    told.charged(None, status, follower=follower)
    assert (told.cost, told.saved) == (cost * MICROS, None if saved is None else saved * MICROS)


def test_where_nothing_costs_nothing_is_told() -> None:
    told = visit()
    told.route = match().route
    told.spares(0.0)
    record = told.record(6.0, received=0, sent=0)
    assert (told.story().cost, record.unit, record.cost) == (None, "", 0)


def test_what_a_visit_collects_is_told_under_the_same_names() -> None:
    told = visit()
    told.key, told.status, told.outcome = b"\x01" * 32, 418, Outcome.STALE
    told.forward, told.reason, told.tier = Forward.PARTIAL, Bypass.RANGE, Tier.SHARED
    told.stored, told.collapsed, told.aborted, told.background = True, True, True, True
    told.age_s, told.ttl_s, told.upstream_s, told.upstream_status = 1.0, 2.0, 3.0, 204
    told.session, told.counted, told.credential = "s", (("a", "b"),), "c"
    told.place, told.cost, told.saved = b"p", 5, 6
    record, story = told.record(6.0, received=7, sent=8), told.story()
    other = {"key", "upstream"}
    assert {f.name for f in fields(ExchangeRecord) if not hasattr(told, f.name)} == {
        *("at", "method", "path", "duration_s", "request_bytes", "response_bytes", "unit")
    }
    for kind, seen in ((ExchangeRecord, record), (Story, story)):
        for name in {f.name for f in fields(kind)} - other:
            if hasattr(told, name) and name != "route":
                assert getattr(seen, name) == getattr(told, name), name
    assert (record.request_bytes, record.response_bytes, record.method) == (7, 8, "GET")
    told.stored, told.not_stored, told.collapsed = False, NotStored.TRUNCATED, False
    again = told.record(6.0, received=0, sent=0)
    assert (again.stored, again.not_stored, again.collapsed) == (
        (False, NotStored.TRUNCATED, False)
    )
