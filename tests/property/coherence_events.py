"""What happens to the model in one step: what the protocol is there for, and what adds to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.property.coherence_history import FACTS, SPARING
from tests.property.coherence_model import Model


def write(model: Model, i: int) -> None:
    model.fetch_and_write(i, 0)


def look_up(model: Model, i: int) -> None:
    model.look_up(i, 0)
    model.settle()


def a_round(model: Model, i: int) -> None:
    model.do_round(model.instances[i])
    model.settle()


def state(model: Model, i: int) -> None:
    model.state(i, FACTS[0])


def prefix(model: Model, i: int) -> None:
    model.state(i, FACTS[3])


def sparing(model: Model, i: int) -> None:
    model.state(i, SPARING)


def others(model: Model, i: int) -> None:
    """Facts about nothing stored: more than the small table of the last instance holds."""
    for fact in (FACTS[1], *FACTS[4:]):
        model.state(i, fact)


def fetch_begins(model: Model, i: int) -> None:
    model.fetch_begins(i, 0)


def fetch_ends(model: Model, i: int) -> None:
    model.fetch_ends(i, 0)
    model.settle()


def newcomer_looks_up(model: Model, i: int) -> None:
    model.join_anew(i)
    look_up(model, i)


def marks_are_evicted(model: Model, _i: int) -> None:
    model.world.data.marks.clear()


def one_mark_is_evicted(model: Model, _i: int) -> None:
    model.world.data.marks.pop("t0", None)


def trimmed(model: Model, _i: int) -> None:
    del model.world.data.journal[:-1]


def snapshot(model: Model, _i: int) -> None:
    model.world.save()


def crash(model: Model, _i: int) -> None:
    model.world.crash()


def flush(model: Model, _i: int) -> None:
    model.world.flush()


def cut_off(model: Model, i: int) -> None:
    model.world.cut_off.add(model.instances[i].name)


def healed(model: Model, _i: int) -> None:
    model.world.cut_off.clear()


def a_while(model: Model, _i: int) -> None:
    model.clock.advance(2.5)


def longer_than_max_lag(model: Model, _i: int) -> None:
    model.clock.advance(6.0)


def longer_than_marks_take(model: Model, _i: int) -> None:
    model.clock.advance(11.0)


def long_ago(model: Model, _i: int) -> None:
    """What was followed has long been in the marks, and everyone knows that it is."""
    for _ in range(2):
        model.clock.advance(11.0)
        model.all_go_on()


def everyone(model: Model, _i: int) -> None:
    model.all_go_on()
    model.all_go_on()


def wait(model: Model, _i: int) -> None:
    model.ask_wait()


def forgotten(model: Model, i: int) -> None:
    model.forget(i)


def evicted_and_made_anew(model: Model, i: int) -> None:
    state(model, i)
    marks_are_evicted(model, i)
    model.fetch_and_write(i, 1)


def flushed_and_begun_by_one_behind(model: Model, i: int) -> None:
    """Its clock is behind: the new journal's positions are below the old one's."""
    flush(model, i)
    model.join_anew(i)
    state(model, i)


def back_from_a_snapshot(model: Model, i: int) -> None:
    snapshot(model, i)
    state(model, i)
    crash(model, i)
    everyone(model, i)


def cut_off_while(model: Model, i: int) -> None:
    """Another than `i` is cut off, `i` invalidates, and max_lag passes."""
    cut_off(model, (i + 1) % 3)
    state(model, i)
    longer_than_max_lag(model, i)
    everyone(model, i)
    wait(model, i)


def ended_while_cut_off(model: Model, i: int) -> None:
    """`i` is cut off, invalidates, and its process ends; the next one is in reach again."""
    cut_off(model, i)
    a_round(model, i)
    state(model, i)
    healed(model, i)
    model.join_anew(i)


def trimmed_before_it_was_read(model: Model, i: int) -> None:
    state(model, i)
    others(model, i)
    trimmed(model, i)


def followed_and_forgotten(model: Model, i: int) -> None:
    """The last instance's table has no room for what it followed before."""
    others(model, i)
    everyone(model, i)
    look_up(model, 2)


Event = Callable[[Model, int], None]
BLOWS: Final[tuple[Event, ...]] = (
    *((state,) * 4),
    *(
        prefix,
        sparing,
        sparing,
        evicted_and_made_anew,
        flushed_and_begun_by_one_behind,
        back_from_a_snapshot,
    ),
    *(cut_off_while, ended_while_cut_off, trimmed_before_it_was_read, followed_and_forgotten),
)
"""What the protocol is there for."""
THEN: Final[tuple[Event, ...]] = (
    *(everyone, everyone, a_round, others, newcomer_looks_up, marks_are_evicted, look_up),
    *(longer_than_max_lag, a_while, one_mark_is_evicted, trimmed, flush, healed, cut_off),
    *(longer_than_marks_take, long_ago),
    *(write, fetch_begins, fetch_ends, wait, forgotten, state),
)
"""What makes it worse."""
