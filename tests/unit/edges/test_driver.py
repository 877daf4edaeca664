"""The driver put together: what works behind comes after clients, and ends with the program."""

from __future__ import annotations

import asyncio

from proxy.edges.driver import make_driver
from proxy.flow import tasks
from proxy.flow.budget import Budget
from proxy.flow.connection import Connector
from proxy.outcomes import ExchangeRecord
from proxy.store.cache import Cache
from proxy.store.memory import MemoryStore
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.origin import Origin
from tests.unit.small_proxy import world_of

RULES = """
store: {shared: none}
upstreams:
  db:
    url: ORIGIN
    mount: /db
    routes: [{name: a, match: "GET /a/{id}", ttl: 1m}]
"""


async def test_its_own_requests_are_told_and_hold_nothing_behind_up(
    origin: Origin, clock: ManualClock
) -> None:
    held, told = asyncio.Event(), list[ExchangeRecord]()
    origin.reply(answer(b"a", hold_head=held))
    connector = Connector()
    cache = Cache(MemoryStore(max_size=1 << 20), None, spawn=tasks.spawn)
    world = world_of(RULES, origin.url, connector, clock)
    driver = make_driver(world, cache, Budget(), clock, [told.append])
    began = asyncio.Event()

    async def job() -> None:
        began.set()

    async with asyncio.TaskGroup() as group:
        got = group.create_task(driver.inner.get("/db/a/1"))
        await origin.received(1)
        assert driver.background.offer("db", "job", job)
        await began.wait()
        held.set()
    await driver.background.drain(1)
    await driver.flights.drain(1)
    await connector.close()
    assert got.result().status == 200
    assert [(record.route, record.background) for record in told] == [("a", True)]
