"""Requests, keys and stored responses: times (RFC 9111 §4.2.3), and sizes that bound memory."""

from __future__ import annotations

import sys
from itertools import combinations

import pytest

from proxy.messages import CacheKey, Part, Variants
from tests.support.build import request, stored
from tests.support.clock import NOW


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [("/a?b?c", "/a", "b?c"), ("/a", "/a", ""), ("/a?", "/a", ""), ("*", "*", "")],
)
def test_a_target_is_a_path_and_a_query(target: str, path: str, query: str) -> None:
    asked = request(target=target)
    assert (asked.path, asked.query) == (path, query)


@pytest.mark.parametrize(
    ("initial_age", "after", "age", "ttl"),
    [(0.0, 10, 10.0, 50.0), (20.0, 10, 30.0, 30.0), (0.0, 70, 70.0, -10.0), (0.0, -5, 0.0, 60.0)],
    ids=["resident", "arrived-old", "stale", "clock-went-back"],
)
def test_age_and_freshness_left(initial_age: float, after: float, age: float, ttl: float) -> None:
    kept = stored(initial_age=initial_age, lifetime=60.0)
    assert (kept.age(NOW + after), kept.ttl(NOW + after)) == (age, ttl)


def test_when_it_goes_stale_and_when_it_is_of_no_use() -> None:
    kept = stored(initial_age=20.0, lifetime=60.0, keep=100.0)
    assert (kept.fresh_until, kept.expires_at) == (NOW + 40, NOW + 140)
    assert kept.ttl(kept.fresh_until) == 0


def test_its_head_is_the_answer_it_came_from() -> None:
    kept = stored(status=404, reason="No", fields={"A": "1"})
    head = kept.response
    assert (head.status, head.reason, head.fields, head.response_time) == (
        (404, "No", kept.fields, NOW)
    )


VALUES: list[tuple[tuple[str, str | None], ...]] = [
    (("a", "x"), ("b", "y")),
    (("a", "xb"), ("y", "")),
    (("a", None), ("b", "y")),
    (("a", ""), ("b", "y")),
    (("a", "-"), ("b", "y")),
    (("a", "\xff"), ("b", "y")),
    (("a", "x"), ("b", "y"), ("c", None)),
    (),
]


@pytest.mark.parametrize(("one", "other"), list(combinations(VALUES, 2)))
def test_variants_of_other_values_never_share_a_key(
    one: tuple[tuple[str, str | None], ...], other: tuple[tuple[str, str | None], ...]
) -> None:
    key = CacheKey(b"k", "GET /a")
    assert key.variant(one) != key.variant(other)
    assert key.variant(one) == key.variant(list(one))
    assert key.variant(one).head == "GET /a"


def test_a_part_is_never_where_a_whole_answer_could_be() -> None:
    """Neither under the key, nor under any variant of it: no field has an empty name."""
    key = CacheKey(b"k" * 32)
    wholes = {key.digest, *(key.variant(values).digest for values in VALUES)}
    parts = {key.part.digest, *(key.variant(values).part.digest for values in VALUES)}
    assert len(parts) == len(wholes)
    assert not parts & wholes


@pytest.mark.parametrize(
    ("part", "size", "is_all"),
    [
        (Part(0, 10, 10), 10, True),
        (Part(0, 9, 10), 9, False),
        (Part(1, 10, 10), 9, False),
        (Part(0, 10), 10, False),
    ],
    ids=["all", "without-its-end", "without-its-beginning", "length-unknown"],
)
def test_a_part_knows_whether_anything_is_missing(part: Part, size: int, *, is_all: bool) -> None:
    assert (part.size, part.is_all) == (size, is_all)


def test_the_readable_head_of_a_key_decides_nothing() -> None:
    assert CacheKey(b"k", "one") == CacheKey(b"k", "other")


def test_sizes_are_not_less_than_what_is_really_taken() -> None:
    """The memory bound counts them."""
    tags, fields = tuple(f"tag:{n}" for n in range(50)), {f"x-{n}": "v" * 50 for n in range(50)}
    kept = stored(b"x" * 5000, fields=fields, tags=tags, url="/u" * 50)
    taken = sys.getsizeof(kept.body) + sum(
        sys.getsizeof(text) for line in kept.fields for text in line
    )
    assert kept.size >= taken + sum(map(sys.getsizeof, tags))
    places = tuple(n.to_bytes(32, "big") for n in range(64))
    varying = Variants(names=("accept",) * 20, expires_at=NOW, tags=tags, places=places)
    assert varying.size >= sum(map(sys.getsizeof, (*varying.names, *tags, *places)))
