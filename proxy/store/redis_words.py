"""How positions, marks, records and keys are written in Redis, and read back.

Pure. `larder:TOKEN:KIND`, positions `MS-SEQ`, marks `GENERATION HARD SOFT`, and where
an ETag was spared ` POSITION ETAG` (in hex); the scripts (redis_scripts.py) read the same.
"""

# ruff: noqa: ANN401  to the library's types every answer may be text; most of its calls are untyped

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from proxy.messages import Position
from proxy.store import codec
from proxy.store.base import JournalRecord, Mark, Sparing
from proxy.store.heads import text_in, text_out

EPOCH: Final = b"larder:epoch"
LEASES: Final = b"larder:leases"


def key_of(token: str, kind: str) -> bytes:
    """The key of a journal's `journal` or `wide`, or how its entries' and marks' keys begin."""
    return f"larder:{token}:{kind}".encode("ascii")


def entry_key(token: str, key: bytes) -> bytes:
    """Where an entry is."""
    return f"larder:{token}:e:{key.hex()}".encode("ascii")


def mark_key(token: str, tag: str) -> bytes:
    """Where the mark of a tag is."""
    return key_of(token, "m:") + text_out(tag)


def note_key(space: str, key: str) -> bytes:
    """Where a note is; of no epoch."""
    return f"larder:n:{space}:".encode("ascii") + text_out(key)


def index_key(space: str) -> bytes:
    """Where the keys of a space are: a sorted set, by when they end at the earliest."""
    return f"larder:i:{space}".encode("ascii")


def text_of(position: Position) -> str:
    """A position as an id of the stream."""
    return f"{position[0]}-{position[1]}"


def position_in(id_: bytes) -> Position:
    """The inverse of `text_of`."""
    ms, _, seq = id_.partition(b"-")
    return (int(ms), int(seq))


def mark_in(mark: bytes) -> Mark:
    """A mark as a script wrote it."""
    generation, hard, soft, *sparing = mark.split(b" ")
    spared = Sparing(position_in(sparing[0]), etag_in(sparing[1])) if sparing else None
    return Mark(int(generation), position_in(hard), position_in(soft), spared)


def marks_in(answers: Sequence[bytes | None]) -> tuple[Mark | None, ...]:
    """Marks as they were found; None where one is missing."""
    return tuple(None if mark is None else mark_in(mark) for mark in answers)


def etag_out(etag: str) -> str:
    """An ETag as a word of a mark."""
    return text_out(etag).hex()


def etag_in(word: bytes) -> str:
    """The inverse of `etag_out`."""
    return text_in(bytes.fromhex(word.decode("ascii")))


def stream_in(answer: Any) -> list[Any]:
    """The records in an XREAD answer about one stream."""
    if not answer:
        return []
    streams = list(answer.values()) if isinstance(answer, dict) else [answer[0][1]]
    records = streams[0]
    return list(records[0] if records and isinstance(records[0], list) else records)


def records_in(rows: Sequence[Any]) -> tuple[JournalRecord, ...]:
    """Records of the journal's stream."""
    return tuple(
        JournalRecord(position_in(id_), position_in(fields[b"p"]), codec.decode_facts(fields[b"f"]))
        for id_, fields in rows
    )
