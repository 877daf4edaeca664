"""The vocabulary of the stores: facts, marks, records, and the two protocols.

`Store` is what the contract suite holds every implementation to. `SharedStore`
adds what coherence needs of a far tier: a journal that several instances
follow, and a mark for each tag. No operation of it takes two keys at once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from proxy.errors import StoreError
from proxy.messages import START, Position, Stored
from proxy.outcomes import Tier
from proxy.store.entry_info import EntryInfo
from proxy.store.notes import Notes
from proxy.store.told import Told

EVERYTHING: Final = "*"
"""The tag that every stored response carries: to invalidate it is to purge all."""

LOCAL: Final = 1 << 62
"""First part of the positions an instance makes up while it has no journal; above all real ones."""

RAISE_S: Final = 10.0
"""Seconds after its append began in which a fact's marks are raised, or it is appended anew."""

Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]
"""How the stores start a task: a coroutine and its name (proxy.flow.tasks.spawn)."""

Clock = Callable[[], float]


class JournalLostError(StoreError):
    """The journal is another than the one followed: flushed, evicted, or its server restarted."""


class StoreTimeoutError(StoreError):
    """The store did not answer within its deadline."""


class FactKind(StrEnum):
    """What the value of a fact is compared with."""

    TAG = "tag"
    PREFIX = "prefix"
    MATCH = "match"


@dataclass(frozen=True, slots=True)
class Fact:
    """All answers named by this, whose fetch began earlier, are dead; if `soft`, only stale.

    `prefix` and `match` (a glob: `*`, `?`, `[…]`) speak of the readable head of
    the key or of the URL, whichever fits. `unless`: of a tag's those are spared that
    have this ETag, compared weakly, without its quotes; "" spares none.
    """

    kind: FactKind
    value: str
    soft: bool = False
    unless: str = ""


@dataclass(frozen=True, slots=True)
class Sparing:
    """The latest position at which a tag was invalidated but for this ETag (see Fact)."""

    position: Position
    etag: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A tag's latest positions in the shared store.

    `generation` is a number drawn when the mark is made. An entry names those of
    its tags, so a mark that was evicted and made anew cannot revive it.
    """

    generation: int
    hard: Position = START
    soft: Position = START
    sparing: Sparing | None = None


@dataclass(slots=True, unsafe_hash=True)
class Record:
    """An entry as a store holds it: with the generations of its tags' marks, in order.

    `head`: of one that was read, the bytes before its body; equal ones say the same but for that.
    Nobody changes one; it is not frozen because a look-up should cost little.
    """

    entry: Stored
    generations: tuple[int, ...] = ()
    epoch: str = ""
    head: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One place in the journal.

    `previous` is the record before it: a reader who stands elsewhere has missed something.
    """

    position: Position
    previous: Position
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """The marks new entries will be under, and the journal's end read *after* them."""

    epoch: str
    marks: tuple[Mark, ...]
    end: Position


@dataclass(slots=True)
class Found:
    """A stored response that nothing has killed; `soft` says to treat it as stale.

    Nobody changes one; it is not frozen because a look-up should cost little.
    """

    entry: Stored
    tier: Tier
    soft: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStatus:
    """A store in numbers; None where it cannot tell."""

    entries: int | None = None
    size_bytes: int | None = None
    max_bytes: int | None = None
    evictions: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatus:
    """For health and statistics. `online`: the journal is followed, what is shared is used."""

    memory: TierStatus
    shared: TierStatus | None = None
    shared_name: str = "none"
    online: bool = False
    epoch: str = ""
    lag_s: float | None = None
    trusted: bool = True
    breaker_open: bool = False
    pending_facts: int = 0
    queued_writes: int = 0
    dropped_writes: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """What an instance says of itself each round: how far it is, how long it serves on alone."""

    instance: str
    position: Position
    lease_s: float


@dataclass(frozen=True, slots=True)
class Opened:
    """The journal an instance found: its epoch, unique for ever, and its last position."""

    epoch: str
    end: Position = field(default=START)


class Store(Protocol):
    """Stored responses in and out. None is a miss; StoreError or CorruptEntryError is raised."""

    async def get(self, key: bytes) -> Record | None:
        """The record under `key`, unless it has expired."""

    async def put(self, key: bytes, record: Record) -> None:
        """Keep `record` until its `expires_at`, in place of what was there."""

    async def delete(self, key: bytes) -> bool:
        """Remove `key`; whether it was there."""

    def scan(self) -> AsyncIterator[EntryInfo]:
        """Every entry not expired, in any order; what comes or goes meanwhile may be missing."""

    async def close(self) -> None:
        """Let go of files and connections. Nothing else is called after it."""


class SharedStore(Store, Protocol):
    """A store that several instances use at once, with a journal of facts and marks of tags."""

    @property
    def name(self) -> str:
        """What it is, for people, without credentials."""

    @property
    def notes(self) -> Notes:
        """What is shared beside the answers; needs no `open`, and ends with `close`."""

    async def open(self, floor: Position) -> Opened:
        """Find the journal, or begin one after `floor`; safe to repeat."""

    async def append(self, facts: Sequence[Fact], floor: Position = START) -> Position:
        """Append one record, after `floor`; JournalLostError if there is no journal."""

    async def confirm(self, facts: Sequence[Fact], position: Position) -> None:
        """Raise the marks of an appended record, and remember its prefixes and patterns."""

    async def read(self, after: Position, wait_s: float) -> tuple[JournalRecord, ...]:
        """The records after a position, some at a time; waits up to `wait_s` for the first."""

    async def tail(self, seconds: float) -> tuple[JournalRecord, ...]:
        """All records of the last `seconds`, oldest first; JournalLostError if some are trimmed."""

    async def wide(self) -> tuple[tuple[Fact, Position], ...]:
        """Every prefix and pattern fact of the epoch that no `*` fact followed."""

    async def reach(self, tags: Mapping[str, float]) -> Reach:
        """Read or make the marks, let each live until its moment at least, then read the end."""

    async def marks(self, tags: Sequence[str]) -> tuple[Mark | None, ...]:
        """The marks as they are; None where one is missing."""

    def seek(self, key: bytes, told: Told[Record | None]) -> bool:
        """As `get`, but told; False if that has to be awaited, and then nobody is told."""

    def seek_marks(self, tags: Sequence[str], told: Told[tuple[Mark | None, ...]]) -> bool:
        """As `marks`, likewise."""

    async def beat(self, beat: Beat) -> Position:
        """Renew this instance's lease; the journal's end. JournalLostError if it was replaced."""

    async def leave(self, instance: str) -> None:
        """End this instance's lease: it serves nothing from memory any more."""

    async def behind(self, position: Position) -> tuple[str, ...]:
        """The instances with a lease that have not yet followed `position`."""

    def status(self) -> TierStatus:
        """Numbers at hand, without asking anybody."""


def untrimmed(tail: tuple[JournalRecord, ...], before: Position) -> tuple[JournalRecord, ...]:
    """The tail, if `before` is the record before it; START: it has the first record ever."""
    if tail and tail[0].previous != before:
        raise JournalLostError("the journal was trimmed: it does not reach back far enough")
    return tail


def new_generation() -> int:
    """A number no other mark has: 62 random bits, never 0."""
    return secrets.randbits(62) | 1


def is_local(position: Position) -> bool:
    """Whether an instance made this position up while it had no journal."""
    return position[0] >= LOCAL
