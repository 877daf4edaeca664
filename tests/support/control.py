"""A small program for the admin API: real rules, a real memory cache, real statistics."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from proxy.edges.control import BreakerState, Readings, State
from proxy.edges.metrics import Metrics
from proxy.edges.stats import Statistics
from proxy.fields import Fields
from proxy.flow import tasks
from proxy.messages import Stored, StoredResponse
from proxy.rules.compiled import Config
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore

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
    metrics: Metrics = field(default_factory=lambda: Metrics("test"))
    life: State = State.SERVING
    problems: tuple[str, ...] = ()

    def config(self) -> Config:
        """The rules given."""
        return self.rules

    def state(self) -> State:
        """What the test set."""
        return self.life

    def readings(self) -> Readings:
        """Some numbers."""
        return Readings(in_flight=3, flights=2, breakers={"db": BreakerState.OPEN})

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
