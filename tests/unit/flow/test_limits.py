"""Limits: which of a rule's time-outs passed, and when each runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.errors import UpstreamConnectError, UpstreamTimeoutError
from proxy.flow.limits import Limit, Limits, UpstreamConnectTimeoutError, Watch
from proxy.rules.settings import Timeouts
from tests.support.larder import until

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


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    """What it tells is in `told`."""
    made = Watch(told.append)
    told.clear()
    yield made
    made.close()


told: list[UpstreamTimeoutError] = []


@pytest.mark.parametrize("limit", ["first_byte", "idle", "total"])
async def test_a_watch_tells_of_the_limit_that_passed(watch: Watch, limit: Limit) -> None:
    watch.begin(Limits.start(timeouts(**{limit: 0.01})), limit, PEER)
    await until(lambda: bool(told))
    assert f"timeout.{limit} " in str(told[0])


async def test_moving_puts_the_wait_under_another_limit(watch: Watch) -> None:
    watch.begin(Limits.start(timeouts(first_byte=0.01)), "total", PEER)
    watch.move("first_byte")
    await until(lambda: bool(told))
    assert "timeout.first_byte " in str(told[0])


async def test_a_wait_that_is_over_is_not_moved_and_tells_nothing(watch: Watch) -> None:
    limits = Limits.start(timeouts(first_byte=0.01, idle=0.01))
    watch.begin(limits, "first_byte", PEER)
    watch.end()
    watch.move("idle")
    other = Watch(told.append)
    other.begin(Limits.start(timeouts(total=0.05)), "idle", "other")
    await until(lambda: bool(told))
    assert [str(each)[:5] for each in told] == ["other"]


async def test_a_later_wait_is_as_long_as_its_own_limit(watch: Watch) -> None:
    watch.begin(Limits.start(timeouts(idle=0.01)), "idle", PEER)
    began = asyncio.get_running_loop().time()
    watch.begin(Limits.start(timeouts(idle=0.05)), "idle", PEER)
    await until(lambda: bool(told))
    assert "0.05s" in str(told[0])
    assert asyncio.get_running_loop().time() - began >= 0.05


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
