"""What a request's session is to its route, for `explain`.

Asks the driver's own questions and changes nothing: no life is lengthened. Invariant: the
session appears as its digest.
"""

from __future__ import annotations

from dataclasses import replace

from proxy.decisions.session_life import Life, serves_since
from proxy.identifying import with_session
from proxy.rules.issuing import SessionSettings
from proxy.rules.route import Match
from proxy.sessions import Sessions

Json = dict[str, object]
_TTL = "ttl_s"


def session_of(settings: SessionSettings, match: Match) -> tuple[Match, Json | None]:
    """The match with the session it would be given, and what is told; None if none is read."""
    if not match.route.reads_session:
        return match, None
    issuing = settings.issuing
    if issuing is not None:
        match = with_session(issuing, match)
    issued = issuing.source if issuing is not None and match.issued else None
    told: Json = {"digest": match.subject.session_digest, "issued": issued, _TTL: settings.ttl}
    return match, told


async def with_life(said: Json, match: Match, sessions: Sessions, now: float) -> tuple[Match, Json]:
    """The match with what its session still serves, and the same said with its life."""
    told = said.get("session")
    digest = match.subject.session_digest
    if not isinstance(told, dict) or digest is None or not isinstance(told[_TTL], float | int):
        return match, said
    ttl = told[_TTL]
    life = await sessions.life(digest, now, ttl)
    lived = None if life is None else {"age_s": now - life.began_at, "idle_s": now - life.seen_at}
    since = now if life is None else life.began_at
    if match.route.keyed_by_session:
        match = replace(match, since=serves_since(Life(since, since), ttl))
    return match, {**said, "session": {**told, "life": lived}}
