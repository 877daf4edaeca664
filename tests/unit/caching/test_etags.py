"""Entity tags of our own making."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.caching.entity_tags import EntityTag, parse_tag, parse_tags
from proxy.caching.etags import content_tag, is_content_tag, opaque_of, values_tag
from tests.unit.caching.table import table

TEXTS = table(
    ("one", "9110 §8.8.3", ["7"], 'W/"7"'),
    ("several", "9110 §8.8.3", ["42", "2026-01-31T08:00:00Z"], 'W/"42;2026-01-31T08:00:00Z"'),
)
HASHED = [[""], ["a b"], ["a;b"], ["a,b"], ['"'], ["\u65e5"], ["\ud800"], ["x" * 200], ["a\\"]]


def test_content_is_told_apart_by_every_byte() -> None:
    assert content_tag(b"a") != content_tag(b"b")
    assert content_tag(b"") == '"xxh3-99aa06d3014798d86001c324468d497f"'
    tag = parse_tag(content_tag(b"a"))
    assert tag is not None
    assert not tag.weak


@pytest.mark.parametrize(("texts", "tag"), TEXTS)
def test_values_are_readable_where_they_can_be(texts: list[str], tag: str) -> None:
    assert values_tag(texts) == tag


@pytest.mark.parametrize("texts", HASHED)
def test_other_values_are_hashed(texts: list[str]) -> None:
    tag = parse_tag(values_tag(texts))
    assert tag is not None
    assert tag.weak
    assert len(tag.opaque) == 34


@given(st.lists(st.text(max_size=5), max_size=3), st.lists(st.text(max_size=5), max_size=3))
def test_no_two_lists_share_a_tag_and_any_client_can_send_it_back(
    one: list[str], two: list[str]
) -> None:
    written = values_tag(one)
    assert (written == values_tag(two)) == (one == two)
    assert written.isascii()
    assert parse_tags(f'"x", {written}')[1:] == (parse_tag(written),)
    assert f'"{opaque_of(written)}"' == (parse_tag(written) or EntityTag("")).opaque


OPAQUE = table(
    ("strong", "9110 §8.8.3.2", '"a"', "a"),
    ("weak", "9110 §8.8.3.2", 'W/"a"', "a"),
    ("bare", "9110 §8.8.3.2", "a", "a"),
    ("spaced", "9110 §8.8.3.2", ' "a" ', "a"),
    ("empty", "9110 §8.8.3.2", '""', ""),
    ("nothing", "9110 §8.8.3.2", "", ""),
    ("a-quote", "9110 §8.8.3.2", '"', '"'),
)


@pytest.mark.parametrize(("text", "opaque"), OPAQUE)
def test_what_weak_comparison_compares(text: str, opaque: str) -> None:
    assert opaque_of(text) == opaque


OURS = [(content_tag(b"x"), True), (f"W/{content_tag(b'x')}", True), ('"xxh3-1"', False)]


@pytest.mark.parametrize(("tag", "ours"), OURS)
def test_a_content_tag_is_known_again(tag: str, ours: bool) -> None:
    assert is_content_tag(tag) is ours
