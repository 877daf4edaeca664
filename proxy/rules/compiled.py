"""The rule file compiled: the whole configuration, and the vocabulary of its users.

Floor 2. What a driver needs of the rules is found here by name; how each part
works is in the file it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.rules.alerts import HEALTHY, Alert
from proxy.rules.budgets import Budget
from proxy.rules.cors import Cors
from proxy.rules.invalidations import Invalidation, InvalidationKind
from proxy.rules.issuing import NO_SESSIONS, SessionSettings
from proxy.rules.lifetimes import HttpTtl, OffTtl, TimedTtl, Ttl
from proxy.rules.route import Identity, Match, NeedsBody, Route
from proxy.rules.router import Router
from proxy.rules.rule import StaleWindows
from proxy.rules.settings import ServerSettings, StoreSettings, Upstream
from proxy.rules.subject import Subject
from proxy.rules.tags import session_tag
from proxy.rules.warm import Warm

__all__ = [
    "Config",
    "HttpTtl",
    "Identity",
    "Invalidation",
    "InvalidationKind",
    "Match",
    "NeedsBody",
    "OffTtl",
    "Route",
    "Router",
    "ServerSettings",
    "StaleWindows",
    "StoreSettings",
    "Subject",
    "TimedTtl",
    "Ttl",
    "Upstream",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole rule file, compiled. `digest` is the SHA-256 of every text that made it."""

    server: ServerSettings
    store: StoreSettings
    upstreams: tuple[Upstream, ...]
    router: Router
    caching: bool
    digest: str
    secret: bytes = field(repr=False)
    sessions: SessionSettings = NO_SESSIONS
    cors: Cors | None = None
    budgets: tuple[Budget, ...] = ()
    alerts: tuple[Alert, ...] = ()
    health: Alert = HEALTHY
    warm: tuple[Warm, ...] = ()

    @property
    def restoring(self) -> frozenset[str]:
        """The names of the routes whose entries are read into memory at start."""
        tables = self.router.tables.values()
        return frozenset(route.name for table in tables for route in table.routes if route.restore)

    def session_tag(self, session: str) -> str:
        """The system tag of a session id, for a purge by session."""
        return session_tag(self.secret, session)
