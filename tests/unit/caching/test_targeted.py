from __future__ import annotations

import pytest

from proxy.caching.directives import Directives
from proxy.caching.targeted import response_directives
from proxy.fields import Fields
from tests.unit.caching.table import table

CC, CDN, OURS = "Cache-Control", "CDN-Cache-Control", "Larder-Cache-Control"
D = Directives
FALLBACK = D(no_store=True)

TARGETED = table(
    ("none", "9213 §2.2", {CC: "max-age=1"}, D(max_age=1)),
    ("decides", "9213 §2.2", {CC: "no-store", CDN: "max-age=60"}, D(max_age=60, targeted=True)),
    ("ours-first", "9213 §2.2", {CDN: "max-age=1", OURS: "max-age=2"}, D(max_age=2, targeted=True)),
    (
        "ours-invalid-next",
        "9213 §2.2",
        {CDN: "max-age=1", OURS: "max-age="},
        D(max_age=1, targeted=True),
    ),
    ("not-merged", "9213 §2.2", {CC: "private", CDN: "public"}, D(public=True, targeted=True)),
    ("empty", "9213 §2.1", {CC: "no-store", CDN: ""}, FALLBACK),
    ("upper-case-name", "9213 §2.1", {CC: "no-store", CDN: "Max-Age=60"}, FALLBACK),
    ("space-before-equals", "9213 §2.1", {CC: "no-store", CDN: "max-age =60"}, FALLBACK),
    ("garbage-after", "9213 §2.1", {CC: "no-store", CDN: "max-age=60, &&&"}, FALLBACK),
    ("string-for-seconds", "9213 §2.1", {CC: "no-store", CDN: 'max-age="60"'}, FALLBACK),
    ("decimal-for-seconds", "9213 §2.1", {CC: "no-store", CDN: "max-age=60.0"}, FALLBACK),
    ("date-for-seconds", "9213 §2.1", {CC: "no-store", CDN: "max-age=@60"}, FALLBACK),
    ("bare-for-seconds", "9213 §2.1", {CC: "no-store", CDN: "max-age"}, FALLBACK),
    ("number-for-flag", "9213 §2.1", {CC: "no-store", CDN: "public=1"}, FALLBACK),
    ("inner-list-for-names", "9213 §2.1", {CC: "no-store", CDN: "private=(a b)"}, FALLBACK),
    ("one-of-wrong-type", "9213 §2.1", {CC: "no-store", CDN: "max-age=60, public=x"}, FALLBACK),
    ("unknown-of-any-type", "9213 §2.1", {CDN: "x=(1 2), max-age=9"}, D(max_age=9, targeted=True)),
    ("parameters-ignored", "9213 §2.1", {CDN: "max-age=9;x=1"}, D(max_age=9, targeted=True)),
    ("last-of-two", "9651 §4.2.2", {CDN: "max-age=9, max-age=1"}, D(max_age=1, targeted=True)),
    ("negative", "9111 §4.2.1", {CDN: "max-age=-1"}, D(max_age=0, targeted=True)),
    ("false", "9651 §3.3.6", {CC: "no-store", CDN: "no-store=?0"}, D(targeted=True)),
    (
        "field-names",
        "9213 §2.1",
        {CDN: 'private="a, B", no-cache'},
        D(private_fields=frozenset({"a", "b"}), no_cache=True, targeted=True),
    ),
)


@pytest.mark.parametrize(("fields", "expected"), TARGETED)
def test_the_first_valid_targeted_field_decides_alone(
    fields: dict[str, str], expected: Directives
) -> None:
    assert response_directives(Fields(fields.items())) == expected


def test_the_target_list_is_the_callers() -> None:
    fields = Fields([(CC, "max-age=1"), (CDN, "max-age=2"), ("X-Cache-Control", "max-age=3")])
    assert response_directives(fields, ("x-cache-control",)) == D(max_age=3, targeted=True)
    assert response_directives(fields, ()) == D(max_age=1)


def test_two_lines_are_one_dictionary() -> None:
    fields = Fields([(CDN, "max-age=2"), (CDN, "public")])
    assert response_directives(fields) == D(max_age=2, public=True, targeted=True)
