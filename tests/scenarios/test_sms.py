"""Text messages of the call-session system (RULES §5.4): once per lead and template in ten minutes.

The shipped rules, two instances on one shared store, and a database that counts what it sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.sim.database import Database
from tests.support.clock import ManualClock
from tests.support.larder import until, x_cache
from tests.support.pair import Pair, paired

MESSAGE = {"lead_id": 7, "template": "reminder", "text": "Until tomorrow!"}


@pytest.fixture
async def pair(shared: str, clock: ManualClock) -> AsyncIterator[Pair[Database]]:
    async with paired(Database(clock=clock), "DB_URL", shared, clock) as both:
        yield both


async def test_a_lead_gets_a_message_once(pair: Pair[Database]) -> None:
    asked = [pair.first, pair.second, pair.first]
    got = [await proxy.post("/db/sms", MESSAGE) for proxy in asked]
    assert {(each.status, each.json()["id"]) for each in got} == {(202, "1")}
    assert x_cache(*got) == ["MISS", "HIT", "HIT"]
    await pair.restart()
    assert (await pair.second.post("/db/sms", MESSAGE)).json()["id"] == "1"
    assert pair.simulator.sent == [MESSAGE]


async def test_many_workers_at_once_send_one(pair: Pair[Database]) -> None:
    pair.simulator.gate.clear()
    proxies = (pair.first, pair.second)
    asking = asyncio.gather(*(proxies[n % 2].post("/db/sms", MESSAGE) for n in range(40)))
    await until(lambda: sum(proxy.app.readings().in_flight for proxy in proxies) == 40)
    pair.simulator.gate.set()
    assert {each.json()["id"] for each in await asking} == {"1"}
    assert len(pair.simulator.sent) == 1


async def test_other_leads_and_templates_are_other_messages(pair: Pair[Database]) -> None:
    for message in (MESSAGE, {**MESSAGE, "lead_id": 8}, {**MESSAGE, "template": "welcome"}):
        await pair.first.post("/db/sms", message)
    assert len(pair.simulator.sent) == 3


async def test_a_message_that_was_refused_may_be_corrected(pair: Pair[Database]) -> None:
    bad = {"lead_id": 7}
    assert [(await pair.first.post("/db/sms", bad)).status for _ in range(2)] == [422, 422]
    assert (await pair.first.post("/db/sms", MESSAGE)).status == 202
