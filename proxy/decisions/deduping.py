"""An unsafe request at most once: what a claim says, what an answer proves, what a repeat is told.

Pure. A claim is the note that whoever sends a request leaves under each of its names before the
first byte goes up; what it says is a `State`. Invariants: a state goes from `Sent` to `Done`,
`InDoubt` or nothing, and from `InDoubt` only to another's `Sent`; nothing but proof that the
upstream did not act removes a claim; what cannot be read counts as in doubt.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, assert_never

from proxy.caching.structured import DisplayString, parse_list
from proxy.decisions.keeping import replayable
from proxy.errors import ClientError, UpstreamConnectError
from proxy.fields import Fields
from proxy.outcomes import Bypass, Refusal
from proxy.rules.values import delimit, encode

if TYPE_CHECKING:
    from proxy.errors import LarderError
    from proxy.messages import Response
    from proxy.rules.dedupe import Dedupe
    from proxy.rules.route import Identity, Match, Route

CLAIMS: Final = "claim"
"""The space of notes in which the claims are."""
PARTS: Final = "answer"
"""The space of the bodies that are too long to stand in the claim."""
MAX_BODY: Final = 1 << 20
"""Bytes of an answer's body that are kept for those who repeat its request."""

_INLINE: Final = 32 << 10
_PART: Final = 60 << 10
_LONGEST: Final = 64 << 10
_VERSION: Final = 1
_BARE_KEY: Final = re.compile(r"(?!:)[!#$%&'*+\-.^_`|~0-9A-Za-z:/=]{1,256}")
_MAX_KEY: Final = 256
_MAY_HAVE_ACTED: Final = frozenset({408, 409})
_REFUSED: Final = frozenset({*range(400, 419), *range(421, 427), 428, 429, 431, 451})


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a request: its note's key, and the digest that a request so named must have.

    `fingerprint` is "" where the key itself says all that counts.
    """

    key: str
    fingerprint: str = ""


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


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody is sending it."""


@dataclass(frozen=True, slots=True)
class Again:
    """It may be sent once more, by whoever takes the claim over."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Here is the first answer."""

    answer: Kept


@dataclass(frozen=True, slots=True)
class Decline:
    """It is not sent; `retry_after` in seconds."""

    status: int
    reason: Refusal
    retry_after: int | None = None


Verdict = Wait | Again | Replay | Decline


# -- names ----------------------------------------------------------------------------------------


def names_of(match: Match, identity: Identity | Bypass) -> tuple[Name, ...] | Bypass | Decline:
    """Every name under which this request must be the first; why it has none, or a bad one."""
    given = idempotency_key(match.subject.request.fields)
    if isinstance(given, Decline):
        return given
    named = _named(match, given) if given is not None else None
    own = None if isinstance(identity, Bypass) else Name(f"k:{identity.key.digest.hex()}")
    names = tuple(name for name in (named, own) if name is not None)
    return names or (identity if isinstance(identity, Bypass) else ())


def idempotency_key(fields: Fields) -> str | Decline | None:
    """What Idempotency-Key says: a String (RFC 9651 §3.3.3), or a bare word as many clients send.

    None where there is none; 400 where it is malformed, empty or longer than 256 characters.
    """
    text = fields.get("idempotency-key")
    if text is None or _BARE_KEY.fullmatch(text.strip()):
        return None if text is None else text.strip()
    items = parse_list(text) or ()
    value = items[0].value if len(items) == 1 else None
    if isinstance(value, DisplayString) or not isinstance(value, str):
        return Decline(400, Refusal.BAD_IDEMPOTENCY_KEY)
    return value if 0 < len(value) <= _MAX_KEY else Decline(400, Refusal.BAD_IDEMPOTENCY_KEY)


def _named(match: Match, given: str) -> Name | None:
    """The name a client gave: its own within its credential, the route's scope and the target."""
    route, subject = match.route, match.subject
    request, partition = subject.request, route.scope.partition(subject)
    if isinstance(partition, Bypass) or request.body is None:
        return None
    who = (encode(route.upstream), encode(partition), encode(subject.credential or ""))
    key = _digest(*who, encode(request.method), encode(request.path), encode(given))
    described = (request.fields.get(name) or "" for name in ("content-type", "content-encoding"))
    fingerprint = _digest(encode(request.target), *map(encode, described), request.body)
    return Name(f"i:{key}", fingerprint)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(delimit(parts)).hexdigest()


# -- what an answer proves ------------------------------------------------------------------------


def settled(
    sent: Sent,
    route: Route,
    response: Response | None,
    body: bytes | None,
    error: LarderError | None,
) -> Done | InDoubt | None:
    """What becomes of the claim; None: the upstream did not act, so it is removed.

    `body` None: too long to be kept. A connection that was not made carried nothing. A 4xx is
    the upstream's word that it did not act, but for those after which it may be at it (408,
    409) and those that no specification defines. 5xx, time-outs and broken answers prove
    nothing.
    """
    doubt = InDoubt(owner=sent.owner, until=sent.until, fingerprint=sent.fingerprint)
    if response is None:
        unsent = isinstance(error, UpstreamConnectError | ClientError)
        return None if unsent else doubt
    status = response.status
    if status in _REFUSED - _MAY_HAVE_ACTED:
        return None
    if error is not None or not 200 <= status < 400:
        return doubt
    kept = None
    if body is not None and len(body) <= MAX_BODY:
        kept = Kept(
            status=status,
            reason=response.reason,
            fields=replayable(route, response),
            body=body,
            at=response.response_time,
        )
    return Done(owner=sent.owner, until=sent.until, fingerprint=sent.fingerprint, answer=kept)


# -- what a repeat is told ------------------------------------------------------------------------


def told(state: State | None, name: Name, rule: Dedupe, now: float) -> Verdict:
    """What to tell a request that finds this under one of its names; None: it is unreadable."""
    if state is None:
        return Decline(409, Refusal.IN_DOUBT, seconds(rule.window))
    if name.fingerprint and state.fingerprint != name.fingerprint:
        return Decline(422, Refusal.IDEMPOTENCY_KEY_REUSED)
    left = seconds(state.until - now)
    match state:
        case Sent(deadline=deadline) if now < deadline:
            return Wait()
        case Sent() | InDoubt():
            return Again() if rule.forward_in_doubt else Decline(409, Refusal.IN_DOUBT, left)
        case Done(answer=answer):
            return not_kept(state, now) if answer is None else Replay(answer)
        case _:
            assert_never(state)


def not_kept(state: Done, now: float) -> Decline:
    """What a repeat is told whose answer is not there."""
    return Decline(409, Refusal.ANSWER_NOT_KEPT, seconds(state.until - now))


def seconds(left: float) -> int:
    """A Retry-After."""
    return max(1, math.ceil(left))


# -- bytes ----------------------------------------------------------------------------------------


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


def parts_of(state: Done | InDoubt | None) -> tuple[tuple[str, bytes], ...]:
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
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return state
