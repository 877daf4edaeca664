"""What no notes may hold, whoever keeps them."""

from __future__ import annotations

import math

import pytest

from proxy.store.notes import MAX_AMOUNT, MAX_VALUE_BYTES, check, check_amounts, check_value


@pytest.mark.parametrize("space", ["due", "a", "two-words", "with_2"])
def test_a_space_is_a_word(space: str) -> None:
    check(space, 0.0, -1.0, 1e18, None)


@pytest.mark.parametrize("space", ["", "Due", "a:b", "a*", "1a", "a b", "a\n", "x" * 33])
def test_what_is_no_word_is_named(space: str) -> None:
    with pytest.raises(ValueError, match="no space of notes"):
        check(space)


@pytest.mark.parametrize("life_s", [math.nan, math.inf, -math.inf])
def test_a_life_is_a_number_of_seconds(life_s: float) -> None:
    with pytest.raises(ValueError, match="cannot live"):
        check("due", 1.0, life_s)


def test_a_value_is_small() -> None:
    check_value(b"v" * MAX_VALUE_BYTES)
    with pytest.raises(ValueError, match="larger than 65536"):
        check_value(b"v" * (MAX_VALUE_BYTES + 1))


def test_an_amount_is_a_number_to_which_one_can_be_added() -> None:
    check_amounts({"a": -MAX_AMOUNT, "b": MAX_AMOUNT, "c": 0, "d": 1e-9})
    for amount in (math.nan, math.inf, -math.inf, MAX_AMOUNT * 2, 10**400):
        with pytest.raises(ValueError, match="cannot be added to 'f'"):
            check_amounts({"a": 1, "f": amount})
