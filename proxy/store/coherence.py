"""What one instance may believe: its place in the journal, the facts, and memory under them.

No I/O: the follower tells it what it read, the cache asks. Three states: *online*
(the journal is followed), *offline* (out of reach: memory is trusted for
`max_lag` more; own invalidations are kept as local facts), and *lost* (offline,
with nothing left to believe in). Without a shared store it is offline for good
and its memory always trusted.

A position handed out is one that existed when it was handed out, so a fetch's
`born` is never too late; after a loss none handed out before proves anything.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import Final

from proxy.messages import START, Position, Stored
from proxy.store.base import LOCAL, RAISE_S, Clock, Fact, FactKind, JournalRecord, is_local
from proxy.store.entry_info import EntryInfo
from proxy.store.facts import MAX_TAGS, MAX_WIDE, FactTable, Verdict, holds, is_spared, worse
from proxy.store.memory import MemoryStore

RECENT: Final = 1024
"""Records that are remembered as they came, to tell who else stated something meanwhile."""

_NEVER: Final[Position] = (LOCAL - 1, 0)
"""Later than every real position: a table complete since then proves nothing."""


class Coherence:
    """`max_lag` in seconds; `clock` counts seconds from anywhere and never goes back."""

    def __init__(
        self,
        memory: MemoryStore,
        *,
        shared: bool,
        max_lag: float,
        clock: Clock,
        max_tags: int = MAX_TAGS,
    ) -> None:
        self._memory = memory
        self._table = FactTable(max_tags)
        self._local = FactTable(max_tags)
        self._clock = clock
        self._alone = not shared
        self._max_lag = max_lag
        self._counter = 0
        self._period = 0
        self._has_local_facts = False
        self.trusted_until = math.inf if self._alone or math.isinf(max_lag) else -math.inf
        self.contact: float | None = None
        self.online = False
        self.epoch = ""
        self.place: Position | None = None
        self.floor: Position = START
        self.losses = 0
        self._recent: deque[JournalRecord] = deque(maxlen=RECENT)
        self._settled = self._settling = START
        self._settles_at = -math.inf
        self._table.reset(_NEVER)

    # -- what the cache asks

    @property
    def position(self) -> Position:
        """The `born` of a fetch that begins now."""
        if self.place is None or self._has_local_facts:
            return (LOCAL, self._counter)
        return self.floor

    def judge(self, entry: Stored | EntryInfo) -> Verdict:
        """By all facts known here; DEAD wins over everything else."""
        verdict = self._table.judge(entry)
        return worse(verdict, self._local.judge(entry)) if self._has_local_facts else verdict

    def proves(self, born: Position) -> bool:
        """Whether the facts known here are all there are up to this instance's place."""
        if not self._local.proves(born):
            return False
        if is_local(born):
            return not self.online and born[1] >= self._period
        return self._table.proves(born)

    def complete_after(self, position: Position) -> bool:
        """Whether the table has every fact from `position` on."""
        return self._table.proves(position)

    def has_forgotten_unsettled(self) -> bool:
        """Whether the table has forgotten a fact whose marks may not be raised yet."""
        return self._table.forgotten > self._settled

    def undisputed(self, claim: Stored, stated: Position) -> bool:
        """Whether of all records later than its birth only the one at `stated` speaks of it.

        False also if they are not all remembered. The place must have passed `stated`.
        """
        later = [record for record in self._recent if record.position > claim.born]
        if not later or later[0].previous > claim.born:
            return False
        others = (fact for each in later if each.position != stated for fact in each.facts)
        return not any(holds(fact)(claim) for fact in others)

    def trusted(self) -> bool:
        """Whether memory may be served: the journal was in reach within `max_lag`."""
        return self._clock() <= self.trusted_until

    @property
    def too_many_wide(self) -> bool:
        """Whether one more prefix or pattern fact is one too many."""
        return self._table.wide_count() >= MAX_WIDE

    # -- what becomes of it

    def note(self, facts: Iterable[Fact], position: Position) -> None:
        """A fact of our own at its place in the journal, before we have followed it there."""
        self._apply(self._table, facts, position)
        self.floor = max(self.floor, position)

    def note_local(self, facts: Iterable[Fact]) -> Position:
        """A fact of our own that has no place in the journal yet."""
        self._counter += 1
        self._has_local_facts = True
        position = (LOCAL, self._counter)
        facts = tuple(facts)
        self._apply(self._local, facts, position)
        if self._alone:
            self._recent.append(JournalRecord(position, (LOCAL, self._counter - 1), facts))
        return position

    def follow(self, record: JournalRecord) -> bool:
        """Take in the next record; False if it is not the next, and so the place is lost."""
        if self.place is None or record.previous != self.place:
            return False
        self.place = record.position
        self._recent.append(record)
        self.note(record.facts, record.position)
        self._moved()
        return True

    def begin(
        self, end: Position, tail: Iterable[JournalRecord], wide: Iterable[tuple[Fact, Position]]
    ) -> bool:
        """Take a new place: before the `tail`, then along it; False if there is a gap in it."""
        tail = tuple(tail)
        self._recent.clear()
        self.place = tail[0].previous if tail else end
        self._moved()
        # Nothing born at a position we handed out before (in another epoch, perhaps) is provable.
        after_floor = (self.floor[0], self.floor[1] + 1) if self.floor > START else START
        self._table.reset(max(self.place, after_floor))
        self._settled = self._settling = START
        self._settles_at = -math.inf
        for fact, position in wide:
            self.note((fact,), position)
        whole = all(self.follow(record) for record in tail)
        self.floor = max(self.floor, self.place)
        return whole

    def go_online(self, epoch: str) -> None:
        """The place is at the journal's end and our local facts are in it: believe it alone."""
        self.epoch = epoch
        self.online = True
        self._end_period()
        self._local.reset(START)
        self._has_local_facts = False

    def go_offline(self) -> None:
        """The journal is out of reach; the place stays."""
        self.online = False

    def lose(self) -> None:
        """The place is gone: nothing held or being fetched can be proven any more."""
        self.losses += 1
        self.online = False
        self.place = None
        self._table.reset(_NEVER)
        self._end_period()
        self._memory.clear()

    def touch(self, started: float) -> None:
        """All that was in the journal at `started` has been followed, under a lease since then."""
        self.contact = started
        self.trusted_until = started + self._max_lag
        now = self._clock()
        if now > self._settles_at and self.place is not None:
            # What was followed more than RAISE_S ago is in the marks by now, or appended anew.
            self._settled, self._settling = self._settling, self.place
            self._settles_at = now + RAISE_S

    def _moved(self) -> None:
        """The place went on, and the lease will say so: on the way to being online, too.

        Facts never reach what was fetched under a local position, as that is above theirs.
        """
        if not self.online:
            self._end_period()

    def _end_period(self) -> None:
        self._counter += 1
        self._period = self._counter
        self._memory.drop_local()

    def _apply(self, table: FactTable, facts: Iterable[Fact], position: Position) -> None:
        for fact in facts:
            table.add(fact, position)
            if fact.kind is FactKind.TAG:
                spared = partial(is_spared, etag=fact.unless) if fact.unless else None
                self._memory.invalidate_tag(fact.value, position, soft=fact.soft, spared=spared)
            else:
                self._memory.invalidate_where(holds(fact), position, soft=fact.soft)
