"""The demo's traffic, walked directly: what it asks is what the simulators take."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from proxy.sim.base import serve
from proxy.sim.database import Database
from proxy.sim.tours import DemoError, Tour, Visitor, tours


@pytest.mark.parametrize("number", range(len(tours())), ids=lambda n: tours()[n].simulator.name)
async def test_a_tour_succeeds_and_every_request_reaches_the_simulator(number: int) -> None:
    tour = tours()[number]
    tour.simulator.latency_s = 0
    async with serve(tour.simulator) as url, ClientSession() as session:
        visitor = Visitor(session, url, tour.headers)
        await tour.walk(visitor)
    assert visitor.requests == tour.simulator.count() > 0
    assert visitor.hits == 0
    assert all(call.status < 400 for call in tour.simulator.calls)


def test_tours_have_their_own_names_variables_and_mounts() -> None:
    everything: tuple[Tour, ...] = tours()
    for names in (
        {tour.simulator.name for tour in everything},
        {tour.variable for tour in everything},
        {tour.mount for tour in everything},
    ):
        assert len(names) == len(everything) == 7


async def test_an_error_ends_the_tour_and_names_the_request() -> None:
    async with serve(Database()) as url, ClientSession() as session:
        visitor = Visitor(session, url)
        with pytest.raises(DemoError, match="GET /projects/42 got 404"):
            await visitor.ask("GET", "/projects/42")


async def test_a_connection_that_fails_is_named_too() -> None:
    async with serve(Database()) as url:
        pass
    async with ClientSession() as session:
        with pytest.raises(DemoError, match="GET /projects/42 was not answered"):
            await Visitor(session, url).ask("GET", "/projects/42")


async def test_polling_gives_up() -> None:
    sim = Database()
    sim.put("/projects", {"id": "1", "state": "busy"})
    async with serve(sim) as url, ClientSession() as session:
        visitor = Visitor(session, url)
        with pytest.raises(DemoError, match="was never done"):
            await visitor.poll("/projects/1", lambda found: str(found["state"]), "done")
    assert visitor.requests == sim.count() > 1
