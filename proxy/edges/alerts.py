"""Alerts: whether the share of hits has fallen too low, and the health made of the same.

Reads the ledger's rows of this process now and then and remembers what they were: a window is
the difference of two readings, so no request pays for it. Invariants: at most SAMPLES readings
an alert; it says once, in the log, that it fires and once that it is over.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from proxy.edges.ledger import Row
from proxy.rules.alerts import Alert
from proxy.rules.compiled import Config

SAMPLES: Final = 60

Json = dict[str, object]
_log = logging.getLogger("larder.alerts")


class _Counts(NamedTuple):
    """Counted up to a moment, epoch seconds."""

    at: float
    looked_up: int = 0
    hits: int = 0
    errors: int = 0


@dataclass(slots=True)
class _Watch:
    """One alert, and what was counted when."""

    alert: Alert
    readings: deque[_Counts] = field(default_factory=deque)
    firing_since: float | None = None

    def look(self, now: _Counts) -> _Counts:
        """What was counted in the window that ends now; the reading is remembered."""
        readings, over = self.readings, self.alert.over
        if len(readings) > 1 and now.at - readings[-2].at < over / SAMPLES:
            readings[-1] = now
        else:
            readings.append(now)
        while len(readings) > 1 and readings[1].at <= now.at - over:
            readings.popleft()
        first = readings[0]
        return _Counts(
            now.at,
            now.looked_up - first.looked_up,
            now.hits - first.hits,
            now.errors - first.errors,
        )

    def is_low(self, window: _Counts) -> bool:
        """Whether enough was looked up, and too little of it found."""
        if window.looked_up < self.alert.requests:
            return False
        return window.hits < self.alert.hit_rate * window.looked_up


class Alerts:
    """`rows`: what this process has counted, by route and unit, and counts on."""

    def __init__(self, rows: Mapping[tuple[str, str], Row]) -> None:
        self._rows = rows
        self._watches: list[_Watch] = []
        self._health = _Watch(Alert(name="health", hit_rate=0.0))

    def adopt(self, config: Config, now: float) -> None:
        """Watch for these from now on; one that did not change remembers."""
        before = {watch.alert: watch for watch in (*self._watches, self._health)}
        self._watches = [before.get(alert) or _Watch(alert) for alert in config.alerts]
        self._health = before.get(config.health) or _Watch(config.health)
        self.tick(now)

    def reset(self, now: float) -> None:
        """Forget what was counted until now."""
        for watch in (*self._watches, self._health):
            watch.readings.clear()
        self.tick(now)

    def tick(self, now: float) -> None:
        """Read what is counted, and say what begins and what is over."""
        self._health.look(self._read(self._health.alert, now))
        for watch in self._watches:
            self._judge(watch, now)

    def _judge(self, watch: _Watch, now: float) -> _Counts:
        window = watch.look(self._read(watch.alert, now))
        low, fires = watch.is_low(window), watch.firing_since is not None
        if low and not fires:
            watch.firing_since = now
            _log.warning("alert %s: %s", watch.alert.name, _said(watch.alert, window))
        elif fires and not low:
            watch.firing_since = None
            _log.info("alert %s is over: %s", watch.alert.name, _said(watch.alert, window))
        return window

    def _read(self, alert: Alert, now: float) -> _Counts:
        rows = [
            row
            for (route, _), row in self._rows.items()
            if not alert.routes or route in alert.routes
        ]
        return _Counts(
            now,
            sum(row.looked_up for row in rows),
            sum(row.hits for row in rows),
            sum(row.errors for row in rows),
        )

    def firing(self) -> Iterator[tuple[str, bool]]:
        """Each alert by name, and whether it fires."""
        for watch in self._watches:
            yield watch.alert.name, watch.firing_since is not None

    def told(self, now: float) -> list[Json]:
        """Each alert as plain data."""
        return [self._told(watch, self._judge(watch, now)) for watch in self._watches]

    def _told(self, watch: _Watch, window: _Counts) -> Json:
        return {
            "name": watch.alert.name,
            "routes": sorted(watch.alert.routes) or None,
            "firing": watch.firing_since is not None,
            "since": watch.firing_since,
            **_measured(watch.alert, window),
        }

    def health(self, now: float) -> Json:
        """How the cache is, as plain data; with few look-ups it counts as healthy."""
        watch = self._health
        window = watch.look(self._read(watch.alert, now))
        return {
            "healthy": not watch.is_low(window),
            **_measured(watch.alert, window),
            "errors": window.errors,
            "firing": [name for name, fires in self.firing() if fires],
        }


def _measured(alert: Alert, window: _Counts) -> Json:
    return {
        "hit_rate": round(window.hits / window.looked_up, 4) if window.looked_up else None,
        "least_hit_rate": alert.hit_rate,
        "over_s": alert.over,
        "looked_up": window.looked_up,
        "hits": window.hits,
        "least_looked_up": alert.requests,
    }


def _said(alert: Alert, window: _Counts) -> str:
    if not window.looked_up:
        return f"nothing was looked up in {alert.over:g} s"
    rate = window.hits / window.looked_up
    return (
        f"{rate:.1%} of {window.looked_up} look-ups in {alert.over:g} s were hits;"
        f" {alert.hit_rate:.0%} are asked for"
    )
