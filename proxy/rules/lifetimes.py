"""Freshness lifetimes that a rule gives: `ttl` as a duration or in its long form.

Floor 2. Pure: `now` and the random number for `jitter` are arguments. A moment
an answer names is the upstream's clock's, so it is measured from the answer's
Date where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from proxy.caching.dates import parse_http_date
from proxy.caching.syntax import MAX_DELTA
from proxy.rules.matchers import number
from proxy.rules.selectors import Selector
from proxy.rules.subject import Subject
from proxy.rules.values import MISSING, Value

_EPOCH_SECONDS: Final = 1e8
_EPOCH_MILLISECONDS: Final = 1e11
NO_STATUSES: Final[Mapping[int, float]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HttpTtl:
    """`ttl: http`: RFC 9111 alone decides."""


@dataclass(frozen=True, slots=True)
class OffTtl:
    """`ttl: off`: nothing is looked up and nothing stored.

    `for_now`: the environment says so and not the file, which is not wrong for it.
    """

    for_now: bool = False


@dataclass(frozen=True, slots=True)
class Adaptive:
    """`adaptive`: bounds in seconds of a lifetime that is learnt from what fetches find."""

    minimum: float
    maximum: float

    def within(self, seconds: float) -> float:
        """The nearest lifetime within the bounds."""
        return min(max(seconds, self.minimum), self.maximum)


@dataclass(frozen=True, slots=True)
class Refresh:
    """`refresh`: fetch anew once `ahead` (0..1) of its life is left, after so many `hits`.

    `unsafe`: what other methods than GET and HEAD fetched, too: the route itself says so.
    """

    ahead: float
    hits: int = 1
    unsafe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedTtl:
    """A lifetime in seconds: fixed, by status, or read from the answer (`source`), then bounded."""

    default: float | None = None
    source: Selector | None = None
    margin: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    jitter: float = 0.0
    sliding: bool = False
    status: Mapping[int, float] = field(default_factory=lambda: NO_STATUSES)
    adaptive: Adaptive | None = None

    def learns(self, status: int) -> Adaptive | None:
        """The bounds of what is learnt of answers of this status; None: their lifetime is fixed."""
        return None if status in self.status else self.adaptive

    @property
    def begins(self) -> float | None:
        """The lifetime of an answer of which nothing is known."""
        if self.adaptive is None:
            return self.default
        return self.adaptive.within(self.default or self.adaptive.minimum)

    def names(self, status: int) -> bool:
        """Whether answers of this status are stored where no `store_if` says."""
        return 200 <= status < 300 or status in self.status

    def lifetime(
        self, subject: Subject, now: float, random: float = 0.0, learned: float = 0.0
    ) -> float | None:
        """Seconds of freshness of the subject's answer; None if it has none.

        `random` is 0..1; jitter only ever shortens. `learned`: what was learnt of it, 0: nothing.
        """
        if subject.response is None:
            return None
        seconds = self.status.get(subject.response.status)
        if seconds is None:
            named = self._remaining(subject, now)
            seconds = self._clamp(learned) if learned else self._bounded(named)
        return None if seconds is None or seconds <= 0 else seconds * (1 - self.jitter * random)

    def _remaining(self, subject: Subject, now: float) -> float | None:
        if self.source is None:
            return None
        return remaining(self.source.read(subject), answered_at(subject, now), now)

    def _bounded(self, named: float | None) -> float | None:
        """The named time less the margin within min and max, never past the named time itself."""
        if named is None:
            return self._clamp(self.begins)
        seconds = self._clamp(named - self.margin)
        return None if seconds is None or seconds > named else seconds

    def _clamp(self, seconds: float | None) -> float | None:
        if seconds is None:
            return None
        if self.minimum is not None:
            seconds = max(seconds, self.minimum)
        return seconds if self.maximum is None else min(seconds, self.maximum)


def answered_at(subject: Subject, now: float) -> float:
    """The moment of the answer on the upstream's clock, its Date; `now` where it has none."""
    date = subject.response.fields.get("date") if subject.response is not None else None
    answered = parse_http_date(date, now) if date is not None else None
    return now if answered is None else answered


def remaining(value: Value, answered_at: float, now: float) -> float | None:
    """Seconds from `answered_at` to the moment a value names; None if it names none.

    Understood: epoch seconds or milliseconds, small numbers as seconds to go
    (as `expires_in` of RFC 6749 §5.1), ISO 8601 (RFC 3339) and HTTP dates. Never more than
    2^31 either way, as of a max-age (RFC 9111 §1.2.2): a number may be one that no store holds.
    """
    left = None if value is MISSING else _left(value, answered_at, now)
    return None if left is None else max(-MAX_DELTA, min(left, MAX_DELTA))


def _left(value: Value, answered_at: float, now: float) -> float | None:
    amount = number(value)
    if amount is not None:
        seconds = float(amount)
        if seconds < _EPOCH_SECONDS:
            return seconds
        return (seconds / 1000 if seconds >= _EPOCH_MILLISECONDS else seconds) - answered_at
    moment = _moment(value, now) if isinstance(value, str) else None
    return None if moment is None else moment - answered_at


def _moment(text: str, now: float) -> float | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return parse_http_date(text, now)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


Ttl = HttpTtl | OffTtl | TimedTtl


def is_off_for_now(ttl: Ttl) -> bool:
    """Whether only the environment keeps answers from being stored."""
    return isinstance(ttl, OffTtl) and ttl.for_now
