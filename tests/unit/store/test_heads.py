"""The head of stored bytes: what it is made of comes back, and damaged text is told."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from proxy.errors import CorruptEntryError
from proxy.messages import Alias, Stored, StoredResponse, Variants
from proxy.store.base import Record
from proxy.store.heads import (
    Head,
    as_bytes,
    as_text,
    entry_of,
    head_of,
    text_in,
    text_out,
    with_body,
)
from tests.support.build import stored

ENTRIES = {
    "response": stored(b"body", tags=("*", "\ud800")),
    "variants": Variants(names=("accept",), expires_at=9.0),
    "alias": Alias(target=b"t", route_digest="d", expires_at=9.0),
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_the_entry_of_a_head_is_the_one_it_was_made_of(entry: Stored) -> None:
    head = head_of(Record(entry, (1,), "e"), b"body")
    assert entry_of(head, b"body") == entry
    assert (head.body_bytes, head.generations, head.epoch) == (4, (1,), "e")


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_head_of_bytes_is_the_same_head(entry: Stored) -> None:
    head = head_of(Record(entry, (1,), "e"), b"body")
    assert as_text(as_bytes(head)) == head
    assert all(isinstance(tag, bytes) for tag in as_bytes(head).tags)


def test_text_that_is_no_text_is_a_damaged_head() -> None:
    head = as_bytes(head_of(Record(stored(b"")), b""))
    damaged: Head[bytes] = msgspec.structs.replace(head, route=b"\xff")
    with pytest.raises(CorruptEntryError, match="damaged"):
        as_text(damaged)


def test_lone_surrogates_and_latin_1_go_through() -> None:
    for text in ("\ud800", "\xff", "\u2603", ""):
        assert text_in(text_out(text)) == text


def test_what_an_answer_lacks_is_not_written_for_it() -> None:
    plain = head_of(Record(replace(stored(b""), cost=1.5)), b"")
    assert (plain.target, plain.aliases, plain.cost) == (b"", (), 1.5)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_answer_is_given_its_body(entry: Stored) -> None:
    head = head_of(Record(entry, (1,), "e"), b"body")
    bare = entry_of(head, b"")
    made = with_body(bare, b"body")
    assert made == entry
    if isinstance(bare, StoredResponse):
        assert bare.body == b"", "the next is made of it"
