"""What the relay lane learns and takes, before an upstream played byte by byte.

One relay: test_relay.py. Over sockets: tests/behaviour/test_relay_lane.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.edges.recurring import size_of
from proxy.fields import NO_FIELDS
from proxy.outcomes import Outcome
from tests.support.build import request
from tests.support.clock import NOW
from tests.support.raw_upstream import RawConnection, replies
from tests.unit.edges.relayed import DATA, HELD, PEER, PLAIN, heard, known, learnt, program


async def test_the_second_of_a_kind_is_learnt_and_others_like_it_are_taken() -> None:
    seen: list[bytes] = []

    async def script(connection: RawConnection) -> None:
        for _ in range(3):
            seen.append(await connection.head())
            connection.send(HELD)
        await connection.rest()

    async with program(script) as made:
        await learnt(made)
        relay = made.take(DATA % 7)
        assert relay is not None
        assert relay.sent is relay
        await heard(relay)
        answer = relay.answer()
        assert answer is not None
        assert answer.startswith(b"HTTP/1.1 200 OK\r\nX-A: 1\r\n")
        assert answer.endswith(b"\r\nContent-Length: 2\r\n\r\nok")
        relay.over(aborted=False)
    assert seen[2] == seen[1].replace(b"X-Trace: 1", b"X-Trace: 7")
    (record,) = made.records
    assert (record.outcome, record.status, record.response_bytes) == (Outcome.BYPASS, 200, 2)
    assert (record.upstream_status, record.aborted, made.relays.status().answered) == (
        200,
        False,
        1,
    )


async def test_what_says_something_else_is_not_taken() -> None:
    async with program(replies(HELD, HELD)) as made:
        await learnt(made)
        assert made.take(peer="192.0.2.2") is None
        assert made.take((DATA % 1).replace(b"/a", b"/b")) is None
        assert made.take((DATA % 1).replace(b"larder", b"other")) is None
        assert made.take((DATA % 1)[:-2] + b"Range: bytes=0-1\r\n\r\n") is None
        assert made.take((DATA % 1)[:-2] + b"X-Forwarded-For: 1\r\n\r\n") is None
        assert made.take(DATA % 1 + DATA % 1) is None
        assert made.take((DATA % 1)[:-1]) is None
        assert made.take((DATA % 1)[:-2] + b"X-Trace: " + b"x" * (16 << 10) + b"\r\n\r\n") is None


async def test_other_rules_forget_it() -> None:
    async with program(replies(HELD, HELD)) as made:
        await learnt(made)
        made.relays.adopt(replace(made.world))
        assert (made.take(), made.relays.status().requests) == (None, 0)


async def test_what_was_noted_under_other_rules_or_of_another_request_is_not_learnt() -> None:
    async with program(replies(HELD)) as made:
        asked = request(fields=[("X-Trace", "1")])
        call = made.client.begin("GET", "/a", NO_FIELDS)
        await made.client.answer(call)
        for turn, offered in ((made.turn(request()), asked), (made.turn(asked), asked)):
            made.relays.note(turn, call)
            if offered is turn.visit.request:
                made.relays.adopt(replace(made.world))
            made.relays.offer(PEER, DATA % 1, offered)
            made.relays.offer(PEER, DATA % 1, offered)
        made.relays.note(made.turn(asked), call)  # the world is another by now
        made.relays.offer(PEER, DATA % 1, asked)
        assert made.relays.status().requests == 0


async def test_lines_that_are_written_in_another_way_are_the_drivers() -> None:
    async with program(replies(HELD, HELD, HELD)) as made:
        for _ in range(3):
            await made.passed((DATA % 1).replace(b"X-Trace: ", b"X-Trace:"))
        assert made.relays.status().requests == 0


async def test_a_token_bounds_it() -> None:
    token = "e30.eyJleHAiOjE4MDAwMDAxMDB9.x"  # exp: NOW + 100
    fields = [("X-Trace", "1"), ("Authorization", f"Bearer {token}")]
    data = (DATA % 1)[:-2] + f"Authorization: Bearer {token}\r\n\r\n".encode()
    async with program(replies(HELD, HELD, HELD)) as made:
        for _ in range(2):
            await made.passed(data, request(fields=fields))
        assert made.relays.status().requests == 1
        made.clock.advance(1_800_000_099 - NOW)
        relay = made.take(data)
        assert relay is not None
        await heard(relay)
        assert relay.answer() is not None
        relay.over(aborted=False)
        made.clock.advance(1)
        assert made.take(data) is None


async def test_without_an_idle_connection_it_is_the_drivers() -> None:
    async with program(replies(HELD, HELD.replace(b"X-A: 1", b"Connection: close"))) as made:
        await learnt(made)
        assert made.take() is None
        assert made.records == []


async def test_each_peer_is_learnt_by_itself_and_the_heads_of_answers_for_all() -> None:
    other = "192.0.2.2"
    async with program(replies(*[PLAIN] * 8)) as made:
        await known(made)
        for size in (1, 2):
            assert made.take(peer=other) is None
            await made.passed(peer=other)
            assert made.relays.status().requests == size
        relay = made.take(peer=other)
        assert relay is not None
        await heard(relay)
        assert relay.asked.lease.wire.take is None
        after = made.take()  # its connection is free: it was restated at once
        assert after is not None
        await heard(after)


@pytest.mark.parametrize(
    "more",
    [
        "cost: {miss: 20, unit: credits}",
        "etag: response.body",
        "invalidate: [{when: {response.status: 200}, tags: [a]}]",
    ],
)
async def test_what_follows_from_its_answer_is_never_relayed_so(more: str) -> None:
    async with program(replies(PLAIN, PLAIN), routes=f"{{name: all, ttl: off, {more}}}") as made:
        for _ in range(2):
            await made.passed()
        assert made.take() is None


async def test_so_many_bytes_are_known_and_no_more() -> None:
    each = size_of(DATA % 1, 3 << 10)
    async with program(replies(*[HELD] * 6), max_bytes=2 * each) as made:
        for number in range(3):
            for _ in range(2):
                await made.passed((DATA % 1).replace(b"/a", b"/%d" % number))
        assert made.relays.status().requests == 2
