"""Sessions as one process knows them: their lives, shared by notes, and the ids handed out.

Floor 6, beside the driver. It knows digests only; an id passes through on its way to its own
client. In front of the shared notes is a bounded table of what was seen here; a note is asked
for, and written behind the answer, every tenth of the ttl at most, and only of a session for
which something was stored or found. Where notes are out of reach the table alone decides.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from proxy.caching.status import NOT_MODIFIED
from proxy.decisions.session_life import (
    TELL_SHARE,
    Life,
    decode,
    encode,
    goes_on,
    joined,
    met,
    note_ttl,
    serves_since,
)
from proxy.dressing import Dressed
from proxy.errors import StoreError
from proxy.observing import Again
from proxy.outcomes import FROM_CACHE
from proxy.rules.issuing import Carrier

if TYPE_CHECKING:
    from proxy.client import Reply
    from proxy.fields import Fields
    from proxy.outcomes import ExchangeRecord
    from proxy.rules.issuing import Issuing, SessionSettings
    from proxy.rules.route import Match
    from proxy.store.base import Spawn
    from proxy.store.notes import Notes
    from proxy.visit import Visit

SPACE: Final = "session"
MAX_KNOWN: Final = 10_000
_TRIES: Final = 3


@dataclass(slots=True)
class _Known:
    """One session here. Times are epoch seconds; `asked_at` and `told_at` are of its note."""

    life: Life
    ttl: float = math.inf
    noted: bool = False
    asked_at: float = -math.inf
    told_at: float = -math.inf
    renewed_at: float = -math.inf

    def due(self, since: float, now: float) -> bool:
        """Whether a tenth of its ttl has passed."""
        return now - since >= TELL_SHARE * self.ttl


class Sessions:
    """One per process. Its settings are those of the rules in force, handed in."""

    def __init__(self, notes: Notes, spawn: Spawn) -> None:
        self._notes = notes
        self._spawn = spawn
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def attend(
        self, settings: SessionSettings, visit: Visit, match: Match, reply: Reply
    ) -> tuple[Match, Reply]:
        """The match with what its session still serves, the reply with what hands out its id."""
        if not visit.session:
            return match, reply
        known = await self._met(visit, settings.ttl)
        if settings.ttl is not None and match.route.keyed_by_session:
            match = replace(match, since=serves_since(known.life, settings.ttl))
        issuing, session = settings.issuing, match.subject.request.session
        if issuing is None or session is None or visit.background:
            return match, reply
        if not match.issued and not _renews(issuing, known, visit):
            return match, reply
        secure = visit.request.scheme == "https"
        hand_out = partial(_hand_out, known, visit.began_at, issuing, session, secure=secure)
        return match, Dressed(reply, hand_out)

    async def _met(self, visit: Visit, ttl: float | None) -> _Known:
        """What is known of the session of a request, which belongs to its life."""
        digest, now = visit.session, visit.began_at
        known = self._known.get(digest)
        if ttl is None:
            return _Known(Life(now, now))
        if visit.background and known is not None:
            return known
        if known is None or known.due(known.asked_at, now) or not goes_on(known.life, now, ttl):
            known = await self._asked(digest, ttl, now)
        elif now > known.life.seen_at:
            known.life = Life(known.life.began_at, now)
        known.ttl = ttl
        self._known.move_to_end(digest)
        return known

    async def _asked(self, digest: str, ttl: float, now: float) -> _Known:
        """The same with what the note says; a note that is gone was cleared, or lost."""
        try:
            note, gone = await self._notes.get(SPACE, digest), True
        except StoreError:
            note, gone = None, False
        known = self._known.get(digest)
        noted = None if note is None else decode(note)
        before = None if known is None else known.life
        if known is not None and known.noted and noted is None and gone:
            before = None
        life = met(before, noted, now, ttl)
        if known is None:
            known = self._keep(digest, _Known(life))
        elif life.began_at != known.life.began_at:
            known.told_at = -math.inf
        known.life, known.asked_at, known.noted = life, now, noted is not None
        return known

    def _keep(self, digest: str, known: _Known) -> _Known:
        self._known[digest] = known
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return known

    # -- what is told the others ------------------------------------------------------------

    def count(self, record: ExchangeRecord, again: Again) -> None:
        """Note behind so many answers that the session goes on, if it is in use at all."""
        known = self._known.get(record.session) if record.session else None
        if known is None or known.ttl == math.inf or record.background:
            return
        used = known.noted or record.stored or record.outcome in FROM_CACHE
        if used and known.due(known.told_at, again.at):
            known.told_at = again.at
            self._spawn(self._tell(record.session, known), "session-note")

    async def _tell(self, digest: str, known: _Known) -> None:
        life = known.life
        try:
            for _ in range(_TRIES):
                if self._known.get(digest) is not known:
                    return  # it was cleared
                ends = note_ttl(known.ttl)
                there = await self._notes.claim(SPACE, digest, encode(life), ends)
                if there is None:
                    break
                life = joined(life, decode(there), known.ttl)
                if await self._notes.replace(SPACE, digest, there, encode(life), ends):
                    break
        except StoreError:  # the next tenth of the ttl will tell; a note that is gone says nothing
            known.noted = False
            return
        known.noted = True
        known.life = Life(life.began_at, max(life.seen_at, known.life.seen_at))

    # -- for operators ----------------------------------------------------------------------

    async def life(self, digest: str, now: float, ttl: float) -> Life | None:
        """The life that goes on, as it is known here or noted; it is not touched."""
        try:
            note = await self._notes.get(SPACE, digest)
        except StoreError:
            note = None
        known, noted = self._known.get(digest), None if note is None else decode(note)
        before = None if known is None else known.life
        told = [each for each in (before, noted) if each is not None]
        began = met(before, noted, now, ttl).began_at
        if began not in {each.began_at for each in told}:
            return None  # a new one would begin
        return Life(began, max(each.seen_at for each in told))

    async def lives(self, now: float, ttl: float) -> dict[str, Life]:
        """Every session whose life goes on, here or by its note. StoreError if that fails."""
        found = {digest: known.life for digest, known in self._known.items()}
        async for digest, note in self._notes.list(SPACE):
            noted = decode(note)
            if noted is not None:
                mine = found.get(digest)
                found[digest] = noted if mine is None else joined(mine, noted, ttl)
        ends = note_ttl(ttl)
        return {digest: life for digest, life in found.items() if now - life.seen_at <= ends}

    async def forget(self, digest: str) -> bool:
        """End its life, here and for the others; whether there was any."""
        was_known = self._known.pop(digest, None) is not None
        try:
            return await self._notes.delete(SPACE, digest) or was_known
        except StoreError:
            return was_known  # what was stored is dead anyway: the invalidation says so


def _renews(issuing: Issuing, known: _Known, visit: Visit) -> bool:
    """Whether the client's cookie is to live on."""
    lasting = issuing.carrier is Carrier.COOKIE and issuing.max_age is not None
    return lasting and known.due(known.renewed_at, visit.began_at)


def _hand_out(
    known: _Known,
    now: float,
    issuing: Issuing,
    session: str,
    status: int,
    fields: Fields,
    *,
    secure: bool,
) -> Fields:
    """The answer's fields with the id, unless it is one that tells of a failure."""
    if not (200 <= status < 300 or status == NOT_MODIFIED):
        return fields
    known.renewed_at = now
    return issuing.handed_out(fields, session, secure=secure)
