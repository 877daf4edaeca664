"""A visit: the same facts told to the client and to everybody else."""

from __future__ import annotations

from proxy.outcomes import Forward, NotStored, Outcome, Tier
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
