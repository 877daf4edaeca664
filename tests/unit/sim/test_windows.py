"""Limits: a call counts under all of them or under none."""

from __future__ import annotations

from proxy.sim.windows import Limit, Windows


def test_a_window_is_a_minute_of_the_clock() -> None:
    windows, limit = Windows(), Limit("a", 2)
    taken = [windows.take([limit], now) for now in (60, 119, 119.9, 120)]
    assert taken == [None, None, limit, None]


def test_keys_are_counted_apart() -> None:
    windows = Windows()
    assert windows.take([Limit("a", 1)], 0) is None
    assert windows.take([Limit("b", 1)], 0) is None


def test_a_refused_call_counts_nowhere() -> None:
    windows, narrow, wide = Windows(), Limit("narrow", 1), Limit("wide", 2)
    assert windows.take([wide, narrow], 0) is None
    assert windows.take([wide, narrow], 0) is narrow
    assert windows.take([wide], 0) is None
    assert windows.take([wide], 0) is wide


def test_limits_of_one_key_and_two_lengths_are_two_limits() -> None:
    windows = Windows()
    minute, hour = Limit("a", 1), Limit("a", 2, 3600)
    assert [windows.take([minute, hour], now) for now in (0, 60, 120)] == [None, None, hour]
