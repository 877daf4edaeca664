"""A claim as a note: what whoever sends a request once leaves under each of its names.

Pure. It knows how a claim reads and nothing of what follows from it, which is in `deduping`.
Invariants: what is written is read back, or not at all; no note is longer than any store takes;
of another version's note nothing is read.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.fields import Fields

CLAIMS: Final = "claim"
"""The space of notes in which the claims are."""
PARTS: Final = "answer"
"""The space of the bodies that are too long to stand in the claim."""

_INLINE: Final = 2 << 10  # small, so that no answers take the room of claims
_PART: Final = 60 << 10
_LONGEST: Final = 64 << 10
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The first answer, which came at `at` (epoch s). `parts`: how many notes hold its body."""

    status: int
    reason: str
    fields: Fields
    body: bytes
    at: float
    parts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """`owner` may have sent it, and knows how it went before `deadline` (epoch s).

    `until` is the end of the window, `fingerprint` that of its name, here and below.
    """

    owner: str
    until: float
    fingerprint: str = ""
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The upstream acted; `answer` is None where it was too long to be kept."""

    owner: str
    until: float
    fingerprint: str = ""
    answer: Kept | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """The upstream may have acted; nobody will ever know."""

    owner: str
    until: float
    fingerprint: str = ""


State = Sent | Done | InDoubt
Settlement = Done | InDoubt | None
"""How it went, once that is known; None: the upstream did not act."""


def written(state: State) -> bytes:
    """The claim as a note: a line of JSON, then the body where it is short enough."""
    body = b""
    if isinstance(state, Done) and state.answer is not None:
        body = state.answer.body
        parts = -(-len(body) // _PART) if len(body) > _INLINE else 0
        state = replace(state, answer=replace(state.answer, body=b"", parts=parts))
        body = b"" if parts else body
    note = _line(state) + body
    if len(note) > _LONGEST and isinstance(state, Done):  # a head as long as that is not kept
        return _line(replace(state, answer=None))
    return note


def _line(state: State) -> bytes:
    said: dict[str, Any] = {"v": _VERSION, "is": type(state).__name__}
    for name in state.__dataclass_fields__:
        said[name] = getattr(state, name)
    if isinstance(state, Done) and state.answer is not None:
        answer = state.answer
        said["answer"] = {
            "status": answer.status,
            "reason": answer.reason,
            "at": answer.at,
            "parts": answer.parts,
            "fields": answer.fields.items,
        }
    return json.dumps(said).encode() + b"\n"


def parts_of(state: Settlement) -> tuple[tuple[str, bytes], ...]:
    """The notes beside the claim that hold the body, by key; none where it stands in the claim."""
    if not isinstance(state, Done) or state.answer is None:
        return ()
    body = state.answer.body
    if len(body) <= _INLINE:
        return ()
    starts = range(0, len(body), _PART)
    return tuple((part_key(state.owner, n), body[s : s + _PART]) for n, s in enumerate(starts))


def part_key(owner: str, number: int) -> str:
    """Where a part of an answer is."""
    return f"{owner}.{number}"


def read(note: bytes) -> State | None:
    """The state a claim says; None if another version wrote it, or nobody of us."""
    line, _, body = note.partition(b"\n")
    try:
        said = json.loads(line)
        if said.pop("v") != _VERSION:
            return None
        kind = {"Sent": Sent, "Done": Done, "InDoubt": InDoubt}[said.pop("is")]
        answer = said.get("answer")
        if answer is not None:
            lines = Fields((name, value) for name, value in answer.pop("fields"))
            said["answer"] = Kept(**answer, fields=lines, body=body)
        state: State = kind(**said)
        math.isfinite(state.until)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return state
