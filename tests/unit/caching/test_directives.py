from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proxy.caching.directives import (
    NO_DIRECTIVES,
    NOTHING_ASKED,
    Directives,
    RequestDirectives,
    parse_cache_control,
    request_directives,
)
from proxy.caching.syntax import MAX_DELTA
from proxy.fields import NO_FIELDS, Fields
from tests.unit.caching.table import lines, table

CC = "Cache-Control"
D = Directives
A_B = frozenset({"a", "b"})

RESPONSES = table(
    ("empty", "9111 §5.2", [""], D()),
    ("no-store", "9111 §5.2.2.5", ["no-store"], D(no_store=True)),
    ("case", "9111 §5.2", ["No-StOrE, MaX-aGe=60"], D(no_store=True, max_age=60)),
    (
        "every-flag",
        "9111 §5.2.2",
        ["public, must-revalidate, proxy-revalidate, must-understand, no-transform, immutable"],
        D(
            public=True,
            must_revalidate=True,
            proxy_revalidate=True,
            must_understand=True,
            no_transform=True,
            immutable=True,
        ),
    ),
    (
        "every-number",
        "9111 §5.2.2, 5861",
        ["max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4"],
        D(max_age=1, s_maxage=2, stale_while_revalidate=3, stale_if_error=4),
    ),
    ("several-lines", "9110 §5.3", ["max-age=60", "no-cache"], D(max_age=60, no_cache=True)),
    ("white-space", "9110 §5.6.1", [" \tmax-age=60\t , ,no-store,"], D(max_age=60, no_store=True)),
    ("extension", "9111 §5.2.3", ['foo, bar=1, max-age=60, baz="x"'], D(max_age=60)),
    ("name-is-whole", "9111 §5.2.3", ["xno-store, no-storex, x-max-age=60"], D()),
    ("quoted-number", "9111 §5.2", ['max-age="60"'], D(max_age=60)),
    ("number-in-an-extension", "9110 §5.6.4", ['x="max-age=3600", max-age=1'], D(max_age=1)),
    ("number-in-one-after", "9110 §5.6.4", ['max-age=1, x="max-age=3600"'], D(max_age=1)),
    ("list-in-an-extension", "9110 §5.6.4", ['x="a, no-store, b", max-age=1'], D(max_age=1)),
    ("unclosed-hides-nothing", "9110 §5.6.4", ['x="a, no-store'], D(no_store=True)),
    ("leading-zeros", "9111 §1.2.2", ["max-age=0060"], D(max_age=60)),
    ("huge", "9111 §1.2.2", ["max-age=99999999999999999999"], D(max_age=MAX_DELTA)),
    ("negative", "9111 §4.2.1", ["max-age=-1"], D(max_age=0)),
    ("decimal", "9111 §4.2.1", ["max-age=60.5"], D(max_age=0)),
    ("letters-before", "9111 §4.2.1", ["max-age=a60"], D(max_age=0)),
    ("letters-after", "9111 §4.2.1", ["max-age=60a"], D(max_age=0)),
    ("single-quotes", "9111 §4.2.1", ["max-age='60'"], D(max_age=0)),
    ("space-before-equals", "9111 §5.2", ["max-age =60"], D(max_age=0)),
    ("space-after-equals", "9111 §5.2", ["max-age= 60"], D(max_age=0)),
    ("no-number", "9111 §4.2.1", ["max-age"], D(max_age=0)),
    ("empty-number", "9111 §4.2.1", ["max-age="], D(max_age=0)),
    (
        "bad-s-maxage-hides-max-age",
        "9111 §4.2.1",
        ["s-maxage=x, max-age=60"],
        D(s_maxage=0, max_age=60),
    ),
    ("bad-stale-window", "5861 §3", ["stale-while-revalidate=x"], D(stale_while_revalidate=0)),
    ("twice-the-same", "9111 §4.2.1", ["max-age=60, max-age=060"], D(max_age=60)),
    ("twice-long-first", "9111 §4.2.1", ["max-age=1800, max-age=1"], D(max_age=0)),
    ("twice-short-first", "9111 §4.2.1", ["max-age=1", "max-age=1800"], D(max_age=0)),
    ("twice-one-invalid", "9111 §4.2.1", ["max-age=60, max-age=x"], D(max_age=0)),
    ("restricts-with-argument", "9111 §5.2.2.5", ["no-store=x"], D(no_store=True)),
    ("restricts-with-space", "9111 §5.2.2.5", ["no-store =1"], D(no_store=True)),
    ("semicolons", "9111 §5.2", ["no-store; max-age=60"], D(no_store=True)),
    ("semicolon-after-number", "9111 §5.2", ["max-age=60; private"], D(max_age=0)),
    ("grants-without-argument-only", "9111 §5.2.2.9", ["public=x, immutable=1"], D()),
    ("private", "9111 §5.2.2.7", ["private"], D(private=True)),
    ("private-fields", "9111 §5.2.2.7", ['private="A, b"'], D(private_fields=A_B)),
    ("private-field-token", "9111 §5.2.2.7", ["private=a"], D(private_fields=frozenset({"a"}))),
    ("private-no-names", "9111 §5.2.2.7", ['private=""'], D(private=True)),
    ("private-bad-names", "9111 §5.2.2.7", ['private="a b"'], D(private=True)),
    ("private-unclosed", "9111 §5.2.2.7", ['private="a'], D(private=True)),
    (
        "private-both",
        "9111 §5.2.2.7",
        ['private="a, b", private'],
        D(private=True, private_fields=A_B),
    ),
    ("no-cache", "9111 §5.2.2.4", ["no-cache"], D(no_cache=True)),
    ("no-cache-fields", "9111 §5.2.2.4", ['no-cache="a", no-cache="b"'], D(no_cache_fields=A_B)),
    ("no-cache-equals", "9111 §5.2.2.4", ["no-cache="], D(no_cache=True)),
)


@pytest.mark.parametrize(("values", "expected"), RESPONSES)
def test_response_directives_are_read(values: list[str], expected: Directives) -> None:
    assert parse_cache_control(lines(CC, *values)) == expected


def test_without_the_field_nothing_is_said() -> None:
    assert parse_cache_control(NO_FIELDS) is NO_DIRECTIVES


def test_another_field_can_be_read_by_its_name() -> None:
    fields = lines("Surrogate-Control", "max-age=60")
    assert parse_cache_control(fields, "surrogate-control") == D(max_age=60)


R = RequestDirectives

REQUESTS = table(
    ("nothing", "9111 §5.2.1", {}, NOTHING_ASKED),
    ("no-cache", "9111 §5.2.1.4", {CC: "no-cache"}, R(no_cache=True)),
    ("no-store", "9111 §5.2.1.5", {CC: "no-store"}, R(no_store=True)),
    ("no-transform", "9111 §5.2.1.6", {CC: "no-transform"}, R(no_transform=True)),
    ("only-if-cached", "9111 §5.2.1.7", {CC: "Only-If-Cached"}, R(only_if_cached=True)),
    ("max-age", "9111 §5.2.1.1", {CC: "max-age=60"}, R(max_age=60)),
    ("max-age-invalid", "9111 §5.2.1.1", {CC: "max-age=x"}, R(max_age=0)),
    ("min-fresh", "9111 §5.2.1.3", {CC: "min-fresh=60"}, R(min_fresh=60)),
    ("min-fresh-invalid", "9111 §5.2.1.3", {CC: "min-fresh=x"}, R(min_fresh=MAX_DELTA)),
    ("max-stale-bare", "9111 §5.2.1.2", {CC: "max-stale"}, R(max_stale=MAX_DELTA)),
    ("max-stale-value", "9111 §5.2.1.2", {CC: "max-stale=60"}, R(max_stale=60)),
    ("max-stale-invalid", "9111 §5.2.1.2", {CC: "max-stale=x"}, R(max_stale=0)),
    ("max-stale-contradicted", "9111 §5.2.1.2", {CC: "max-stale, max-stale=1"}, R(max_stale=0)),
    ("stale-if-error", "5861 §4", {CC: "stale-if-error=60"}, R(stale_if_error=60)),
    ("pragma", "9111 §5.4", {"Pragma": "No-Cache"}, R(no_cache=True)),
    ("pragma-among-others", "9111 §5.4", {"Pragma": "foo, no-cache"}, R(no_cache=True)),
    ("pragma-unknown", "9111 §5.4", {"Pragma": "foo"}, NOTHING_ASKED),
    ("pragma-outranked", "9111 §5.4", {"Pragma": "no-cache", CC: "max-age=9"}, R(max_age=9)),
    ("response-directives", "9111 §5.2", {CC: "public, s-maxage=1"}, R()),
)


@pytest.mark.parametrize(("fields", "expected"), REQUESTS)
def test_request_directives_are_read(fields: dict[str, str], expected: RequestDirectives) -> None:
    assert request_directives(Fields(fields.items())) == expected


MEANINGS = table(
    ("nothing", "9111 §4.2.4", {}, False, False),
    ("max-age", "9111 §4.2.4", {"max_age": 1}, False, False),
    ("s-maxage", "9111 §5.2.2.10", {"s_maxage": 1}, True, True),
    ("must-revalidate", "9111 §5.2.2.2", {"must_revalidate": True}, True, True),
    ("proxy-revalidate", "9111 §5.2.2.8", {"proxy_revalidate": True}, True, False),
    ("public", "9111 §3.5", {"public": True}, False, True),
    ("no-cache", "9111 §5.2.2.4", {"no_cache": True}, True, False),
    ("no-cache-fields", "9111 §5.2.2.4", {"no_cache_fields": A_B}, False, False),
)


@pytest.mark.parametrize(("changes", "forbids_stale", "allows_authorized"), MEANINGS)
def test_what_directives_mean_for_a_shared_cache(
    changes: dict[str, Any], forbids_stale: bool, allows_authorized: bool
) -> None:
    directives = replace(NO_DIRECTIVES, **changes)
    assert directives.forbids_stale == forbids_stale
    assert directives.allows_authorized == allows_authorized


@pytest.mark.parametrize(
    "text", ["a," * 50_000, '"' * 50_000, '\\"' * 50_000, "a=" + '"\\' * 50_000]
)
def test_reading_takes_time_linear_in_the_text(text: str) -> None:
    """Were it quadratic, 100 kB would pass the limit of twenty seconds."""
    assert parse_cache_control(lines(CC, text)) == NO_DIRECTIVES
