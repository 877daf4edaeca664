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
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from cachetools import TTLCache

from proxy.errors import ClientGone, LarderError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextlib import AbstractContextManager

    from proxy.fields import Fields
    from proxy.flow.roundtrip import OnInterim
    from proxy.messages import Position

    Hearer = tuple[object, OnInterim]

L = TypeVar("L")

MARKS = 10_000
"""How many marks of each kind are remembered; the oldest are forgotten first."""


class FlightLostError(LarderError):
    """A flight ended by a defect before it landed."""


class _Hearing:
    """While it lasts, a hearer is told of interim answers."""

    __slots__ = ("_hearer", "_hearers")

    def __init__(self, hearers: list[Hearer], hearer: Hearer) -> None:
        self._hearers = hearers
        self._hearer = hearer

    def __enter__(self) -> None:
        self._hearers.append(self._hearer)

    def __exit__(self, *_: object) -> None:
        self._hearers.remove(self._hearer)


class Flight(Generic[L]):
    """One upstream call under way, and what it lands with."""

    def __init__(self, key: bytes, born: Position) -> None:
        self.key = key
        self.born = born
        self.leader_left = False
        self._landing: L | None = None
        self._lost: FlightLostError | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._followers = 0
        self._heard: asyncio.Future[None] | None = None
        self._hearers: list[Hearer] = []

    def land(self, landing: L) -> None:
        """The head is known (or the failure): everybody who waits goes on."""
        if not self.has_landed:
            self._landing = landing
            self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _wait(self) -> L:
        """What it lands with. Each waits for a future of its own, which it may cancel."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter
        return self._landed()

    def _landed(self) -> L:
        if self._landing is None:
            raise self._lost or AssertionError(self.key)
        return self._landing

    def hearing(self, circle: object, hear: OnInterim) -> AbstractContextManager[None]:
        """While this lasts, tell `hear` of the interim answers that are for this circle."""
        return _Hearing(self._hearers, (circle, hear))

    async def tell(self, circle: object, status: int, fields: Fields) -> None:
        """An interim answer came (RFC 9110 §15.2), meant for those of this circle."""
        for each, hear in tuple(self._hearers):
            if each == circle:
                with suppress(ClientGone):
                    await hear(status, fields)

    @property
    def has_landed(self) -> bool:
        """Whether `landed` answers at once."""
        return self._landing is not None or self._lost is not None

    async def landed(self) -> L:
        """What it lands with. A waiter that is cancelled does not disturb the others."""
        if self.has_landed:
            return self._landed()
        self._followers += 1
        try:
            return await self._wait()
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
        if self.has_landed:
            return self._landed()
        try:
            return await self._wait()
        except asyncio.CancelledError:
            self.leader_left = True
            if self._landing is not None:
                let_go(self._landing)
            raise

    def settle(self) -> None:
        """Called when the task is over: nobody may be left waiting."""
        if not self.has_landed:
            self._lost = FlightLostError("the shared fetch ended without an answer")
            self._wake()


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
        task = self._spawn(self._run(flight, fly), f"flight {key[:6].hex()}")
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
