"""What a listing says of answers, variants and aliases, and which of them are selected."""

from __future__ import annotations

import pytest

from proxy.messages import Alias, Variants
from proxy.outcomes import Tier
from proxy.store.entry_info import EntryInfo, EntryKind, Selection
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
    assert (ANSWER.kind, ANSWER.status, ANSWER.body_bytes, ANSWER.method) == (
        EntryKind.RESPONSE,
        200,
        5,
        "GET",
    )
    assert ANSWER.expires_at == ANSWER.fresh_until + 30.0


def test_a_listing_tells_what_an_answer_cost_and_what_was_asked() -> None:
    answer = stored(created_at=5.0, cost=20.0, params=(("body.model", "m"),))
    listed = EntryInfo.of(b"k", answer, Tier.SHARED)
    assert (listed.created_at, listed.cost, listed.params) == (5.0, 20.0, (("body.model", "m"),))


def test_a_listing_of_variants_has_no_status() -> None:
    listed = EntryInfo.of(b"k", Variants(names=("accept",), expires_at=9.0, url="/"), Tier.SHARED)
    assert (listed.kind, listed.status, listed.body_bytes, listed.tier) == (
        EntryKind.VARIANTS,
        0,
        0,
        Tier.SHARED,
    )
    assert listed.fresh_until == listed.expires_at == 9.0


def test_a_listing_of_an_alias_names_no_status() -> None:
    alias = Alias(target=b"t", route_digest="d", expires_at=9.0, tags=("*",), route="r")
    listed = EntryInfo.of(b"k", alias, Tier.MEMORY)
    assert (listed.kind, listed.status, listed.route) == (EntryKind.ALIAS, 0, "r")
    assert Selection(route="r").holds(listed)
