"""The table of keys: each is named once and explained."""

from __future__ import annotations

import pytest

from proxy.rules import route_schema, schema
from proxy.rules.shapes import Record

RECORDS = [
    value for value in {**vars(schema), **vars(route_schema)}.values() if isinstance(value, Record)
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_keys_are_named_once_and_explained(record: Record) -> None:
    names = [field.name for field in record.fields]
    assert len(set(names)) == len(names)
    assert not set(names) & set(record.later)
    assert [field.name for field in record.fields if not field.doc.endswith(".")] == []
