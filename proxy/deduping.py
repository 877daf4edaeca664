"""Unsafe requests that go up at most once: the one gate before the upstream call.

Floor 6, beside the driver. What a claim means is decided in `decisions/deduping`, how it is taken
in `claiming`; here requests of this process wait for each other. Invariants: nothing goes up
before every name of it is claimed; the claim is settled before the answer's last byte is let
go; whatever ends a request in between leaves a claim that says "sent". Race by race in
tests/unit/test_deduping.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from proxy.claiming import Case, Claims
from proxy.decisions.deduping import (
    MAX_BODY,
    Decline,
    Name,
    Replay,
    names_of,
    settled,
    told,
)
from proxy.delivering import deliver_kept, refuse
from proxy.errors import StoreError
from proxy.flow import tasks
from proxy.outcomes import Bypass, Forward, NotServed, Outcome, Refusal, Tier
from proxy.rules.subject import RequestFacts
from proxy.store.memory_notes import MemoryNotes
from proxy.store.notes import NotesFullError
from proxy.turn import Errand, Turn, errand_for

if TYPE_CHECKING:
    from proxy.decisions.claim import Settlement
    from proxy.errors import LarderError
    from proxy.messages import Response
    from proxy.rules.dedupe import Dedupe
    from proxy.rules.route import Identity, Route
    from proxy.rules.subject import Subject
    from proxy.store.notes import Notes

SLACK_S: Final = 5.0
"""From the upstream's time limit to the moment at which its call counts as lost."""
RETRY_S: Final = 5
"""When to come again, for a client whose request was refused because the store is down."""

Send = Callable[[Turn, Errand], Awaitable[None]]


class Deduper:
    """`clock` is epoch seconds; `send` begins a flight and delivers what it lands with."""

    def __init__(
        self,
        notes: Notes,
        clock: Callable[[], float],
        send: Send,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._shared = Claims(notes, clock, pause)
        self._own = Claims(MemoryNotes(), clock, pause)  # for while the others are out of reach
        self._clock = clock
        self._send = send
        self._under_way: dict[str, Case] = {}

    async def answer(self, turn: Turn, identity: Identity | Bypass) -> None:
        """Send the request, or answer it as one that was sent before."""
        visit, rule = turn.visit, turn.match.route.dedupe
        if rule is None:
            raise AssertionError(turn.match.route.name)  # nothing to hold its requests to
        if not isinstance(identity, Bypass):
            visit.key = identity.key.digest
        names = names_of(turn.match, identity)
        if isinstance(names, Bypass):
            await self._unkeyed(turn, rule, names)
            return
        admitted = names if isinstance(names, Decline) else await self._admit(turn, rule, names)
        match admitted:
            case Decline(status, reason, later):
                now = self._clock()
                await refuse(visit, turn.reply, status, reason, now, retry_after=later)
            case Replay(kept):
                await deliver_kept(visit, kept, turn.reply, self._clock())
            case Case():
                await self._go(turn, admitted)
            case _:
                assert_never(admitted)

    async def _unkeyed(self, turn: Turn, rule: Dedupe, why: Bypass) -> None:
        visit = turn.visit
        if rule.forward_unkeyed:
            visit.outcome, visit.reason, visit.forward = Outcome.BYPASS, why, Forward.BYPASS
            await self._send(turn, errand_for(turn, None))
        else:
            now, detail = self._clock(), why.sentence
            await refuse(visit, turn.reply, 422, Refusal.UNKEYED, now, detail=detail)

    async def _go(self, turn: Turn, case: Case) -> None:
        visit = turn.visit
        visit.outcome, visit.forward = Outcome.MISS, Forward.MISS
        visit.reason = NotServed.STORE_DOWN if case.cut_off else None
        subject = _for_every_repeat(turn.match.subject)
        witness = _Watch(self, case, turn.match.route)
        await self._send(turn, replace(errand_for(turn, None), subject=subject, witness=witness))

    # -- the gate ---------------------------------------------------------------------------

    async def _admit(
        self, turn: Turn, rule: Dedupe, names: tuple[Name, ...]
    ) -> Case | Replay | Decline:
        """The case of a request that may go up now, or what to answer it with."""
        while (other := self._find(names)) is not None:
            answer = await self._hear(other, rule, names)
            if answer is not None:
                turn.visit.tier = Tier.MEMORY if isinstance(answer, Replay) else None
                return answer
        # Nothing is awaited between the last look at `_under_way` and this.
        case = Case(rule=rule, names=names, timeout_s=turn.upstream.timeout.total + SLACK_S)
        case.claims_from(self._clock())
        for name in names:
            self._under_way[name.key] = case
        try:
            refused = await self._claim(case)
        except BaseException:  # its client left; it never went up
            self.end(case, None)
            tasks.spawn(self._withdraw(case), "give claims back")
            raise
        if refused is None:
            return case
        self.end(case, None)
        turn.visit.tier = Tier.SHARED if isinstance(refused, Replay) else None
        return refused

    def _find(self, names: tuple[Name, ...]) -> Case | None:
        found = (self._under_way.get(name.key) for name in names)
        return next((case for case in found if case is not None), None)

    async def _hear(
        self, case: Case, rule: Dedupe, names: tuple[Name, ...]
    ) -> Replay | Decline | None:
        """What a request is told that comes while another one of its names is under way.

        None: to try for itself.
        """
        for name in names:
            claim = case.sent.get(name.key)
            verdict = None if claim is None else told(claim, name, rule, 0.0)
            if isinstance(verdict, Decline):
                return verdict
        outcome = await asyncio.shield(case.ended)
        unnamed = Name("")  # that the client gave the name to the same request is settled
        verdict = None if outcome is None else told(outcome, unnamed, rule, self._clock())
        return verdict if isinstance(verdict, Replay | Decline) else None

    async def _claim(self, case: Case) -> Replay | Decline | None:
        """Claim every name where all instances see it, or, if the rule lets us, only here."""
        known = await self._own.look(case)
        if known is not None:
            return known
        try:
            return await self._shared.take(case)
        except StoreError as error:
            full = isinstance(error, NotesFullError)
            why = Refusal.DEDUPE_FULL if full else Refusal.DEDUPE_DOWN
        if case.rule.forward_when_down:
            try:
                return await self._claim_here(case)
            except NotesFullError:
                why = Refusal.DEDUPE_FULL
        # The claim may be in the store all the same, and would tell others that this was sent.
        tasks.spawn(self._withdraw(case), "give claims back")
        return Decline(503, why, RETRY_S)

    async def _claim_here(self, case: Case) -> Replay | Decline | None:
        elsewhere, case.held, case.cut_off = case.held, {}, True
        try:
            return await self._own.take(case)
        finally:
            case.held = elsewhere

    async def _withdraw(self, case: Case) -> None:
        with suppress(StoreError):  # then it is in doubt for others, which is the safe side
            await self._shared.give_back(case)

    # -- the end ----------------------------------------------------------------------------

    async def settle(self, case: Case, outcome: Settlement) -> None:
        """Say how it went to all who ask from now on, and then to those who wait."""
        if case.cut_off:
            tasks.spawn(self._publish(case, outcome), "settle claims")
        if case.cut_off or not await self._publish(case, outcome):
            with suppress(StoreError):  # here it is known what others will see in doubt
                await self._own.settle(case, outcome)
        self.end(case, outcome)

    async def _publish(self, case: Case, outcome: Settlement) -> bool:
        try:
            await self._shared.settle(case, outcome)
        except StoreError:
            return False
        return True

    def end(self, case: Case, outcome: Settlement) -> None:
        """Let those go on who wait for it in this process. Idempotent."""
        for name in case.names:
            if self._under_way.get(name.key) is case:
                del self._under_way[name.key]
        if not case.ended.done():
            case.ended.set_result(outcome)


@dataclass(frozen=True, slots=True)
class _Watch:
    """Sees one request to its end: the witness of its flight."""

    deduper: Deduper
    case: Case
    route: Route
    limit: int = MAX_BODY

    async def told(
        self, response: Response | None, body: bytes | None, error: LarderError | None
    ) -> None:
        """Settle its claims by what the answer proves."""
        sent = next(iter(self.case.sent.values()))
        outcome = settled(sent, self.route, response, body, error)
        await self.deduper.settle(self.case, outcome)

    def over(self) -> None:
        """Those who still wait find a claim that says it was sent."""
        self.deduper.end(self.case, None)


def _for_every_repeat(subject: Subject) -> Subject:
    """The request in a form whose answer any client understands who repeats it."""
    request = subject.request
    fields = request.fields.without("upgrade").with_set("Accept-Encoding", "identity")
    return replace(subject, facts=RequestFacts(replace(request, fields=fields)))
