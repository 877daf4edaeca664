"""Flights: shared while they are under way, landed or settled always, drained at the end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from proxy.errors import ClientGone
from proxy.fields import NO_FIELDS, Fields
from proxy.flow import tasks
from proxy.flow.flights import Flight, FlightLostError, Flights
from proxy.flow.roundtrip import OnInterim
from proxy.messages import START
from tests.support.clock import ManualClock


@pytest.fixture
def flights(clock: ManualClock) -> Flights[str]:
    return Flights(tasks.spawn, clock)


class Held:
    """A fetch that lands, and ends, when it is told to."""

    def __init__(self) -> None:
        self.land, self.end = asyncio.Event(), asyncio.Event()

    async def fly(self, flight: Flight[str]) -> None:
        await self.land.wait()
        flight.land("landed")
        await self.end.wait()


async def test_a_flight_is_found_until_its_task_ends(flights: Flights[str]) -> None:
    held = Held()
    flight = flights.begin(b"k", START, held.fly)
    waiting = [tasks.spawn(flight.landed(), "wait") for _ in range(2)]
    assert (flights.find(b"k"), flights.find(b"other"), len(flights)) == (flight, None, 1)
    held.land.set()
    assert [await each for each in waiting] == ["landed", "landed"]
    assert (flights.find(b"k"), flight.has_landed) == (flight, True)
    held.end.set()
    await flights.drain(1)
    assert (flights.find(b"k"), len(flights), await flight.landed()) == (None, 0, "landed")


async def test_one_that_is_not_shared_is_not_found_and_does_not_hide_one_that_is(
    flights: Flights[str],
) -> None:
    shared, own = Held(), Held()
    flight = flights.begin(b"k", START, shared.fly)
    flights.begin(b"k", START, own.fly, shared=False)
    own.land.set()
    own.end.set()
    await asyncio.sleep(0)
    assert flights.find(b"k") is flight
    await flights.drain(0)


async def test_a_later_flight_is_not_closed_by_the_end_of_an_earlier_one(
    flights: Flights[str],
) -> None:
    first, second = Held(), Held()
    earlier = flights.begin(b"k", START, first.fly)
    later = flights.begin(b"k", START, second.fly)
    flights.close(earlier)
    assert flights.find(b"k") is later
    flights.close(later)
    assert flights.find(b"k") is None
    await flights.drain(0)


async def test_a_flight_that_ends_by_a_defect_leaves_nobody_waiting(
    flights: Flights[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(flight: Flight[str]) -> None:
        raise RuntimeError(flight.key)

    with caplog.at_level(logging.CRITICAL, "larder.tasks"):
        flight = flights.begin(b"k", START, broken)
        with pytest.raises(FlightLostError):
            await flight.landed()
    assert flights.find(b"k") is None


async def test_a_waiter_that_is_cancelled_disturbs_nobody(flights: Flights[str]) -> None:
    held = Held()
    flight = flights.begin(b"k", START, held.fly)
    leaver, stayer = (tasks.spawn(flight.landed(), "wait") for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    held.land.set()
    held.end.set()
    assert await stayer == "landed"


async def test_a_leader_cancelled_before_the_landing_keeps_no_place(flights: Flights[str]) -> None:
    let_go: list[str] = []
    held = Held()
    flight = flights.begin(b"k", START, held.fly)
    leading = tasks.spawn(flight.lead(let_go.append), "lead")
    await asyncio.sleep(0)
    leading.cancel()
    await asyncio.wait([leading])
    assert (flight.leader_left, let_go) == (True, [])
    await flights.drain(0)


async def test_a_leader_cancelled_just_as_it_lands_gives_its_place_back(
    flights: Flights[str],
) -> None:
    """1. The flight lands; 2. the leader is cancelled before it has run on."""
    let_go: list[str] = []
    flight = flights.begin(b"k", START, Held().fly)
    leading = tasks.spawn(flight.lead(let_go.append), "lead")
    await asyncio.sleep(0)
    flight.land("landed")
    leading.cancel()
    await asyncio.wait([leading])
    assert let_go == ["landed"]
    await flights.drain(0)


async def test_only_the_first_landing_counts(flights: Flights[str]) -> None:
    flight = flights.begin(b"k", START, Held().fly)
    flight.land("first")
    flight.land("second")
    assert await flight.landed() == "first"
    await flights.drain(0)


async def test_a_drain_gives_up_what_does_not_end_and_leaves_nobody_waiting(
    flights: Flights[str],
) -> None:
    flight = flights.begin(b"k", START, Held().fly)
    waiting = tasks.spawn(flight.landed(), "wait")
    await flights.drain(0)
    await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), FlightLostError)
    assert len(flights) == 0


async def test_a_hit_for_miss_mark_is_forgotten_after_a_while(
    flights: Flights[str], clock: ManualClock
) -> None:
    flights.mark_unshared(b"k")
    assert (flights.is_unshared(b"k"), flights.is_unshared(b"other")) == (True, False)
    clock.advance(10.5)
    assert not flights.is_unshared(b"k")


async def test_its_body_begins_once_all_who_waited_for_its_head_have_acted_on_it(
    flights: Flights[str],
) -> None:
    """1. It lands; 2. each follower takes its place; 3. the body begins."""
    order: list[str] = []

    async def fly(flight: Flight[str]) -> None:
        await asyncio.sleep(0)
        flight.land("landed")
        await flight.heard()
        order.append("body")

    async def follow() -> None:
        order.append(await flight.landed())

    flight = flights.begin(b"k", START, fly)
    followers = [tasks.spawn(follow(), "follow") for _ in range(3)]
    await asyncio.sleep(0)
    followers[0].cancel()
    await asyncio.wait(followers)
    await flights.drain(1)
    assert order == ["landed", "landed", "body"]


async def test_a_flight_that_nobody_waited_for_waits_for_nobody(flights: Flights[str]) -> None:
    async def fly(flight: Flight[str]) -> None:
        flight.land("landed")
        await flight.heard()

    flights.begin(b"k", START, fly)
    async with asyncio.timeout(1):
        await flights.drain(5)
    assert len(flights) == 0


async def test_interim_answers_are_told_to_those_of_the_circle_while_they_listen() -> None:
    heard: list[tuple[str, int]] = []

    def ear(name: str, *, gone: bool = False) -> OnInterim:
        async def hear(status: int, _: Fields) -> None:
            heard.append((name, status))
            if gone:
                raise ClientGone

        return hear

    flight: Flight[str] = Flight(b"k", START)
    with flight.hearing("us", ear("left", gone=True)), flight.hearing("us", ear("b")):
        await flight.tell("us", 103, NO_FIELDS)
        with flight.hearing("them", ear("c")), flight.hearing(None, ear("d")):
            await flight.tell("us", 104, NO_FIELDS)
            await flight.tell(None, 105, NO_FIELDS)
    await flight.tell("us", 106, NO_FIELDS)
    assert heard == [("left", 103), ("b", 103), ("left", 104), ("b", 104), ("d", 105)]
