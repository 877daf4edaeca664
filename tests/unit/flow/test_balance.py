"""Balance: breakers open, probe and close; URLs take turns."""

from __future__ import annotations

import pytest

from proxy.errors import UpstreamConnectError
from proxy.flow.balance import (
    Balancer,
    BreakerState,
    CircuitBreaker,
    Target,
    UpstreamBreakerOpenError,
)
from proxy.flow.connection import Connector
from proxy.rules.settings import Breaker

CLOSED, OPEN, HALF_OPEN = BreakerState
RULE = Breaker(failures=3, open_s=30.0)


def opened(at: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker(RULE)
    for _ in range(3):
        breaker.failed(at)
    return breaker


def test_it_opens_at_the_last_of_the_failures_in_a_row() -> None:
    breaker = CircuitBreaker(RULE)
    for count in (1, 2):
        breaker.failed(0)
        assert (breaker.state(0), breaker.failures) == (CLOSED, count)
    breaker.failed(0)
    assert breaker.state(0) is OPEN
    assert not breaker.admits(29.9)
    assert breaker.retry_after(10) == 20


def test_a_success_between_them_starts_the_count_anew() -> None:
    breaker = CircuitBreaker(RULE)
    breaker.failed(0)
    breaker.failed(0)
    breaker.succeeded()
    breaker.failed(0)
    assert (breaker.state(0), breaker.failures) == (CLOSED, 1)


def test_half_open_admits_one_probe() -> None:
    breaker = opened()
    assert breaker.state(30) is HALF_OPEN
    assert breaker.admits(30)
    breaker.enter(30)
    assert not breaker.admits(30)
    assert breaker.retry_after(31) == 0


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    breaker.enter(30)
    breaker.succeeded()
    assert breaker.state(30) is CLOSED
    assert breaker.admits(30)


def test_a_probe_that_fails_opens_it_again_for_the_whole_time() -> None:
    breaker = opened()
    breaker.enter(30)
    breaker.failed(31)
    assert breaker.state(60) is OPEN
    assert breaker.state(61) is HALF_OPEN
    assert breaker.admits(61)


def test_a_probe_that_was_given_up_leaves_room_for_another() -> None:
    breaker = opened()
    breaker.enter(30)
    breaker.given_up()
    assert breaker.admits(30)


def test_late_failures_of_earlier_requests_do_not_prolong_it() -> None:
    breaker = opened()
    breaker.failed(20)
    assert breaker.state(30) is HALF_OPEN


def test_no_failures_in_the_rule_means_no_breaker() -> None:
    breaker = CircuitBreaker(Breaker(failures=0))
    for _ in range(100):
        breaker.failed(0)
    assert breaker.state(0) is CLOSED


@pytest.fixture
async def targets() -> tuple[Target, ...]:
    connector = Connector()
    made = tuple(
        Target(connector.endpoint(f"http://{name}.test"), CircuitBreaker(RULE)) for name in "abc"
    )
    await connector.close()
    return made


def names(targets: tuple[Target, ...]) -> str:
    return "".join(target.endpoint.authority[0] for target in targets)


def fail(target: Target, now: float = 0.0) -> None:
    for _ in range(RULE.failures):
        target.breaker.failed(now)


@pytest.mark.parametrize(("first", "expected"), [(0, "abcab"), (2, "cabca"), (3, "abcab")])
async def test_urls_take_turns(targets: tuple[Target, ...], first: int, expected: str) -> None:
    balancer = Balancer("db", targets, first)
    assert names(tuple(balancer.pick(0, ()) for _ in range(5))) == expected


async def test_one_that_is_open_is_passed_over_until_its_probe(targets: tuple[Target, ...]) -> None:
    balancer = Balancer("db", targets)
    fail(targets[1])
    assert names(tuple(balancer.pick(0, ()) for _ in range(4))) == "acac"
    assert names(balancer.ready(0)) == "ac"
    assert names(tuple(balancer.pick(30, ()) for _ in range(4))) == "abca"


async def test_a_second_try_goes_elsewhere_if_it_can(targets: tuple[Target, ...]) -> None:
    balancer = Balancer("db", targets)
    assert names((balancer.pick(0, targets[:1]),)) == "b"
    fail(targets[1])
    fail(targets[2])
    assert names((balancer.pick(0, targets[:1]),)) == "a"


async def test_all_open_is_refused_with_the_time_to_come_back(targets: tuple[Target, ...]) -> None:
    balancer = Balancer("db", targets)
    for now, target in enumerate(targets):
        fail(target, now)
    with pytest.raises(UpstreamBreakerOpenError, match=r"upstream db .* 28s more") as told:
        balancer.pick(2, ())
    assert told.value.retry_after == 28
    assert told.value.status == 503
    assert isinstance(told.value, UpstreamConnectError)


def test_a_breaker_is_spotless_until_something_fails_and_after_a_success() -> None:
    breaker = CircuitBreaker(Breaker(failures=2, open_s=10))
    seen = [breaker.is_spotless]
    for _ in range(2):
        breaker.failed(0)
        seen.append(breaker.is_spotless)
    breaker.succeeded()
    assert [*seen, breaker.is_spotless] == [True, False, False, True]
