"""The vocabulary between the running program and its admin API."""

from __future__ import annotations

from proxy.edges.app import App
from proxy.edges.control import BreakerState, Control, Readings, State
from tests.support.control import SmallProgram


def test_a_breaker_gets_worse_from_closed_to_open() -> None:
    """The state of several URLs is the least of theirs."""
    assert BreakerState.CLOSED < BreakerState.HALF_OPEN < BreakerState.OPEN


def test_a_program_at_rest_reads_nothing() -> None:
    assert Readings() == Readings(in_flight=0, flights=0, breakers={}, dropped_log_lines=0)


def test_the_states_are_words() -> None:
    assert [state.value for state in State] == ["starting", "serving", "draining"]


def test_the_program_and_its_small_sister_are_controls() -> None:
    """Their signatures are held by mypy; that each member exists is held here too."""
    members = {name for name in vars(Control) if not name.startswith("_")}
    assert members == {
        *("cache", "stats", "metrics", "config", "state", "readings", "reload"),
        *("sessions", "session_stats", "accounts", "warming"),
    }
    assert members <= set(dir(SmallProgram)) | set(SmallProgram.__annotations__)
    assert members <= set(dir(App)) | set(App.__init__.__code__.co_names)
