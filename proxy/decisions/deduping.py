"""An unsafe request at most once: what a claim says, what an answer proves, what a repeat is told.

Pure. A claim is the note that whoever sends a request leaves under each of its names before the
first byte goes up; what it says is a `State`. Invariants: a state goes from `Sent` to `Done`,
`InDoubt` or nothing, and from `InDoubt` only to another's `Sent`; nothing but proof that the
upstream did not act removes a claim; what cannot be read counts as in doubt.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

from proxy.caching.structured import DisplayString, parse_list
from proxy.decisions.claim import Done, InDoubt, Kept, Sent, State
from proxy.decisions.keeping import replayable
from proxy.errors import ClientError, UpstreamConnectError
from proxy.fields import Fields
from proxy.outcomes import Bypass, Refusal
from proxy.rules.values import delimit, encode

if TYPE_CHECKING:
    from proxy.decisions.claim import Settlement
    from proxy.errors import LarderError
    from proxy.messages import Response
    from proxy.rules.dedupe import Dedupe
    from proxy.rules.route import Identity, Match, Route

MAX_BODY: Final = 1 << 20
"""Bytes of an answer's body that are kept for those who repeat its request."""

_BARE_KEY: Final = re.compile(r"(?!:)[!#$%&'*+\-.^_`|~0-9A-Za-z:/=]{1,256}")
_MAX_KEY: Final = 256
_READ_TWO_WAYS: Final = frozenset(
    {Bypass.OVERRIDE_FIELD, Bypass.DOTS, Bypass.PATH, Bypass.GET_BODY}
)
_MAY_HAVE_ACTED: Final = frozenset({408, 409})
_REFUSED: Final = frozenset({*range(400, 419), *range(421, 427), 428, 429, 431, 451})


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a request: its note's key, and the digest that a request so named must have.

    `fingerprint` is "" where the key itself says all that counts.
    """

    key: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody is sending it."""


@dataclass(frozen=True, slots=True)
class SendAgain:
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


Verdict = Wait | SendAgain | Replay | Decline


# -- names ----------------------------------------------------------------------------------------


def names_of(match: Match, identity: Identity | Bypass) -> tuple[Name, ...] | Bypass | Decline:
    """Every name under which this request must be the first; why it has none, or a bad one.

    What the upstream may read as another request is declined: sent as one without a key, the
    same would be done twice by whoever spells it in two ways.
    """
    if identity in _READ_TWO_WAYS:
        return Decline(422, Refusal.MISLEADING)
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
) -> Settlement:
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
    if _is_over(state, now):  # the store's own clock has not come to it
        return SendAgain()
    if name.fingerprint and state.fingerprint != name.fingerprint:
        return Decline(422, Refusal.IDEMPOTENCY_KEY_REUSED)
    left = seconds(state.until - now)
    match state:
        case Sent(deadline=deadline) if now < deadline:
            return Wait()
        case Sent() | InDoubt():
            return SendAgain() if rule.forward_in_doubt else Decline(409, Refusal.IN_DOUBT, left)
        case Done(answer=answer):
            return not_kept(state, now) if answer is None else Replay(answer)
        case _:
            assert_never(state)


def _is_over(state: State, now: float) -> bool:
    """Whether the window has ended, and nobody is still at it."""
    return now >= state.until and not (isinstance(state, Sent) and now < state.deadline)


def not_kept(state: Done, now: float) -> Decline:
    """What a repeat is told whose answer is not there."""
    return Decline(409, Refusal.ANSWER_NOT_KEPT, seconds(state.until - now))


def seconds(left: float) -> int:
    """A Retry-After."""
    return max(1, math.ceil(left))
