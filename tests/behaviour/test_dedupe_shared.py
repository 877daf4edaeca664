"""`dedupe` across instances and lives, on both shared stores: the claim is where all see it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.behaviour.test_dedupe import BODY, KEYED, SMS, counted, send
from tests.support.answers import answer
from tests.support.clock import ManualClock
from tests.support.larder import StartLarder, rules_text, serving, until, x_cache
from tests.support.origin import Origin

TOTAL_S = 600.0
"""The upstream's time limit where the rules say nothing."""


async def test_another_instance_gives_the_first_answer(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    one, two = await larder(SMS, shared=shared), await larder(SMS, shared=shared)
    counted(origin, fields={"Location": "/sms/1", "Set-Cookie": "sid=secret"})
    first, again = await send(one), await send(two)
    assert x_cache(first, again) == ["MISS", "HIT"]
    assert (again.json(), again["Location"]) == ({"id": 1}, "/sms/1")
    assert "Set-Cookie" not in again.fields
    assert len(origin.requests) == 1


async def test_a_hundred_at_once_at_two_instances_are_sent_once(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    proxies = [await larder(SMS, shared=shared) for _ in range(2)]
    held = asyncio.Event()
    counted(origin, hold_head=held)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(send(proxies[n % 2])) for n in range(100)]
        await until(lambda: sum(each.app.readings().in_flight for each in proxies) == 100)
        held.set()
    assert {each.result().body for each in asked} == {b'{"id":1}'}
    assert len(origin.requests) == 1


async def test_one_that_waits_sends_it_when_the_other_was_refused(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    one, two = await larder(SMS, shared=shared), await larder(SMS, shared=shared)
    held = asyncio.Event()
    origin.reply(answer(status=400, hold_head=held), answer(b"sent", 201))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(send(one))
        await origin.received(1)
        other = group.create_task(send(two))
        await until(lambda: two.app.readings().in_flight == 1)
        held.set()
    assert (first.result().status, other.result().status) == (400, 201)


async def test_a_key_given_by_the_client_holds_everywhere(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    one, two = await larder(SMS, shared=shared), await larder(SMS, shared=shared)
    counted(origin)
    await send(one, Idempotency_Key="k")
    assert (await send(two, Idempotency_Key="k"))["X-Cache"] == "HIT"
    assert (await send(two, {**BODY, "lead": 9}, Idempotency_Key="k")).status == 422


async def test_the_next_life_gives_the_first_answer(
    origin: Origin, shared: str, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules_text(SMS, shared=shared))
    counted(origin)
    for _ in range(2):
        async with serving(rules, {"ORIGIN": origin.url}) as proxy:
            assert (await send(proxy)).json() == {"id": 1}
    assert len(origin.requests) == 1


@pytest.mark.parametrize(("in_doubt", "then"), [("refuse", 409), ("forward", 201)])
async def test_what_an_instance_took_with_it_is_in_doubt(
    larder: StartLarder, origin: Origin, shared: str, in_doubt: str, then: int
) -> None:
    """The owner of a claim is gone, or hangs, and nobody will ever hear of its call.

    1. one claims and sends; 2. it is never heard of again; 3. another one asks and waits; 4. the
    time is up in which the answer had to come.
    """
    clock = ManualClock()
    routes = KEYED % f"{{window: 1h, in_doubt: {in_doubt}}}"
    one = await larder(routes, shared=shared, clock=clock, drain_s=0.1)
    two = await larder(routes, shared=shared, clock=clock)
    origin.reply(answer(b"never", hold_head=asyncio.Event()), answer(b"sent", 201))
    lost = asyncio.gather(send(one), return_exceptions=True)
    await origin.received(1)
    asked = asyncio.gather(send(two))
    await until(lambda: two.app.readings().in_flight == 1)
    clock.advance(TOTAL_S + 10)
    (got,) = await asked
    assert got.status == then
    if then == 409:
        assert 0 < int(got["Retry-After"]) <= 3600
        assert len(origin.requests) == 1
    lost.cancel()


async def test_a_purge_of_everything_reopens_nothing(
    larder: StartLarder, origin: Origin, shared: str
) -> None:
    one, two = await larder(SMS, shared=shared), await larder(SMS, shared=shared)
    counted(origin)
    await send(one)
    await one.purge(all=True, wait=True)
    assert (await send(two)).json() == {"id": 1}
