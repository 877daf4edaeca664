from __future__ import annotations

import pytest

from proxy.caching.vary import select, selecting_names
from proxy.fields import NO_FIELDS, Fields
from tests.unit.caching.table import lines, table

NAMES = table(
    ("absent", "9110 §12.5.5", [], ()),
    ("empty", "9110 §12.5.5", [""], ()),
    ("one", "9110 §12.5.5", ["Foo"], ("foo",)),
    ("sorted-once", "9110 §12.5.5", ["foo, Bar", "FOO"], ("bar", "foo")),
    ("star", "9111 §4.1", ["*"], None),
    ("empty-star", "9111 §4.1", [", *"], None),
    ("star-star", "9111 §4.1", ["*, *"], None),
    ("star-first", "9111 §4.1", ["*, Foo"], None),
    ("star-last", "9111 §4.1", ["Foo, *"], None),
    ("star-on-a-line", "9111 §4.1", ["Foo", "*"], None),
    ("malformed-space", "9110 §12.5.5", ["Accept Encoding"], None),
    ("malformed-quoted", "9110 §12.5.5", ['"Foo"'], None),
    ("malformed-semicolon", "9110 §12.5.5", ["Foo; Bar"], None),
)


@pytest.mark.parametrize(("values", "expected"), NAMES)
def test_selecting_names(values: list[str], expected: tuple[str, ...] | None) -> None:
    assert selecting_names(lines("Vary", *values)) == expected


# Both requests' values of the field, and whether the second may be given the first's variant.
SAME = table(
    ("equal", "9111 §4.1", "Foo", ["1"], ["1"], True),
    ("different", "9111 §4.1", "Foo", ["1"], ["2"], False),
    ("case-of-unknown", "9111 §4.1", "Foo", ["a"], ["A"], False),
    ("order-of-unknown", "9111 §4.1", "Foo", ["1, 2"], ["2, 1"], False),
    ("absent-and-absent", "9111 §4.1", "Foo", [], [], True),
    ("absent-and-present", "9111 §4.1", "Foo", [], ["1"], False),
    ("absent-and-empty", "9111 §4.1", "Foo", [], [""], False),
    ("lines-combined", "9111 §4.1", "Foo", ["1, 2"], ["1", "2"], True),
    ("white-space", "9111 §4.1", "Foo", ["1,2"], [" 1 ,\t2 "], True),
    ("white-space-in-quotes", "9111 §4.1", "Foo", ['"1,2"'], ['"1, 2"'], False),
    ("white-space-in-cookie", "9111 §4.1", "Cookie", ["a=1,2"], ["a=1, 2"], False),
    ("cookie", "9111 §4.1", "Cookie", ["a=1"], [" a=1 "], True),
    ("coding-order", "9110 §12.5.3", "Accept-Encoding", ["gzip, br"], ["br,gzip"], True),
    ("coding-case", "9110 §12.5.3", "Accept-Encoding", ["GZip"], ["gzip"], True),
    ("coding-alias", "9110 §8.4.1", "Accept-Encoding", ["x-gzip, gzip"], ["gzip"], True),
    ("coding-weight-1", "9110 §12.4.2", "Accept-Encoding", ["gzip;q=1.000"], ["gzip"], True),
    ("coding-weight-form", "9110 §12.4.2", "Accept-Encoding", ["br ; Q=0.50"], ["br;q=0.5"], True),
    ("coding-weight", "9110 §12.4.2", "Accept-Encoding", ["br;q=0.5"], ["br;q=0.6"], False),
    ("coding-refused", "9110 §12.4.2", "Accept-Encoding", ["br;q=0"], ["br"], False),
    ("coding-empty", "9110 §12.5.3", "Accept-Encoding", [""], [], False),
    ("coding-malformed", "9110 §12.4.2", "Accept-Encoding", ["br;q=2"], ["br"], False),
    (
        "coding-malformed-itself",
        "9110 §12.4.2",
        "Accept-Encoding",
        ["br;q=2, a"],
        ["br;q=2,a"],
        True,
    ),
    ("coding-unfinished", "9110 §12.4.2", "Accept-Encoding", ["br;"], ["br"], False),
    ("language-case", "9110 §12.5.4", "Accept-Language", ["EN-gb, de"], ["en-GB,DE"], True),
    (
        "language-weight-order",
        "9110 §12.5.4",
        "Accept-Language",
        ["en;q=0.5, de"],
        ["de, en;q=0.5"],
        True,
    ),
    (
        "language-same-weight-order",
        "9110 §12.5.4",
        "Accept-Language",
        ["en, de"],
        ["de, en"],
        True,
    ),
    (
        "language-weight",
        "9110 §12.5.4",
        "Accept-Language",
        ["en;q=0.5, de"],
        ["en, de;q=0.5"],
        False,
    ),
    ("language-malformed", "9110 §12.5.4", "Accept-Language", ["en q"], ["en"], False),
)


@pytest.mark.parametrize(("name", "first", "second", "expected"), SAME)
def test_which_requests_share_a_variant(
    name: str, first: list[str], second: list[str], expected: bool
) -> None:
    ours, theirs = (select((name,), lines(name, *values)) for values in (first, second))
    assert (ours == theirs) is expected


def test_selecting_values_are_sorted_by_lower_case_name() -> None:
    asked = Fields([("B", "2"), ("a", "1")])
    assert select(("B", "c", "A"), asked) == (("a", "1"), ("b", "2"), ("c", None))
    assert select((), NO_FIELDS) == ()


def test_the_normal_form_is_readable() -> None:
    asked = Fields(
        [("Accept-Encoding", "br;q=0.8, gzip, identity;q=0"), ("Accept-Language", "en;q=0.1, DE")]
    )
    assert select(("accept-encoding", "accept-language"), asked) == (
        ("accept-encoding", "br;q=0.8,gzip,identity;q=0"),
        ("accept-language", "de,en;q=0.1"),
    )
