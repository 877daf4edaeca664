"""Flights: identical concurrent requests share one upstream call (collapsing).

A flight belongs to nobody's request: its task reads the upstream to the end when every
client has left. What it lands with is the driver's business (`L`); this file only
guarantees that a flight always lands, and that nobody waits on one that is over.

Numbered interleaving that `begin` and `settle` guard against:
1. flight F for key K fails before it lands; 2. a follower awaits F.landed();
3. F's task ends. Without the settling in `finally` the follower would wait for ever.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from cachetools import TTLCache

from proxy.errors import ClientGone, LarderError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from proxy.fields import Fields
    from proxy.flow.roundtrip import OnInterim
    from proxy.messages import Position

L = TypeVar("L")

MARKS = 10_000
"""How many marks of each kind are remembered; the oldest are forgotten first."""


class FlightLostError(LarderError):
    """A flight ended by a defect before it landed."""


class Flight(Generic[L]):
    """One upstream call under way, and the future of what it lands with."""

    def __init__(self, key: bytes, born: Position) -> None:
        self.key = key
        self.born = born
        self.leader_left = False
        self._landing: asyncio.Future[L] = asyncio.get_running_loop().create_future()
        self._followers = 0
        self._heard: asyncio.Future[None] | None = None
        self._hearers: list[tuple[object, OnInterim]] = []

    def land(self, landing: L) -> None:
        """The head is known (or the failure): everybody who waits goes on."""
        if not self._landing.done():
            self._landing.set_result(landing)

    @contextmanager
    def hearing(self, circle: object, hear: OnInterim) -> Iterator[None]:
        """While this lasts, tell `hear` of the interim answers that are for this circle."""
        hearer = (circle, hear)
        self._hearers.append(hearer)
        try:
            yield
        finally:
            self._hearers.remove(hearer)

    async def tell(self, circle: object, status: int, fields: Fields) -> None:
        """An interim answer came (RFC 9110 §15.2), meant for those of this circle."""
        for each, hear in tuple(self._hearers):
            if each == circle:
                with suppress(ClientGone):
                    await hear(status, fields)

    @property
    def has_landed(self) -> bool:
        """Whether `landed` answers at once."""
        return self._landing.done()

    async def landed(self) -> L:
        """What it lands with. A waiter that is cancelled does not disturb the others."""
        if self._landing.done():
            return self._landing.result()
        self._followers += 1
        try:
            return await asyncio.shield(self._landing)
        finally:
            self._followers -= 1
            if not self._followers and self._heard is not None:
                self._heard.set_result(None)
                self._heard = None

    async def heard(self) -> None:
        """Wait, once it has landed, until all who waited for that have acted on it.

        1. it lands; 2. its body begins, and so much comes that nobody can join any more; 3. only
        now those who waited go on. So the body begins when this returns.
        """
        if self._followers:
            self._heard = asyncio.get_running_loop().create_future()
            await self._heard

    async def lead(self, let_go: Callable[[L], None]) -> L:
        """Like `landed`, for the one whose request began it and whose place is kept.

        `let_go` is called with the landing if the leader is cancelled just as it lands;
        before that, `leader_left` tells the flight to keep no place.
        """
        try:
            return await asyncio.shield(self._landing)
        except asyncio.CancelledError:
            self.leader_left = True
            if self._landing.done() and self._landing.exception() is None:
                let_go(self._landing.result())
            raise

    def settle(self) -> None:
        """Called when the task is over: nobody may be left waiting."""
        if not self._landing.done():
            self._landing.set_exception(FlightLostError("the shared fetch ended without an answer"))
            self._landing.exception()  # marked as seen: there may be no waiter


class Flights(Generic[L]):
    """The flights under way by key, and the keys whose last answer could not be shared."""

    def __init__(
        self,
        spawn: Callable[[Coroutine[object, object, None], str], asyncio.Task[None]],
        timer: Callable[[], float],
        unshared_s: float = 10.0,
        resting_s: float = 2.0,
    ) -> None:
        self._spawn = spawn
        self._under_way: dict[bytes, Flight[L]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unshared: TTLCache[bytes, bool] = TTLCache(MARKS, unshared_s, timer=timer)
        self._resting: TTLCache[bytes, bool] = TTLCache(MARKS, resting_s, timer=timer)

    def __len__(self) -> int:
        return len(self._tasks)

    async def drain(self, within_s: float) -> None:
        """Wait for the flights under way, then give up those that are left."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for task in self._tasks:
            task.cancel()

    def find(self, key: bytes) -> Flight[L] | None:
        """The flight one may join for this key."""
        return self._under_way.get(key)

    def begin(
        self,
        key: bytes,
        born: Position,
        fly: Callable[[Flight[L]], Awaitable[None]],
        *,
        shared: bool = True,
    ) -> Flight[L]:
        """Start a fetch in a task of its own; `shared`: others may join it."""
        flight: Flight[L] = Flight(key, born)
        if shared:
            self._under_way[key] = flight
        task = self._spawn(self._run(flight, fly), f"flight {key.hex()[:12]}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return flight

    async def _run(self, flight: Flight[L], fly: Callable[[Flight[L]], Awaitable[None]]) -> None:
        try:
            await fly(flight)
        finally:
            self.close(flight)
            flight.settle()

    def close(self, flight: Flight[L]) -> None:
        """From now on nobody joins it; those who did go on."""
        if self._under_way.get(flight.key) is flight:
            del self._under_way[flight.key]

    def mark_unshared(self, key: bytes) -> None:
        """Hit-for-miss: for a while, nobody queues behind a flight for this key."""
        self._unshared[key] = True

    def is_unshared(self, key: bytes) -> bool:
        """Whether the last answer for this key could not be shared."""
        return key in self._unshared

    def rest(self, key: bytes) -> None:
        """A refresh failed: for a little while none is begun for this key."""
        self._resting[key] = True

    def is_resting(self, key: bytes) -> bool:
        """Whether the last refresh of this key failed just now."""
        return key in self._resting
