from __future__ import annotations

import pytest

from proxy.store.tag_index import FEW, SHARE, TagIndex

A, B = b"a" * 32, b"b" * 32


def test_a_tag_of_one_of_many_and_of_none_again() -> None:
    index = TagIndex()
    index.add(["t", "u"], A)
    assert index.keys("t") == (A,)
    index.add(["t"], B)
    assert set(index.keys("t") or ()) == {A, B}
    index.remove(["t", "u"], A)
    assert (index.keys("t"), index.keys("u")) == ((B,), ())
    index.remove(["t"], B)
    assert index.keys("t") == ()
    assert len(index) == 0


def test_what_most_entries_carry_is_only_counted_until_nobody_does() -> None:
    index = TagIndex()
    for number in range(FEW):
        index.add(["t", "u"], b"%d" % number)
    assert len(index.keys("t") or ()) == FEW
    index.add(["t"], A)
    assert index.keys("t") is None
    assert len(index.keys("u") or ()) == FEW
    index.remove(["t"], A)
    for number in range(FEW - 1):
        index.remove(["t", "u"], b"%d" % number)
    assert index.keys("t") is None
    index.remove(["t", "u"], b"%d" % (FEW - 1))
    assert index.keys("t") == ()
    index.add(["t"], A)
    assert index.keys("t") == (A,)


@pytest.mark.parametrize(("others", "named"), [(SHARE - 1, False), (SHARE, True)])
def test_many_are_named_where_they_are_a_small_part_of_all(others: int, named: bool) -> None:
    index, number = TagIndex(), 0
    for _ in range(FEW + 1):
        for tags in (*[[]] * (others - 1), ["t"]):
            index.add(tags, b"%d" % number)
            number += 1
    assert (index.keys("t") is not None) is named
