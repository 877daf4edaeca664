from __future__ import annotations

import pytest

from proxy.caching.hop_by_hop import HOP_BY_HOP, connection_options, end_to_end
from proxy.fields import Fields
from tests.unit.caching.table import lines, table

REMOVED = table(
    ("nothing", "9110 §7.6.1", [("A", "1")], [("A", "1")]),
    (
        "order-and-spelling-kept",
        "9110 §7.6.1",
        [("b", "1"), ("TE", "x"), ("A", "2"), ("b", "3")],
        [("b", "1"), ("A", "2"), ("b", "3")],
    ),
    (
        "named",
        "9110 §7.6.1",
        [("Connection", "A, b"), ("a", "1"), ("B", "2"), ("C", "3")],
        [("C", "3")],
    ),
    (
        "named-on-two-lines",
        "9110 §7.6.1",
        [("Connection", "A"), ("A", "1"), ("connection", "b"), ("B", "2")],
        [],
    ),
    ("named-but-absent", "9110 §7.6.1", [("Connection", "close"), ("A", "1")], [("A", "1")]),
    ("end-to-end-trailer", "9110 §6.6.2", [("Trailer", "x")], [("Trailer", "x")]),
    *(
        (f"always-{name}", "9110 §7.6.1", [(name.upper(), "x"), ("A", "1")], [("A", "1")])
        for name in sorted(HOP_BY_HOP)
    ),
)


@pytest.mark.parametrize(("fields", "expected"), REMOVED)
def test_hop_by_hop_fields_end_here(
    fields: list[tuple[str, str]], expected: list[tuple[str, str]]
) -> None:
    assert end_to_end(Fields(fields)) == Fields(expected)


def test_connection_options_are_read_from_all_lines() -> None:
    assert connection_options(lines("Connection", "Close, a", "B")) == {"close", "a", "b"}
