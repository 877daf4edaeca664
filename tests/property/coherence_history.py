"""What the model knows of the past: which facts speak of what, who stated them and when."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from proxy.messages import Position
from proxy.store.base import Fact, FactKind, is_local
from proxy.store.cache import Cache
from tests.support.sim_shared import SimStore

MAX_LAG = 5.0
KEYS = tuple(bytes([number]) * 32 for number in range(2))
FACTS = (
    Fact(FactKind.TAG, "t0"),
    Fact(FactKind.TAG, "of no answer: the journal moves on, so that marks are asked"),
    Fact(FactKind.TAG, "*"),
    Fact(FactKind.PREFIX, "/0"),
    Fact(FactKind.TAG, "another of no answer"),
    Fact(FactKind.TAG, "a third of no answer"),
)
SPARING = Fact(FactKind.TAG, "t0", unless="e0")
"""Spares every other answer: see `etag_of`."""


def etag_of(began: int) -> str:
    """The ETag of what a fetch that began then reads."""
    return f"e{began % 2}"


def tags_of(key: int) -> tuple[str, ...]:
    return ("*", "t0", f"k{key}")


def speaks_of(fact: Fact, key: int) -> bool:
    if fact.kind is FactKind.PREFIX:
        return f"/{key}".startswith(fact.value)
    return fact.value in tags_of(key)


@dataclass
class Invalidation:
    """`called` and `acknowledged` are moments of the history; None while it has not returned."""

    fact: Fact
    by: Instance
    called: int
    acknowledged: int | None = None
    at: float = 0.0
    position: Position | None = None
    epoch: str = ""
    everywhere: bool = False

    def holds_for(self, instance: Instance, now: float) -> bool:
        """Whether the promise covers what an instance serves now: its own, followed, or late."""
        if self.by is instance or self.everywhere:
            return True
        if self.position is None or is_local(self.position):
            return False
        place = instance.cache._coherence.place  # noqa: SLF001  whether it followed
        followed = (
            place is not None
            and instance.cache.status().epoch == self.epoch
            and place >= self.position
        )
        return followed or now > self.at + MAX_LAG


@dataclass(eq=False)
class Instance:
    """A cache, what it is doing, and the fetches it has under way."""

    name: str
    cache: Cache
    store: SimStore
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    round: asyncio.Task[None] | None = None
    fetches: list[tuple[int, int, Position]] = field(default_factory=list)
