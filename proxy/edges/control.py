"""What the admin API needs of the running program, and nothing else of it.

A protocol: the composition root implements it, tests give their own. Knows the
parts by their types only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Protocol

from proxy.edges.accounts import Accounts
from proxy.edges.metrics import Metrics
from proxy.edges.recurring import LaneStatus
from proxy.edges.session_stats import SessionStatistics
from proxy.edges.stats import Statistics
from proxy.rules.compiled import Config
from proxy.sessions import Sessions
from proxy.store.cache import Cache
from proxy.warming import Warming


class State(StrEnum):
    """Where the program is in its life; only `serving` is ready."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class BreakerState(IntEnum):
    """An upstream's breaker, as `larder_breaker_state` says it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What is so at this moment, for a scrape. `breakers` is by upstream name.

    `behind`: jobs that wait or run behind; `behind_done`: what came of others, by upstream.
    """

    in_flight: int = 0
    flights: int = 0
    breakers: Mapping[str, BreakerState] = field(default_factory=dict)
    dropped_log_lines: int = 0
    buffered_bytes: int = 0
    lanes: Mapping[str, LaneStatus] = field(default_factory=dict)
    behind: int = 0
    behind_done: Mapping[tuple[str, str], int] = field(default_factory=dict)


class Control(Protocol):
    """The running program, as its admin API sees it. All of it is used on the event loop."""

    @property
    def cache(self) -> Cache:
        """The two-tier cache in use."""

    @property
    def stats(self) -> Statistics:
        """The statistics since the start."""

    @property
    def session_stats(self) -> SessionStatistics:
        """The statistics of each session."""

    @property
    def sessions(self) -> Sessions:
        """The lives of sessions."""

    @property
    def accounts(self) -> Accounts:
        """What is kept of money and use."""

    @property
    def warming(self) -> Warming:
        """What is fetched before anybody asks for it."""

    @property
    def metrics(self) -> Metrics:
        """The metrics registry."""

    def config(self) -> Config:
        """The rules in force."""

    def state(self) -> State:
        """Where the program is in its life."""

    def readings(self) -> Readings:
        """The numbers of this moment."""

    async def reload(self) -> tuple[str, ...]:
        """Load the rule file anew: its problems, a line each; none means it is in force."""
