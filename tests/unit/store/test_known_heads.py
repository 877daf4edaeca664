"""Heads that were read before: found by their bytes, and bounded in bytes."""

from __future__ import annotations

from proxy.store.known_heads import MARK, KnownHead, KnownHeads
from tests.support.build import stored


def head(raw: bytes) -> KnownHead:
    return KnownHead(
        raw=raw,
        packed=False,
        body_bytes=0,
        body_crc=0,
        entry=stored(b""),
        generations=(),
        epoch="",
    )


def mark(number: int) -> bytes:
    return number.to_bytes(MARK, "big")


def test_a_head_is_known_by_all_of_its_bytes() -> None:
    known = KnownHeads()
    one = head(mark(1) + b"one")
    assert known.of(one.raw + b"body") is None
    known.add(one)
    assert known.of(one.raw + b"body") is one
    assert known.of(one.raw) is one
    assert known.of(mark(1) + b"another") is None
    assert known.of(mark(1) + b"on") is None
    assert known.of(mark(2) + b"one") is None


def test_of_two_that_begin_alike_the_later_is_known() -> None:
    known = KnownHeads(head(mark(1) + b"two").size)
    one, two = head(mark(1) + b"one"), head(mark(1) + b"two")
    known.add(one)
    known.add(two)
    assert known.of(one.raw) is None
    assert known.of(two.raw) is two


def test_those_used_least_make_room() -> None:
    heads = [head(mark(number)) for number in range(4)]
    known = KnownHeads(3 * heads[0].size)
    for each in heads[:3]:
        known.add(each)
    assert known.of(heads[0].raw) is heads[0]
    known.add(heads[3])
    assert [known.of(each.raw) is each for each in heads] == [True, False, True, True]


def test_one_that_is_too_large_is_not_kept() -> None:
    known = KnownHeads(1)
    known.add(head(mark(1)))
    assert known.of(mark(1)) is None
