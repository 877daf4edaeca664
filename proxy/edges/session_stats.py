"""Statistics of each session since it was first seen here: what the cache was worth to it.

Knows ExchangeRecord, so digests only. Kept on the event loop's thread. Invariants: the sessions
used least recently make room; of what is counted no value is kept, only a fingerprint of it,
and of one session no more than MAX_VALUES.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from proxy.observing import Again
from proxy.outcomes import PASSED, SERVED, ExchangeRecord

MAX_SESSIONS: Final = 4096
MAX_VALUES: Final = 100

Json = dict[str, object]


@dataclass(slots=True)
class SessionStats:
    """The running figures of one session. `began_at` and `seen_at` are epoch seconds."""

    began_at: float
    seen_at: float
    requests: int = 0
    hits: int = 0
    misses: int = 0
    values: dict[str, set[int]] = field(default_factory=dict)

    def add(self, record: ExchangeRecord, again: Again) -> None:
        """Count so many alike. Collapsed ones are hits: they cost no upstream call."""
        self.seen_at = max(self.seen_at, again.at)
        self.requests += again.times
        if record.outcome in SERVED:
            self.hits += again.times
        elif record.outcome not in PASSED:
            self.misses += again.times
        for name, value in record.counted:
            seen = self.values.setdefault(name, set())
            if len(seen) < MAX_VALUES:
                seen.add(hash(value))

    def counts(self) -> dict[str, int]:
        """How many different values there were, by name."""
        return {name: len(values) for name, values in self.values.items()}


class SessionStatistics:
    """An observer that keeps a SessionStats for each session."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, SessionStats] = OrderedDict()

    def count(self, record: ExchangeRecord, again: Again) -> None:
        """Count so many alike that a client waited for, if they were of a session."""
        if not record.session or record.background:
            return
        stats = self._sessions.get(record.session)
        if stats is None:
            stats = self._sessions[record.session] = SessionStats(again.at, again.at)
            if len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(record.session)
        stats.add(record, again)

    def of(self, digest: str) -> SessionStats | None:
        """The figures of one session."""
        return self._sessions.get(digest)

    def digests(self) -> tuple[str, ...]:
        """The sessions there are figures of."""
        return tuple(self._sessions)

    def forget(self, digest: str) -> bool:
        """Drop one session's figures; whether there were any."""
        return self._sessions.pop(digest, None) is not None
