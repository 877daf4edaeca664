"""Claims in one store of notes: taken before a request goes up, settled when it came back.

Floor 6, the hands of `deduping`; what a claim means is decided in `decisions/deduping`. It knows
names and states, no request. Invariants: a claim that may be there although the store did not
say so is ours when it is found, or is given back; nobody who waits holds a claim; the parts of an
answer are there before the claim that names them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar, assert_never

from proxy.decisions.claim import (
    CLAIMS,
    PARTS,
    Done,
    Sent,
    part_key,
    parts_of,
    read,
    written,
)
from proxy.decisions.deduping import (
    Decline,
    Name,
    Replay,
    SendAgain,
    Wait,
    not_kept,
    seconds,
    told,
)
from proxy.errors import CorruptEntryError, StoreError
from proxy.outcomes import Refusal
from proxy.store.notes import NotesFullError

if TYPE_CHECKING:
    from proxy.decisions.claim import Settlement
    from proxy.rules.dedupe import Dedupe
    from proxy.store.notes import Notes

PAUSES_S: Final = (0.05, 0.25)
"""Between the tries of what is done to a claim: it gets more time than a look-up does."""
FIRST_POLL_S: Final = 0.02
LAST_POLL_S: Final = 0.5
"""How often another instance is asked how it went, at first and later."""
LEAST_LIFE_S: Final = 5.0
"""How long an answer is there for those who waited for it past the end of its window."""

Value = TypeVar("Value")
Given = ParamSpec("Given")


@dataclass(slots=True, eq=False, kw_only=True)
class Case:
    """A request that is the first of its names in this process; `ended` tells how it went.

    `sent` is what it claims, by the key of each name. `held`: the claims that may be ours, and
    what was there before. `cut_off`: the shared store is out of reach.
    """

    rule: Dedupe
    names: tuple[Name, ...]
    timeout_s: float
    sent: dict[str, Sent] = field(default_factory=dict)
    held: dict[str, bytes | None] = field(default_factory=dict)
    cut_off: bool = False
    ended: asyncio.Future[Settlement] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def claims_from(self, now: float) -> None:
        """Claim from now on, with `timeout_s` to send it in and hear how it went."""
        owner = secrets.token_hex(12)
        self.sent = {
            name.key: Sent(
                owner=owner,
                until=now + self.rule.window,
                fingerprint=name.fingerprint,
                deadline=now + self.timeout_s,
            )
            for name in self.names
        }


class Claims:
    """`clock` is epoch seconds. What needs the store raises StoreError when it is out of reach."""

    def __init__(
        self,
        notes: Notes,
        clock: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._notes = notes
        self._clock = clock
        self._pause = pause

    async def look(self, case: Case) -> Replay | Decline | None:
        """What a repeat of what went up before is told; None: nothing speaks against sending."""
        for name in case.names:
            there = await self._notes.get(CLAIMS, name.key)
            if there is not None:
                verdict = told(read(there), name, case.rule, self._clock())
                if isinstance(verdict, Replay | Decline):
                    return await self._whole(there, verdict)
        return None

    async def take(self, case: Case) -> Replay | Decline | None:
        """Claim every name. None: all are ours; else what to answer, and none of them is.

        Whoever finds one claimed by another gives back what it has and waits without it, so two
        that need the same two names cannot wait for each other. NotesFullError: none is ours.
        """
        patience = self._clock() + case.timeout_s
        while True:
            try:
                found = await self._claim_all(case)
            except NotesFullError:
                await self.give_back(case)
                raise
            if found is None:
                return None
            name, there = found
            verdict = told(read(there), name, case.rule, self._clock())
            match verdict:
                case SendAgain():
                    await self._take_over(case, name, there)
                case Wait():
                    await self.give_back(case)
                    if not await self._changed(name, there, patience):
                        return Decline(409, Refusal.IN_DOUBT, seconds(case.rule.window))
                    case.claims_from(self._clock())
                case Replay() | Decline():
                    await self.give_back(case)
                    return await self._whole(there, verdict)
                case _:
                    assert_never(verdict)

    async def give_back(self, case: Case) -> None:
        """Leave every name as it was found: nothing went up."""
        for key, before in tuple(case.held.items()):
            note, found = written(case.sent[key]), None if before is None else read(before)
            life = case.rule.window if found is None else found.until - self._clock()
            await self._insist(self._notes.replace, CLAIMS, key, note, before, life)
            del case.held[key]

    async def settle(self, case: Case, outcome: Settlement) -> None:
        """Say how it went under every name; without the answer if there is no room for that."""
        try:
            await self._say(case, outcome)
        except NotesFullError:
            if not isinstance(outcome, Done) or outcome.answer is None:
                raise
            await self._say(case, replace(outcome, answer=None))

    async def _say(self, case: Case, outcome: Settlement) -> None:
        now = self._clock()
        for name in case.names:
            sent = case.sent[name.key]
            life = sent.until - now if sent.until > now else LEAST_LIFE_S
            for key, part in parts_of(outcome):
                await self._insist(self._notes.put, PARTS, key, part, life)
            new = None
            if outcome is not None:
                new = written(replace(outcome, fingerprint=sent.fingerprint))
            await self._insist(self._swap, name.key, written(sent), new, life)

    async def _claim_all(self, case: Case) -> tuple[Name, bytes] | None:
        """The first name that is somebody else's, and what is there; None: all are ours."""
        now = self._clock()
        for name in case.names:
            sent = case.sent[name.key]
            note, life = written(sent), max(sent.until, sent.deadline) - now
            case.held.setdefault(name.key, None)
            there = await self._insist(self._notes.claim, CLAIMS, name.key, note, life)
            if there is not None and there != note:
                del case.held[name.key]
                return name, there
        return None

    async def _take_over(self, case: Case, name: Name, there: bytes) -> None:
        """Claim what is in doubt, unless somebody else is quicker: the next look tells."""
        sent = case.sent[name.key]
        note, life = written(sent), max(sent.until, sent.deadline) - self._clock()
        case.held[name.key] = there
        if not await self._insist(self._notes.replace, CLAIMS, name.key, there, note, life):
            del case.held[name.key]

    async def _changed(self, name: Name, there: bytes, until: float) -> bool:
        """Wait for another instance to say how it went, or until its time is up; False: ours is."""
        state, poll_s = read(there), FIRST_POLL_S
        while isinstance(state, Sent) and self._clock() < min(state.deadline, until):
            await self._pause(poll_s)
            if await self._insist(self._notes.get, CLAIMS, name.key) != there:
                return True
            poll_s = min(2 * poll_s, LAST_POLL_S)
        return not isinstance(state, Sent) or self._clock() >= state.deadline

    async def _swap(self, key: str, old: bytes, new: bytes | None, life_s: float) -> None:
        """Put `new` in place of our claim, or where it was; never in place of another's."""
        if not await self._notes.replace(CLAIMS, key, old, new, life_s) and new is not None:
            await self._notes.claim(CLAIMS, key, new, life_s)

    async def _whole(self, there: bytes, verdict: Replay | Decline) -> Replay | Decline:
        """The answer with its body, where that is in notes of its own."""
        state = read(there)
        if isinstance(verdict, Decline) or not isinstance(state, Done) or not verdict.answer.parts:
            return verdict
        parts = []
        for number in range(verdict.answer.parts):
            key = part_key(state.owner, number)
            part = await self._insist(self._notes.get, PARTS, key)
            if part is None:
                return not_kept(state, self._clock())
            parts.append(part)
        return Replay(replace(verdict.answer, body=b"".join(parts), parts=0))

    async def _insist(
        self, call: Callable[Given, Awaitable[Value]], *args: Given.args, **more: Given.kwargs
    ) -> Value:
        """The outcome of the call, tried again before StoreError is raised."""
        for pause_s in PAUSES_S:
            try:
                return await call(*args, **more)
            except (CorruptEntryError, NotesFullError):
                raise
            except StoreError:
                await self._pause(pause_s)
        return await call(*args, **more)
