from __future__ import annotations

import pytest

from proxy.caching.entity_tags import EntityTag, parse_tag, parse_tags, single_tag
from tests.unit.caching.table import lines, table

S = EntityTag
W = EntityTag('"a"', weak=True)

TAGS = table(
    ("strong", "9110 §8.8.3", '"a"', (S('"a"'),)),
    ("weak", "9110 §8.8.3", 'W/"a"', (W,)),
    ("empty-tag", "9110 §8.8.3", '""', (S('""'),)),
    ("comma-inside", "9110 §8.8.3", '"a,b"', (S('"a,b"'),)),
    ("backslash-inside", "9110 §8.8.3", '"a\\"', (S('"a\\"'),)),
    ("list", "9110 §13.1.2", '"a" ,\tW/"a", ,"c"', (S('"a"'), W, S('"c"'))),
    ("unquoted", "9110 §8.8.3", "a", (S("a"),)),
    ("lower-case-w-is-not-weak", "9110 §8.8.3", 'w/"a"', (S("w/"), S('"a"'))),
    ("nothing", "9110 §8.8.3", "", ()),
    ("lone-quote", "9110 §8.8.3", '"', ()),
)


@pytest.mark.parametrize(("text", "expected"), TAGS)
def test_tags_are_read(text: str, expected: tuple[EntityTag, ...]) -> None:
    assert parse_tags(text) == expected
    assert parse_tag(text) == (expected[0] if len(expected) == 1 else None)


COMPARED = table(
    ("strong-strong", "9110 §8.8.3.2", S('"a"'), S('"a"'), True, True),
    ("strong-weak", "9110 §8.8.3.2", S('"a"'), W, False, True),
    ("weak-strong", "9110 §8.8.3.2", W, S('"a"'), False, True),
    ("weak-weak", "9110 §8.8.3.2", W, W, False, True),
    ("different", "9110 §8.8.3.2", S('"a"'), S('"A"'), False, False),
    ("unquoted", "9110 §8.8.3.2", S('"a"'), S("a"), False, False),
)


@pytest.mark.parametrize(("ours", "theirs", "strongly", "weakly"), COMPARED)
def test_the_two_comparisons(
    ours: EntityTag, theirs: EntityTag, strongly: bool, weakly: bool
) -> None:
    assert ours.matches_strongly(theirs) is strongly
    assert ours.matches_weakly(theirs) is weakly


SINGLE = table(
    ("one", "9110 §8.8.3", [' "a" '], S('"a"')),
    ("two-alike", "9110 §8.8.3", ['"a"', '"a"'], S('"a"')),
    ("two-unlike", "9110 §8.8.3", ['"a"', '"b"'], None),
    ("a-list", "9110 §8.8.3", ['"a", "b"'], None),
    ("none", "9110 §8.8.3", [], None),
)


@pytest.mark.parametrize(("values", "expected"), SINGLE)
def test_a_response_has_one_tag(values: list[str], expected: EntityTag | None) -> None:
    assert single_tag(lines("ETag", *values)) == expected
