"""The keys of a route: what the contract names is either built or known to come."""

from __future__ import annotations

from proxy.rules import route_schema as schema

CONTRACT = """
name match when key scope ttl stale store_if serve_if tags aliases extend invalidate write_through
etag client_cache headers cost params dedupe stream events job capture expand prefetch enabled
collapse credentials refresh restore
set_cookie reload targets
"""


def test_every_route_key_of_the_contract_is_known() -> None:
    known = {field.name for field in schema.ROUTE_RECORD.fields} | set(schema.ROUTE_RECORD.later)
    assert known == set(CONTRACT.split())


def test_defaults_give_what_any_route_may_say_but_what_makes_it_that_route() -> None:
    of_a_route = {field.name for field in schema.ROUTE_RECORD.fields}
    defaults = {field.name for field in schema.DEFAULTS_RECORD.fields}
    following = {"write_through", "expand", "prefetch"}
    assert of_a_route - defaults == {"name", "match", "when", "dedupe", *following}
