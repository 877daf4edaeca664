"""Limits: which of a rule's time-outs passed, and when each runs."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import UpstreamConnectError, UpstreamTimeoutError
from proxy.flow.limits import Limit, Limits, UpstreamConnectTimeoutError
from proxy.rules.settings import Timeouts

PEER = "api.test:443"
LONG = 60.0


def timeouts(**short: float) -> Timeouts:
    return Timeouts(**{"connect": LONG, "first_byte": LONG, "idle": LONG, "total": LONG, **short})


@pytest.mark.parametrize("limit", ["connect", "first_byte", "idle"])
async def test_the_error_names_the_limit_its_seconds_and_the_peer(limit: Limit) -> None:
    limits = Limits.start(timeouts(**{limit: 0.01}))
    with pytest.raises(UpstreamTimeoutError, match=rf"{PEER}: .* 0.01s \(timeout.{limit} ") as told:
        async with limits.wait(limit, PEER):
            await asyncio.Event().wait()
    assert told.value.status == 504


async def test_a_connect_timeout_is_also_a_connect_error() -> None:
    limits = Limits.start(timeouts(connect=0.0))
    with pytest.raises(UpstreamConnectTimeoutError) as told:
        async with limits.wait("connect", PEER):
            await asyncio.Event().wait()
    assert isinstance(told.value, UpstreamConnectError)
    assert told.value.status == 504


@pytest.mark.parametrize("limit", ["connect", "first_byte", "idle", "total"])
async def test_total_ends_every_wait_when_it_is_sooner(limit: Limit) -> None:
    limits = Limits.start(timeouts(total=0.01))
    with pytest.raises(UpstreamTimeoutError, match=r"timeout\.total") as told:
        async with limits.wait(limit, PEER):
            await asyncio.Event().wait()
    assert not isinstance(told.value, UpstreamConnectError)


async def test_arming_puts_the_wait_under_another_limit() -> None:
    limits = Limits.start(timeouts(first_byte=0.01))

    async def rearmed() -> None:
        async with limits.wait("total", PEER) as wait:
            wait.arm("first_byte")
            await asyncio.Event().wait()

    with pytest.raises(UpstreamTimeoutError, match=r"timeout\.first_byte"):
        await rearmed()


async def test_arming_after_the_wait_does_nothing() -> None:
    async with Limits.start(timeouts()).wait("idle", PEER) as wait:
        pass
    wait.arm("first_byte")


async def test_what_ends_in_time_and_what_raises_by_itself_pass_through() -> None:
    limits = Limits.start(timeouts())
    async with limits.wait("idle", PEER):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError, match="its own"):
        async with limits.wait("idle", PEER):
            raise TimeoutError("its own")


async def test_cancelling_the_waiter_is_not_a_timeout() -> None:
    async def wait() -> None:
        async with Limits.start(timeouts()).wait("idle", PEER):
            await asyncio.Event().wait()

    task = asyncio.get_running_loop().create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
