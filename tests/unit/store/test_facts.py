from __future__ import annotations

import pytest

from proxy.messages import START, Alias, Stored, Variants
from proxy.outcomes import Tier
from proxy.store.base import Fact, FactKind, Mark
from proxy.store.entry_info import EntryInfo
from proxy.store.facts import FactTable, Verdict, judge_by_marks
from tests.support.build import stored

ENTRY = stored(tags=("*", "t"), born=(5, 0), url="/a/b", head="scene:1:x")
ROWS = [
    pytest.param(Fact(FactKind.TAG, "t"), (5, 1), Verdict.DEAD, id="later"),
    pytest.param(Fact(FactKind.TAG, "t"), (5, 0), Verdict.ALIVE, id="at its birth"),
    pytest.param(Fact(FactKind.TAG, "u"), (9, 0), Verdict.ALIVE, id="another tag"),
    pytest.param(Fact(FactKind.TAG, "t", soft=True), (9, 0), Verdict.SOFT, id="soft"),
    pytest.param(Fact(FactKind.TAG, "*"), (9, 0), Verdict.DEAD, id="everything"),
    pytest.param(Fact(FactKind.PREFIX, "/a"), (9, 0), Verdict.DEAD, id="prefix of URL"),
    pytest.param(Fact(FactKind.PREFIX, "scene:1:"), (9, 0), Verdict.DEAD, id="prefix of head"),
    pytest.param(Fact(FactKind.PREFIX, "a/"), (9, 0), Verdict.ALIVE, id="not a prefix"),
    pytest.param(Fact(FactKind.PREFIX, "/a"), (4, 0), Verdict.ALIVE, id="earlier prefix"),
    pytest.param(Fact(FactKind.MATCH, "scene:*:x"), (9, 0), Verdict.DEAD, id="match"),
    pytest.param(Fact(FactKind.MATCH, "/a"), (9, 0), Verdict.ALIVE, id="match is of the whole"),
    pytest.param(Fact(FactKind.MATCH, "/A*"), (9, 0), Verdict.ALIVE, id="case counts"),
]


@pytest.mark.parametrize(("fact", "position", "verdict"), ROWS)
def test_judging(fact: Fact, position: tuple[int, int], verdict: Verdict) -> None:
    table = FactTable()
    table.add(fact, position)
    assert table.judge(ENTRY) is verdict


def test_an_older_fact_told_later_changes_nothing() -> None:
    table = FactTable()
    table.add(Fact(FactKind.TAG, "t"), (9, 0))
    table.add(Fact(FactKind.TAG, "t"), (4, 0))
    assert table.judge(ENTRY) is Verdict.DEAD


def test_what_is_forgotten_is_no_longer_proven() -> None:
    table = FactTable(max_tags=2)
    for number in range(4):
        table.add(Fact(FactKind.TAG, f"t{number}"), (number, 0))
    assert table.complete_since == (1, 0)
    assert table.proves((1, 0))
    assert not table.proves((0, 9))


def test_a_purge_of_all_replaces_the_wide_facts() -> None:
    table = FactTable()
    table.add(Fact(FactKind.PREFIX, "/a"), (5, 0))
    table.add(Fact(FactKind.PREFIX, "/b"), (7, 0))
    table.add(Fact(FactKind.TAG, "*", soft=True), (8, 0))
    assert table.wide_count() == 2
    table.add(Fact(FactKind.TAG, "*"), (6, 0))
    assert table.wide_count() == 1


SPARED = [
    pytest.param(stored(tags=("t",), fields={"ETag": '"a"'}), True, id="strong"),
    pytest.param(stored(tags=("t",), fields={"ETag": 'W/"a"'}), True, id="weak"),
    pytest.param(stored(tags=("t",), fields={"ETag": '"b"'}), False, id="another"),
    pytest.param(stored(tags=("t",)), False, id="none"),
    pytest.param(
        stored(tags=("t",), fields=[("ETag", '"a"'), ("ETag", '"b"')]), False, id="in-doubt"
    ),
    pytest.param(Variants(names=(), expires_at=1.0, tags=("t",)), True, id="variants"),
    pytest.param(
        Alias(target=b"x", route_digest="", expires_at=1.0, tags=("t",)), True, id="alias"
    ),
]


@pytest.mark.parametrize(("entry", "alive"), SPARED)
def test_what_a_fact_spares(entry: Stored, alive: bool) -> None:
    table, fact = FactTable(), Fact(FactKind.TAG, "t", unless="a")
    table.add(fact, (9, 0))
    listed = EntryInfo.of(b"k", entry, Tier.SHARED)
    assert [table.judge(each) is Verdict.ALIVE for each in (entry, listed)] == [alive, alive]


def test_a_fact_that_spares_is_forgotten_like_others() -> None:
    table = FactTable(max_tags=1)
    table.add(Fact(FactKind.TAG, "t", unless="a"), (9, 0))
    table.add(Fact(FactKind.TAG, "u"), (3, 0))
    assert table.complete_since == table.forgotten == (9, 0)
    table.reset((9, 0))
    assert table.forgotten == START


def test_not_even_all_of_what_is_spared_replaces_the_wide_facts() -> None:
    table = FactTable()
    table.add(Fact(FactKind.PREFIX, "/a"), (5, 0))
    table.add(Fact(FactKind.TAG, "*", unless="a"), (6, 0))
    assert table.wide_count() == 1


MARKS = [
    pytest.param((Mark(1), Mark(2)), Verdict.ALIVE, id="alive"),
    pytest.param((Mark(1), Mark(2, (6, 0))), Verdict.DEAD, id="raised later"),
    pytest.param((Mark(1), Mark(2, (5, 0))), Verdict.ALIVE, id="raised at its birth"),
    pytest.param((Mark(1, START, (6, 0)), Mark(2)), Verdict.SOFT, id="soft"),
    pytest.param((Mark(1), None), Verdict.DEAD, id="one evicted"),
    pytest.param((Mark(1), Mark(3)), Verdict.DEAD, id="one made anew"),
    pytest.param((Mark(1),), Verdict.DEAD, id="one too few"),
]


@pytest.mark.parametrize(("marks", "verdict"), MARKS)
def test_judging_by_marks(marks: tuple[Mark | None, ...], verdict: Verdict) -> None:
    assert judge_by_marks(ENTRY, (1, 2), marks) is verdict
