"""Sessions as the admin API tells them, and how one is cleared."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.decisions.session_life import Life, encode
from proxy.edges import sessions
from proxy.edges.problem import ApiError
from proxy.observing import Counts
from proxy.sessions import SPACE
from tests.support.control import NOW, SmallProgram, keep, stored
from tests.support.records import hit, miss
from tests.support.rules import config_of

ONE, TWO, THREE = "1" * 24, "2" * 24, "3" * 24
UPSTREAMS = "upstreams: {db: {url: https://db.example}}\n"
LASTING = config_of(UPSTREAMS + "sessions: {from: header.x-sid, ttl: 10m}")
PLAIN = config_of(UPSTREAMS)


async def _program() -> SmallProgram:
    """One session is known by its note, one by its figures, one by what is stored."""
    program = SmallProgram(LASTING)
    await program.cache.notes.put(SPACE, ONE, encode(Life(NOW - 90, NOW - 20)), 600)
    Counts(program.session_stats.count)(miss(at=NOW - 60, session=TWO))
    Counts(program.session_stats.count)(hit(at=NOW - 30, session=TWO))
    for number, digest in enumerate((TWO, THREE, THREE)):
        keep(program.cache, b"%d" % number, stored(tags=("*", f"@session:{digest}")))
    return program


async def test_the_list_is_of_lives_and_figures() -> None:
    told: Any = await sessions.listed(await _program(), {}, NOW)
    assert (told["count"], [each["session"] for each in told["sessions"]]) == (2, [ONE, TWO])
    one, two = told["sessions"]
    assert (one["age_s"], one["idle_s"], one["alive"], one["entries"]) == (90, 20, True, 0)
    assert (one["hits"], one["misses"], one["hit_rate"], one["counts"]) == (0, 0, None, {})
    assert (two["age_s"], two["idle_s"], two["alive"], two["entries"]) == (60, 30, False, 1)
    assert (two["hits"], two["misses"], two["hit_rate"]) == (1, 1, 0.5)


async def test_after_a_clock_was_set_back_nothing_is_younger_than_now() -> None:
    told: Any = await sessions.listed(await _program(), {}, NOW - 3600)
    assert [(each["age_s"], each["idle_s"]) for each in told["sessions"]] == [(0, 0), (0, 0)]


async def test_a_shorter_list_says_how_many_there_are() -> None:
    told: Any = await sessions.listed(await _program(), {"limit": 1}, NOW)
    assert (told["count"], [each["session"] for each in told["sessions"]]) == (2, [ONE])


async def test_without_a_ttl_nothing_is_said_of_lives() -> None:
    program = await _program()
    program.rules = PLAIN
    told: Any = await sessions.listed(program, {}, NOW)
    assert [(each["session"], each["alive"]) for each in told["sessions"]] == [(TWO, None)]


@pytest.mark.parametrize(("digest", "entries"), [(ONE, 0), (TWO, 1), (THREE, 2)])
async def test_one_session_is_shown_and_cleared(digest: str, entries: int) -> None:
    program = await _program()
    told = await sessions.shown(program, digest, NOW)
    assert (told["session"], told["entries"]) == (digest, entries)
    assert await sessions.cleared(program, digest, NOW) == {"session": digest, "count": entries}
    with pytest.raises(ApiError) as gone:
        await sessions.shown(program, digest, NOW)
    assert gone.value.status == 404
    left: Any = await sessions.listed(program, {}, NOW)
    assert digest not in [each["session"] for each in left["sessions"]]


@pytest.mark.parametrize("digest", ["4" * 24, "4" * 23, "S3CRET", ""])
async def test_nothing_is_known_of_others(digest: str) -> None:
    program = await _program()
    for asked in (sessions.shown, sessions.cleared):
        with pytest.raises(ApiError) as refused:
            await asked(program, digest, NOW)
        assert refused.value.status == 404
        assert not digest or digest not in str(refused.value)
