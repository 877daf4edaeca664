from __future__ import annotations

import pytest

from proxy.messages import Variants
from proxy.outcomes import Tier
from proxy.store.base import LOCAL, EntryInfo, Selection, is_local, new_generation
from tests.support.build import stored

ANSWER = EntryInfo.of(
    b"k",
    stored(b"12345", tags=("*", "t"), url="/a/b", head="scene:1", route="r", keep=30.0),
    Tier.MEMORY,
)
ROWS = [
    pytest.param(Selection(), True, id="everything"),
    pytest.param(Selection(tag="t"), True, id="its tag"),
    pytest.param(Selection(tag="tt"), False, id="a longer tag"),
    pytest.param(Selection(route="r"), True, id="its route"),
    pytest.param(Selection(route="R"), False, id="another route"),
    pytest.param(Selection(prefix="/a"), True, id="prefix of URL"),
    pytest.param(Selection(prefix="scene:"), True, id="prefix of head"),
    pytest.param(Selection(prefix="a/b"), False, id="not a prefix"),
    pytest.param(Selection(prefix=""), True, id="the empty prefix is everything's"),
    pytest.param(Selection(tag="t", route="R"), False, id="all must hold"),
]


@pytest.mark.parametrize(("selection", "holds"), ROWS)
def test_selecting(selection: Selection, holds: bool) -> None:
    assert selection.holds(ANSWER) is holds


def test_a_listing_of_an_answer() -> None:
    assert (ANSWER.variants, ANSWER.status, ANSWER.body_bytes, ANSWER.method) == (
        False,
        200,
        5,
        "GET",
    )
    assert ANSWER.expires_at == ANSWER.fresh_until + 30.0


def test_a_listing_of_variants_has_no_status() -> None:
    listed = EntryInfo.of(b"k", Variants(names=("accept",), expires_at=9.0, url="/"), Tier.SHARED)
    assert (listed.variants, listed.status, listed.body_bytes, listed.tier) == (
        True,
        0,
        0,
        Tier.SHARED,
    )
    assert listed.fresh_until == listed.expires_at == 9.0


def test_generations_are_never_those_of_another_nor_zero() -> None:
    drawn = {new_generation() for _ in range(1000)}
    assert len(drawn) == 1000
    assert all(0 < generation < 1 << 62 for generation in drawn)


@pytest.mark.parametrize(
    ("position", "local"), [((0, 0), False), ((LOCAL - 1, 9), False), ((LOCAL, 0), True)]
)
def test_local_positions(position: tuple[int, int], local: bool) -> None:
    assert is_local(position) is local
