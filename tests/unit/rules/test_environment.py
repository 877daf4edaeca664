"""References to the environment, and its switches."""

from __future__ import annotations

import pytest

from proxy.rules.environment import flag, substitute

ROWS = [
    ("plain", "plain", (), False),
    ("${A}-${B:-b}", "1-b", (), False),
    ("${NO}${NO}", "", ("NO",), False),
    ("${E:-d}${E}", "d", (), False),
    ("${A:-}", "1", (), False),
    ("$${A} $A", "${A} $A", (), False),
    ("${a b}", "${a b}", (), True),
    ("${", "${", (), True),
]


@pytest.mark.parametrize(("text", "expected", "missing", "malformed"), ROWS)
def test_substitution(text: str, expected: str, missing: tuple[str, ...], malformed: bool) -> None:
    found = substitute(text, {"A": "1", "E": ""})
    assert (found.text, found.missing, found.malformed) == (expected, missing, malformed)
    assert found.changed == ("${" in text)


@pytest.mark.parametrize(
    ("value", "expected"), [("", True), ("TRUE", True), ("off", False), ("maybe", None)]
)
def test_flags(value: str, expected: bool | None) -> None:
    assert flag({"F": value}, "F") is expected
    assert flag({}, "F") is True
