from __future__ import annotations

from proxy.store.breaker import Breaker
from tests.support.clock import ManualClock


def opened(clock: ManualClock) -> Breaker:
    breaker = Breaker(clock, failures=3, open_s=2.0)
    for _ in range(3):
        assert breaker.allows()
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it(clock: ManualClock) -> None:
    breaker = Breaker(clock, failures=3, open_s=2.0)
    for outcome in (breaker.failed, breaker.failed, breaker.succeeded, breaker.failed):
        outcome()
    assert breaker.allows()
    assert opened(clock).is_open
    assert not opened(clock).allows()


def test_a_single_probe_closes_it(clock: ManualClock) -> None:
    breaker = opened(clock)
    clock.advance(2.0)
    assert breaker.allows()
    assert not breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert not breaker.is_open


def test_a_probe_that_fails_opens_it_again(clock: ManualClock) -> None:
    breaker = opened(clock)
    clock.advance(2.0)
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    clock.advance(2.0)
    assert breaker.allows()


def test_a_probe_that_was_cancelled_leaves_room_for_another(clock: ManualClock) -> None:
    breaker = opened(clock)
    clock.advance(2.0)
    assert breaker.allows()
    breaker.abandoned()
    assert breaker.allows()


def test_what_was_under_way_when_one_failed_is_one_failure_with_it(clock: ManualClock) -> None:
    breaker = Breaker(clock, failures=3, open_s=2.0)
    for times in (1, 2, 3):
        began = [clock() + number / 1000 for number in range(50)]
        clock.advance(0.1)
        for each in began:  # 1. many begin.  2. the store stalls.  3. all are too late.
            breaker.failed(each)
        assert breaker.is_open is (times == 3)
