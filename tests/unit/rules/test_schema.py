"""The table of keys: everything the contract names is either built or known to come."""

from __future__ import annotations

import pytest

from proxy.rules import schema
from proxy.rules.shapes import Record

RECORDS = [value for value in vars(schema).values() if isinstance(value, Record)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_keys_are_named_once_and_explained(record: Record) -> None:
    names = [field.name for field in record.fields]
    assert len(set(names)) == len(names)
    assert not set(names) & set(record.later)
    assert [field.name for field in record.fields if not field.doc.endswith(".")] == []


CONTRACT = """
name match when key scope ttl stale store_if serve_if tags aliases invalidate write_through
etag client_cache headers cost dedupe stream events job capture expand prefetch enabled
collapse credentials
set_cookie reload targets
"""


def test_every_route_key_of_the_contract_is_known() -> None:
    known = {field.name for field in schema.ROUTE_RECORD.fields} | set(schema.ROUTE_RECORD.later)
    assert known == set(CONTRACT.split())
