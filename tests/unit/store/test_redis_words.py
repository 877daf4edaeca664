from __future__ import annotations

from typing import Any

import pytest

from proxy.store.base import Fact, FactKind, JournalRecord, Mark
from proxy.store.codec import encode_facts
from proxy.store.redis_words import (
    entry_key,
    key_of,
    mark_in,
    mark_key,
    position_in,
    records_in,
    stream_in,
    text_of,
)

FACT = Fact(FactKind.TAG, "t")
ROW: Any = (b"5-1", {b"p": b"5-0", b"f": encode_facts((FACT,))})


def test_keys_hold_the_token_and_any_tag() -> None:
    assert key_of("T", "journal") == b"larder:T:journal"
    assert entry_key("T", b"\x00\xff") == b"larder:T:e:00ff"
    assert mark_key("T", "caf\xe9 \ud800:*") == b"larder:T:m:caf\xc3\xa9 \xed\xa0\x80:*"


@pytest.mark.parametrize("position", [(0, 0), (1_800_000_000_000, 7), (1 << 62, 1 << 62)])
def test_positions(position: tuple[int, int]) -> None:
    assert position_in(text_of(position).encode()) == position


def test_marks() -> None:
    assert mark_in(b"4611686018427387903 5-1 6-0") == Mark((1 << 62) - 1, (5, 1), (6, 0))


ANSWERS = [
    pytest.param(None, [], id="nothing came"),
    pytest.param({}, [], id="nothing came, RESP3"),
    pytest.param({b"journal": [[ROW]]}, [ROW], id="RESP3"),
    pytest.param([(b"journal", [ROW])], [ROW], id="RESP2"),
]


@pytest.mark.parametrize(("answer", "rows"), ANSWERS)
def test_what_xread_answers(answer: Any, rows: list[Any]) -> None:
    assert stream_in(answer) == rows


def test_records() -> None:
    assert records_in([ROW]) == (JournalRecord((5, 1), (5, 0), (FACT,)),)


def test_a_record_nobody_can_read_is_a_purge_of_all() -> None:
    (record,) = records_in([(b"5-1", {b"p": b"5-0", b"f": b"\xc1 of a later version"})])
    assert record.facts == (Fact(FactKind.TAG, "*"),)
