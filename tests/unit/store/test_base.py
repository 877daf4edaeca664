"""Numbers that must be unlike, and positions that are made up."""

from __future__ import annotations

import pytest

from proxy.store.base import LOCAL, is_local, new_generation


def test_generations_are_never_those_of_another_nor_zero() -> None:
    drawn = {new_generation() for _ in range(1000)}
    assert len(drawn) == 1000
    assert all(0 < generation < 1 << 62 for generation in drawn)


@pytest.mark.parametrize(
    ("position", "local"), [((0, 0), False), ((LOCAL - 1, 9), False), ((LOCAL, 0), True)]
)
def test_local_positions(position: tuple[int, int], local: bool) -> None:
    assert is_local(position) is local
