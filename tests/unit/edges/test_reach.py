"""What becomes of one look-up of the far lane, without a connection."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.outcomes import NotServed, Outcome, Tier
from proxy.store.base import Found
from tests.support.far import KEY, Far, far


async def test_what_was_served_before_is_sent_as_it_is_now(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        await made.keep(made.entry(b"one", fields={"X-A": "1", "Date": "then"}))
        await made.serve()
        for seconds in range(4):
            head, _, body = (await made.answer() or b"").partition(b"\r\n\r\n")
            assert body == b"one"
            assert head.startswith(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nDate: then\r\nAge: %d" % seconds)
            assert b"; ttl=%d; detail=shared" % (60 - seconds) in head
            assert head.endswith(b"\r\nContent-Length: 3")
            made.clock.advance(1)
        assert [(each.outcome, each.tier, each.status) for each in made.told] == [
            (Outcome.HIT, Tier.SHARED, 200)
        ] * 4
        assert [(each.age_s, each.ttl_s, each.place) for each in made.told] == [
            (float(age), 60.0 - age, KEY.digest) for age in range(4)
        ]
        assert made.reaches.status().answered == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"body": b"two"},
        {"fields": {"X-A": "2"}},
        {"lifetime": 61.0},
        {"request_time": 1.0},
        {"body": b"longer"},
    ],
)
async def test_another_answer_is_the_drivers_and_learnt_anew(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    async with far(tmp_path) as made:
        await made.keep(made.entry(b"one", fields={"X-A": "1"}))
        await made.serve()
        assert await made.answer() is not None
        given = {"body": b"one", "fields": {"X-A": "1"}, **changes}
        made.memory.drop(KEY.digest)
        await made.keep_other(made.entry(**given))
        assert await made.answer() is None
        assert made.take() is None  # it is unlearnt
        await made.serve()
        answer = await made.answer()
        assert answer is not None
        assert answer.endswith(b"\r\n\r\n" + given["body"])


async def test_what_has_gone_stale_is_the_drivers(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        await made.keep(made.entry(b"one", keep=100.0))
        await made.serve()
        assert await made.answer() is not None
        made.clock.advance(60)
        assert await made.answer() is None
        assert made.take() is None


async def test_what_is_gone_is_unlearnt_and_learnt_again(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        await made.serve()
        await made.cache.forget(KEY.digest)
        assert await made.answer() is None
        assert (made.reaches.status().requests, made.told) == (0, [])
        assert made.take() is None
        await made.serve()
        assert made.taken()


@pytest.mark.parametrize("why", [NotServed.STORE_DOWN, NotServed.UNPROVEN])
async def test_a_store_that_does_not_know_unlearns_nothing(tmp_path: Path, why: NotServed) -> None:
    async with far(tmp_path) as made:
        await made.serve()
        reach = made.take()
        assert reach is not None
        reach.told(why)
        assert reach.answer() is None
        reach.hand_over()
        assert made.taken()


async def test_its_body_is_counted_until_it_is_over(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        await made.keep(made.entry(b"one"))
        await made.serve()
        reach = made.take()
        assert reach is not None
        reach.told(await _found(made))
        assert reach.answer() is not None
        assert made.budget.held == 3
        reach.over(aborted=False)
        assert made.budget.held == 0


async def test_a_client_that_leaves_is_told_of_before_and_after_the_answer(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        await made.keep(made.entry(b"one"))
        await made.serve()
        reach = made.take()
        assert reach is not None
        reach.give_up()
        reach.told(await _found(made))  # the store answers nobody
        (record,) = made.told
        assert (record.aborted, record.status, record.outcome) == (True, 0, Outcome.ERROR)
        late = made.take()
        assert late is not None
        late.told(await _found(made))
        assert late.answer() is not None
        late.over(aborted=True)
        record = made.told[-1]
        assert (record.aborted, record.status, record.outcome) == (True, 200, Outcome.HIT)
        assert made.reaches.status().answered == 0


async def test_those_of_one_turn_are_told_together(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        await made.keep(made.entry(b"one"))
        await made.serve()
        found = await _found(made)
        taken = [made.take() for _ in range(3)]
        made.clock.advance(0.25)
        for reach in taken:
            assert reach is not None
            reach.told(found)
            assert reach.answer() is not None
            reach.over(aborted=False)
        assert made.told == []
        await asyncio.sleep(0)
        assert [each.duration_s for each in made.told] == [0.25] * 3


async def _found(made: Far) -> Found | NotServed:
    return await made.cache.find(KEY.digest, made.clock())
