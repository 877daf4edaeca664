"""A small program for the admin API: real rules, a real memory cache, real statistics."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from proxy.edges.accounts import Accounts
from proxy.edges.control import BreakerState, Readings, State
from proxy.edges.metrics import Metrics
from proxy.edges.recurring import LaneStatus
from proxy.edges.session_stats import SessionStatistics
from proxy.edges.stats import Statistics
from proxy.fields import NO_FIELDS, Fields
from proxy.flow import tasks
from proxy.flow.background import Background
from proxy.inner import Discarded
from proxy.messages import Stored, StoredResponse
from proxy.rules.compiled import Config
from proxy.sessions import Sessions
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore
from proxy.warming import Warming

NOW = 1_700_000_000.0


def memory_cache() -> Cache:
    """A cache of memory alone whose entries are judged at NOW."""
    memory = MemoryStore(max_size=1 << 20, clock=lambda: NOW)
    return Cache(memory, None, spawn=tasks.spawn)


def keep(cache: Cache, key: bytes, entry: Stored) -> None:
    """Store an entry as if its fetch had begun now."""
    assert cache.keep(key, replace(entry, born=cache.position), NOW) is None


@dataclass
class SmallProgram:
    """Implements `Control`."""

    rules: Config
    cache: Cache = field(default_factory=memory_cache)
    stats: Statistics = field(default_factory=lambda: Statistics(NOW - 60))
    session_stats: SessionStatistics = field(default_factory=SessionStatistics)
    metrics: Metrics = field(default_factory=lambda: Metrics("test"))
    life: State = State.SERVING
    problems: tuple[str, ...] = ()
    answers: dict[str, int] = field(default_factory=dict)
    going: asyncio.Event = field(default_factory=asyncio.Event)

    @cached_property
    def accounts(self) -> Accounts:
        """Accounts kept beside the cache, by the rules given."""
        accounts = Accounts(self.cache.notes, tasks.spawn, lambda: NOW, self.stats)
        accounts.adopt(self.rules)
        return accounts

    @cached_property
    def sessions(self) -> Sessions:
        """Lives noted beside the cache."""
        return Sessions(self.cache.notes, tasks.spawn)

    async def answering(
        self, url_target: str, fields: Fields = NO_FIELDS, *, authority: str = ""
    ) -> Discarded:
        """What `answers` says, 200 otherwise, once `going` is set."""
        del fields
        await self.going.wait()
        return Discarded(self.answers.get(authority + url_target, 200), whole=True)

    @cached_property
    def warming(self) -> Warming:
        """Warming whose requests the test answers."""
        return Warming(
            self.answering,
            Background(tasks.spawn),
            self.cache.notes,
            config=self.config,
            clock=lambda: NOW,
            spawn=tasks.spawn,
        )

    def config(self) -> Config:
        """The rules given."""
        return self.rules

    def state(self) -> State:
        """What the test set."""
        return self.life

    def readings(self) -> Readings:
        """Some numbers."""
        return Readings(
            in_flight=3,
            flights=2,
            breakers={"db": BreakerState.OPEN},
            behind_done={("db", "done"): 1},
            lanes={"hot": LaneStatus(answered=3, requests=1, size_bytes=4000)},
        )

    async def reload(self) -> tuple[str, ...]:
        """The problems the test set."""
        return self.problems


def stored(**changes: Any) -> StoredResponse:
    """A fresh answer of route `scenes`, but for `changes`."""
    fields: dict[str, Any] = {
        "status": 200,
        "fields": Fields([("Content-Type", "application/json")]),
        "body": b'{"id": 7}',
        "request_time": NOW - 10,
        "response_time": NOW - 10,
        "lifetime": 60.0,
        "tags": ("*", "@route:scenes", "scene:7"),
        "route": "scenes",
        "url": "/scenes/7",
        "head": "GET db/scenes/7",
    }
    return StoredResponse(**{**fields, **changes})
