"""Claims as notes: what is written is read, whole or not at all."""

from __future__ import annotations

import pytest

from proxy.decisions.claim import (
    Done,
    InDoubt,
    Kept,
    State,
    part_key,
    parts_of,
    read,
    written,
)
from proxy.decisions.deduping import MAX_BODY
from proxy.fields import Fields
from tests.support.claims import DONE, DOUBT, SENT
from tests.support.clock import NOW


@pytest.mark.parametrize("state", [SENT, DOUBT, DONE, Done(owner="me", until=NOW, answer=None)])
def test_what_is_written_is_read(state: State) -> None:
    assert read(written(state)) == state


@pytest.mark.parametrize(
    "note",
    [
        *(b"", b"\n", b"{}", b"[]", b"null", b"\xff\x00", b'{"v": 2, "is": "Sent"}'),
        *(b'{"v": 1, "is": "Sent"}', b'{"v": 1, "is": "Gone", "until": 1, "owner": "x"}'),
        b'{"v": 1, "is": "InDoubt", "until": "soon", "owner": "x", "fingerprint": ""}',
        written(SENT)[:-20],
        b"[" * 50_000,
    ],
)
def test_what_is_no_claim_of_this_version_is_not_read(note: bytes) -> None:
    assert read(note) is None


@pytest.mark.parametrize(
    "size", [0, 2 << 10, (2 << 10) + 1, 32 << 10, (32 << 10) + 1, 120 << 10, MAX_BODY]
)
def test_a_long_body_is_in_notes_of_its_own(size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    done = Done(
        owner="me",
        until=NOW,
        answer=Kept(status=200, reason="", fields=Fields(), body=body, at=NOW),
    )
    note, parts = written(done), parts_of(done)
    assert all(len(each) <= 64 << 10 for each in (note, *(part for _, part in parts)))
    found = read(note)
    assert isinstance(found, Done)
    assert found.answer is not None
    assert found.answer.parts == len(parts)
    assert [key for key, _ in parts] == [part_key("me", number) for number in range(len(parts))]
    assert found.answer.body + b"".join(part for _, part in parts) == body


def test_a_head_too_long_for_a_note_is_not_kept() -> None:
    fields = Fields([("X-Long", "x" * 70_000)])
    done = Done(
        owner="me", until=NOW, answer=Kept(status=200, reason="", fields=fields, body=b"", at=NOW)
    )
    assert read(written(done)) == Done(owner="me", until=NOW, answer=None)


@pytest.mark.parametrize("state", [None, DOUBT, DONE, Done(owner="me", until=NOW, answer=None)])
def test_what_stands_in_the_claim_has_no_parts(state: Done | InDoubt | None) -> None:
    assert parts_of(state) == ()
