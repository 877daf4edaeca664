from __future__ import annotations

import pytest

from proxy.caching.groups import groups, groups_invalidated
from tests.support.build import FieldLines, as_fields
from tests.unit.caching.table import lines, table

GROUPS = table(
    ("none", "9875 §2", {}, ()),
    ("strings", "9875 §2", {"Cache-Groups": '"a", "b c";x=1'}, ("a", "b c")),
    ("not-strings", "9875 §2", {"Cache-Groups": '"a", b'}, ()),
    ("malformed", "9875 §2", {"Cache-Groups": '"a", "b'}, ()),
    ("two-lines", "9875 §2", [("Cache-Groups", '"a"'), ("Cache-Groups", '"b"')], ("a", "b")),
    ("case", "9875 §2.1", {"Cache-Groups": '"A", "a"'}, ("A", "a")),
    ("surrogate-key", "no RFC", {"Surrogate-Key": "a  b,c"}, ("a", "b", "c")),
    ("cache-tag", "no RFC", {"Cache-Tag": "a, b c,"}, ("a", "b c")),
    (
        "all-once",
        "no RFC",
        {"Cache-Groups": '"a"', "Surrogate-Key": "a b", "Cache-Tag": "b"},
        ("a", "b"),
    ),
    ("system-tags", "no RFC", {"Surrogate-Key": "@route:x * a *"}, ("a",)),
    ("empty-name", "9875 §2", {"Cache-Groups": '"", "a"'}, ("a",)),
)


@pytest.mark.parametrize(("fields", "expected"), GROUPS)
def test_the_groups_of_a_response(fields: FieldLines, expected: tuple[str, ...]) -> None:
    assert groups(as_fields(fields)) == expected


INVALIDATED = table(
    ("post", "9875 §3", "POST", '"a", "b"', ("a", "b")),
    ("unknown-method", "9875 §3", "M-FOO", '"a"', ("a",)),
    ("get", "9875 §3", "GET", '"a"', ()),
    ("malformed", "9875 §3", "POST", "a b", ()),
    ("system-tag", "9875 §3", "POST", '"*", "@upstream:x"', ()),
)


@pytest.mark.parametrize(("method", "value", "expected"), INVALIDATED)
def test_the_groups_a_response_invalidates(
    method: str, value: str, expected: tuple[str, ...]
) -> None:
    assert groups_invalidated(method, lines("Cache-Group-Invalidation", value)) == expected
