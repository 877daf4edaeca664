"""One look-up in the shared store, step by step, each a plain call that the answer makes.

    begin → the record → (the marks of its tags) → judged and told

Between two steps the follower moves on: what was true before is asked again in the last,
as `losses` tells whether the place was lost meanwhile, in which case nothing learnt before
counts. What cannot be asked at once is awaited by a task. Invariant: `told` is called once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from proxy.errors import CorruptEntryError, StoreError
from proxy.messages import START
from proxy.outcomes import NotServed, Tier
from proxy.store.base import Found, Mark, Record, SharedStore, Spawn
from proxy.store.coherence import Coherence
from proxy.store.facts import Verdict, judge_by_marks, worse
from proxy.store.guard import Guard
from proxy.store.told import told_of

_log = logging.getLogger(__name__)

Heard = Callable[[Found | NotServed], None]
"""Who looks something up is told so: of what was found, or why nothing is served."""

_Judged = Found | NotServed | None
"""None: it will be told when more is known."""


class Fetched(Found):
    """What the shared store had; `keep`: memory may have it too, where later facts find it."""

    __slots__ = ("keep", "record")

    def __init__(self, record: Record, *, soft: bool, keep: bool) -> None:
        self.entry, self.tier, self.soft = record.entry, Tier.SHARED, soft
        self.record = record
        self.keep = keep


@dataclass(frozen=True, slots=True)
class Seeking:
    """What the look-ups of an instance have in common."""

    shared: SharedStore
    coherence: Coherence
    guard: Guard
    spawn: Spawn


class LookUp:
    """Of an instance that is online and trusted. Raises nothing."""

    __slots__ = ("_began", "_losses", "_place", "_record", "_seeking", "_told")

    def __init__(self, seeking: Seeking, told: Heard) -> None:
        self._seeking = seeking
        self._told = told

    def begin(self, key: bytes) -> None:
        """Ask for the record."""
        seeking = self._seeking
        began = seeking.guard.begin("get")
        if began is None:
            self._told(NotServed.STORE_DOWN)
            return
        self._began, coherence = began, seeking.coherence
        self._losses, self._place = coherence.losses, coherence.place or START
        if not seeking.shared.seek(key, self._got):
            seeking.spawn(told_of(seeking.shared.get(key), self._got), "look-up")

    def _got(self, outcome: Record | Exception | None) -> None:
        found: _Judged = NotServed.STORE_DOWN
        try:
            self._seeking.guard.end("get", outcome, self._began)
            if isinstance(outcome, Record):
                self._record = outcome
                found = self._judged(outcome)
            else:
                found = NotServed.ABSENT if outcome is None else _reason(outcome)
        finally:  # a defect is reported by who calls this, and somebody waits
            self._tell(found)

    def _tell(self, found: _Judged) -> None:
        if found is not None:
            self._told(found)

    def _judged(self, record: Record) -> _Judged:
        """By its tags' marks, if not all facts since it was born are at hand to judge it by."""
        entry, coherence = record.entry, self._seeking.coherence
        if coherence.proves(entry.born) or coherence.judge(entry) is Verdict.DEAD:
            return self._accepted(Verdict.ALIVE)
        if coherence.has_forgotten_unsettled():
            # Of the facts that are not at hand, some may not have come to the marks yet either.
            return NotServed.UNPROVEN
        return self._ask_marks(entry.tags)

    def _ask_marks(self, tags: tuple[str, ...]) -> _Judged:
        seeking = self._seeking
        began = seeking.guard.begin("marks")
        if began is None:
            return NotServed.STORE_DOWN
        self._began = began
        if not seeking.shared.seek_marks(tags, self._marked):
            seeking.spawn(told_of(seeking.shared.marks(tags), self._marked), "look-up")
        return None

    def _marked(self, outcome: tuple[Mark | None, ...] | Exception) -> None:
        found: _Judged = NotServed.STORE_DOWN
        try:
            self._seeking.guard.end("marks", outcome, self._began)
            if isinstance(outcome, Exception):
                found = _reason(outcome)
            else:
                record = self._record
                marks = judge_by_marks(record.entry, record.generations, outcome)
                found = self._accepted(marks)
        finally:
            self._tell(found)

    def _accepted(self, verdict: Verdict) -> Found | NotServed:
        """Judge again, after the last answer: facts from now on find the entry in memory.

        The facts up to `place` are in the marks that were read since, or in the table;
        those after it, as far as they were followed, must all be in the table.
        """
        coherence, entry = self._seeking.coherence, self._record.entry
        verdict = worse(verdict, coherence.judge(entry))
        complete = coherence.proves(entry.born) or coherence.complete_after(self._place)
        if verdict is Verdict.DEAD:
            return NotServed.INVALIDATED
        if self._losses != coherence.losses or not coherence.trusted() or not complete:
            return NotServed.UNPROVEN
        return Fetched(self._record, soft=verdict is Verdict.SOFT, keep=coherence.online)


def _reason(error: Exception) -> NotServed:
    if isinstance(error, CorruptEntryError):
        return NotServed.CORRUPT
    if not isinstance(error, StoreError):
        _log.error("a defect in a look-up of the shared store", exc_info=error)
    return NotServed.STORE_DOWN
