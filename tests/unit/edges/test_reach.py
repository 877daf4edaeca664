"""What becomes of one look-up of the far lane, without a connection."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from proxy.outcomes import NotServed, Outcome, Tier
from proxy.store.base import Found
from tests.support.far import KEY, Far, far


async def test_what_is_found_is_sent_judged_first_and_then_as_before(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.serve()
        await made.keep(made.entry(b"one", fields={"X-A": "1", "Date": "then"}))
        answers = []
        for _ in range(4):
            answers.append(await made.answer())
            made.clock.advance(1)
        for seconds, answer in enumerate(answers):
            assert answer is not None
            head, _, body = answer.partition(b"\r\n\r\n")
            assert body == b"one"
            assert head.startswith(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nDate: then\r\nAge: %d" % seconds)
            assert b"; ttl=%d; detail=shared" % (60 - seconds) in head
            assert head.endswith(b"\r\nContent-Length: 3")
        assert [(each.outcome, each.tier, each.status) for each in made.told] == [
            (Outcome.HIT, Tier.SHARED, 200)
        ] * 4
        assert [(each.age_s, each.ttl_s, each.place) for each in made.told] == [
            (float(age), 60.0 - age, KEY.digest) for age in range(4)
        ]
        assert made.reaches.status().answered == 4


async def test_another_answer_is_judged_anew(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.serve()
        await made.keep(made.entry(b"one", fields={"X-A": "1"}))
        for _ in range(3):
            assert (await made.answer() or b"").endswith(b"one")
        made.clock.advance(1)
        for body in (b"two", b"three"):
            await made.keep(made.entry(body, fields={"X-A": body.decode()}))
            for _ in range(3):
                answer = await made.answer() or b""
                assert answer.endswith(b"\r\n\r\n" + body)
                assert b"\r\nX-A: " + body in answer
            made.clock.advance(1)


async def test_what_has_gone_stale_is_the_drivers(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.serve()
        await made.keep(made.entry(b"one", keep=100.0))
        for _ in range(3):
            assert await made.answer() is not None
        made.clock.advance(60)
        assert await made.answer() is None
        assert made.take() is None  # it is unlearnt


async def test_what_is_gone_is_unlearnt_and_learnt_again(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.serve()
        assert await made.answer() is None
        assert (made.reaches.status().requests, made.told) == (0, [])
        assert made.take() is None
        made.serve()
        assert made.taken()


async def test_a_rule_that_reads_the_answer_is_asked_each_time(tmp_path: Path) -> None:
    async with far(tmp_path, "{name: all, serve_if: {response.body.n: '1'}}") as made:
        made.serve()
        entry = made.entry({"n": 1})
        await made.keep(entry)
        for _ in range(3):
            assert (await made.answer() or b"").endswith(b'{"n":1}')
        assert len(made.told) == 3
        await made.keep(replace(entry, body=b'{"n":2}'))
        assert await made.answer() is None


async def test_a_client_that_leaves_is_told_of_before_and_after_the_answer(tmp_path: Path) -> None:
    async with far(tmp_path) as made:
        made.serve()
        await made.keep(made.entry(b"one"))
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
        made.serve()
        await made.keep(made.entry(b"one"))
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
