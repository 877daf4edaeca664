"""Alerts: windows of readings, what fires, what ends, how much is remembered."""

from __future__ import annotations

import pytest

from proxy.edges.alerts import SAMPLES, Alerts
from proxy.edges.ledger import Row
from tests.support.rules import config_of

RULES = """
upstreams:
  db: {url: "https://db.example", routes: [{name: a, match: GET /a}, {name: b, match: GET /b}]}
alerts: [{name: low, routes: a, hit_rate: 50%, over: 1h, requests: 10}]
health: {over: 1h, requests: 10, routes: [a, b]}
"""
CONFIG = config_of(RULES)


class _Counted:
    """Alerts over rows that a test counts on."""

    def __init__(self) -> None:
        self.rows = {("a", ""): Row(), ("b", "credits"): Row()}
        self.alerts = Alerts(self.rows)
        self.alerts.adopt(CONFIG, 0.0)

    def count(self, looked_up: int, hits: int, route: tuple[str, str] = ("a", "")) -> None:
        self.rows[route].looked_up += looked_up
        self.rows[route].hits += hits

    def firing(self) -> bool:
        return dict(self.alerts.firing())["low"]


@pytest.mark.parametrize(
    ("looked_up", "hits", "fires"),
    [(9, 0, False), (10, 0, True), (10, 4, True), (10, 5, False), (1000, 499, True)],
)
def test_it_fires_below_its_rate_when_enough_was_asked(
    looked_up: int,
    hits: int,
    fires: bool,
) -> None:
    counted = _Counted()
    counted.count(looked_up, hits)
    counted.alerts.tick(60.0)
    assert counted.firing() is fires


def test_other_routes_do_not_count() -> None:
    counted = _Counted()
    counted.count(100, 0, ("b", "credits"))
    counted.alerts.tick(60.0)
    assert not counted.firing()


def test_what_is_older_than_the_window_is_forgotten() -> None:
    counted = _Counted()
    counted.count(100, 0)
    for now in range(60, 7200, 60):
        counted.alerts.tick(float(now))
    assert not counted.firing()
    assert counted.alerts.told(7200.0)[0]["looked_up"] == 0


def test_a_slow_fall_is_seen_however_often_one_looks() -> None:
    counted = _Counted()
    for now in range(1, 7200):
        counted.count(1, 1 if now < 3600 else 0)
        counted.alerts.tick(float(now))
        watch = counted.alerts._watches[0]  # noqa: SLF001 - a bound is not told
        assert len(watch.readings) <= SAMPLES + 3
    told = counted.alerts.told(7200.0)[0]
    assert told["firing"] is True
    assert told["since"] == pytest.approx(5400, abs=120)
    assert told["looked_up"] == pytest.approx(3600, abs=120)


def test_one_that_a_reload_did_not_change_remembers() -> None:
    counted = _Counted()
    counted.count(100, 0)
    counted.alerts.tick(60.0)
    counted.alerts.adopt(config_of(RULES), 61.0)
    assert counted.firing()
    counted.alerts.adopt(config_of(RULES.replace("50%", "40%")), 62.0)
    assert not counted.firing()


@pytest.mark.parametrize(
    ("looked_up", "hits", "healthy", "rate"),
    [(0, 0, True, None), (9, 0, True, 0.0), (10, 7, False, 0.7), (10, 8, True, 0.8)],
)
def test_health(looked_up: int, hits: int, healthy: bool, rate: float | None) -> None:
    counted = _Counted()
    counted.count(looked_up, hits, ("b", "credits"))
    counted.rows["a", ""].errors = 3
    told = counted.alerts.health(60.0)
    assert (told["healthy"], told["hit_rate"], told["errors"]) == (healthy, rate, 3)
    assert told["firing"] == []


def test_a_reset_forgets() -> None:
    counted = _Counted()
    counted.count(100, 0)
    counted.alerts.tick(60.0)
    counted.alerts.reset(61.0)
    assert not counted.firing()
