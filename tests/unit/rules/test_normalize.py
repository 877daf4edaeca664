"""Normalising steps."""

from __future__ import annotations

from decimal import Decimal

import pytest

from proxy.rules.normalize import Default, Round, Step, Words, normalized
from proxy.rules.values import MISSING, Value

ROWS: list[tuple[Step, Value, Value]] = [
    (Words("trim"), " a b ", "a b"),
    (Words("squash"), " a \n b ", "a b"),
    (Words("lower"), "A", "a"),
    (Words("upper"), 1, 1),
    (Words("sort"), [2, 10, "a"], ["a", 10, 2]),
    (Words("sort"), "ba", "ba"),
    (Words("trim"), MISSING, MISSING),
    (Default("x"), MISSING, "x"),
    (Default("x"), None, "x"),
    (Default("x"), False, False),
    (Round(2), 1, Decimal("1.00")),
    (Round(2), 1.005, Decimal("1.00")),
    (Round(0), Decimal("1.6"), Decimal(2)),
    (Round(1), -0.01, Decimal("0.0")),
    (Round(2), True, True),
    (Round(2), "1", "1"),
    (Round(2), 1e300, 1e300),
]


@pytest.mark.parametrize(("step", "value", "expected"), ROWS)
def test_steps(step: Step, value: Value, expected: Value) -> None:
    assert normalized((step,), value) == expected


def test_steps_come_in_order() -> None:
    assert normalized((Words("trim"), Words("upper")), " a ") == "A"
    assert str(Round(1).apply(-0.01)) == "0.0"
