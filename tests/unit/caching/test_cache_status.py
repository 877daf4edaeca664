from __future__ import annotations

from typing import Any

import pytest

from proxy.caching.cache_status import append, render
from proxy.caching.structured import parse_list
from proxy.outcomes import Forward
from tests.unit.caching.table import lines, table

MEMBERS = table(
    (
        "hit",
        "9211 §2.1",
        "hit",
        {"ttl": 376.9, "detail": "memory"},
        "larder; hit; ttl=376; detail=memory",
    ),
    (
        "stale-hit",
        "9211 §2.4",
        "hit",
        {"ttl": -11.5, "detail": "stale-while-revalidate"},
        "larder; hit; ttl=-12; detail=stale-while-revalidate",
    ),
    ("miss", "9211 §2.2", Forward.URI_MISS, {"stored": True}, "larder; fwd=uri-miss; stored"),
    (
        "collapsed",
        "9211 §2.6",
        Forward.URI_MISS,
        {"collapsed": True},
        "larder; fwd=uri-miss; collapsed",
    ),
    (
        "revalidated",
        "9211 §2.3",
        Forward.STALE,
        {"forward_status": 304, "stored": True},
        "larder; fwd=stale; fwd-status=304; stored",
    ),
    (
        "everything",
        "9211 §2",
        Forward.REQUEST,
        {
            "forward_status": 200,
            "ttl": 5,
            "stored": True,
            "collapsed": True,
            "key": "a b",
            "detail": "\u00e9",
        },
        'larder; fwd=request; fwd-status=200; ttl=5; stored; collapsed; key="a b"; detail="?"',
    ),
    ("refused", "9211 §2", None, {"detail": "only-if-cached"}, "larder; detail=only-if-cached"),
    (
        "of-a-forward-only",
        "9211 §2",
        "hit",
        {"forward_status": 200, "stored": True, "collapsed": True},
        "larder; hit",
    ),
    ("quotes-in-a-key", "9211 §2.7", "hit", {"key": 'a"\\\u00e9'}, 'larder; hit; key="a\\"\\\\?"'),
    ("empty-detail", "9211 §2.8", "hit", {"detail": ""}, 'larder; hit; detail=""'),
)


@pytest.mark.parametrize(("how", "parameters", "expected"), MEMBERS)
def test_a_member_is_written(how: Any, parameters: dict[str, Any], expected: str) -> None:
    member = render(how, **parameters)
    assert member == expected
    assert parse_list(member) is not None


@pytest.mark.parametrize("forward", Forward)
def test_every_forward_is_a_token(forward: Forward) -> None:
    assert render(forward) == f"larder; fwd={forward.value}"


ARRIVED = table(
    ("none", "9211 §2", [], ("larder; hit",)),
    ("one", "9211 §2", ["origin; hit"], ("origin; hit, larder; hit",)),
    (
        "two-lines",
        "9211 §2",
        ["origin; hit", "cdn; fwd=miss"],
        ("origin; hit, cdn; fwd=miss, larder; hit",),
    ),
)


@pytest.mark.parametrize(("arrived", "expected"), ARRIVED)
def test_a_member_goes_after_those_of_the_origins_side(
    arrived: list[str], expected: tuple[str, ...]
) -> None:
    assert (
        append(lines("cache-status", *arrived), "larder; hit").get_all("Cache-Status") == expected
    )
