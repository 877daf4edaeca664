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


async def test_a_wait_whose_end_is_known_names_its_limit(watch: Watch) -> None:
    now = asyncio.get_running_loop().time()
    watch.wait(Limits(timeouts(), now + LONG), "idle", now + 0.01, PEER)
    await until(lambda: bool(told))
    assert str(told[0]).startswith(f"{PEER}: ")
    assert "timeout.idle " in str(told[0])


async def test_a_shorter_wait_behind_a_longer_one_ends_in_its_own_time(watch: Watch) -> None:
    """The timer of the longer one would go off too late."""
    now = asyncio.get_running_loop().time()
    watch.begin(Limits.start(timeouts()), "idle", PEER)
    watch.end()
    watch.wait(Limits.start(timeouts()), "first_byte", now + 0.01, PEER)
    await until(lambda: bool(told))
    assert asyncio.get_running_loop().time() - now < LONG / 10
    assert len(told) == 1


async def test_the_timer_of_waits_that_are_over_does_not_cut_the_last_short(watch: Watch) -> None:
    """It looks when it goes off, and is moved to the end of what lasts."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(3):
        watch.wait(Limits.start(timeouts()), "idle", began + 0.02 + number / 100, PEER)
        watch.end()
    watch.wait(Limits.start(timeouts()), "first_byte", began + 0.08, "last")
    await until(lambda: bool(told))
    assert loop.time() - began >= 0.08
    assert [str(each)[:4] for each in told] == ["last"]


async def test_a_watch_that_is_closed_tells_nothing_and_may_be_used_again(watch: Watch) -> None:
    now = asyncio.get_running_loop().time()
    watch.wait(Limits.start(timeouts()), "idle", now + 0.01, "closed")
    watch.close()
    watch.wait(Limits.start(timeouts()), "idle", now + 0.03, "again")
    await until(lambda: bool(told))
    assert [str(each)[:5] for each in told] == ["again"]


@pytest.mark.parametrize(
    ("limit", "short", "first"),
    [
        ("first_byte", {"first_byte": 3.0}, ("first_byte", 103.0)),
        ("first_byte", {"total": 3.0}, ("total", 103.0)),
        ("first_byte", {"first_byte": 3.0, "total": 3.0}, ("total", 103.0)),
        ("total", {"first_byte": 3.0}, ("total", 160.0)),
    ],
)
def test_the_first_of_a_limit_and_total_ends_a_wait(
    limit: Limit, short: dict[str, float], first: tuple[Limit, float]
) -> None:
    rule = timeouts(**short)
    assert Limits(rule, 100.0 + rule.total).first(limit, 100.0) == first


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
