"""One relay: its answer as it comes, left to the driver, or left by its client.

Over sockets: tests/behaviour/test_relay_lane.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from proxy.errors import UpstreamProtocolError, UpstreamTimeoutError
from proxy.flow.call import Call
from proxy.flow.roundtrip import Answer
from tests.support.clock import NOW
from tests.support.larder import until
from tests.support.raw_upstream import RawConnection, Script, replies
from tests.unit.edges.relayed import HELD, PLAIN, heard, known, learnt, program

STORY = b"X-Cache: BYPASS\r\nCache-Status: larder; fwd=bypass; fwd-status=%d; detail=ttl-off\r\n"


async def body(answer: Answer) -> bytes:
    return b"".join([chunk async for chunk in answer.chunks()])


def steps(*then: Callable[[RawConnection], Awaitable[object]], before: int = 4) -> Script:
    """Answer so many plainly; then each step has a request before it; then the end."""

    async def script(connection: RawConnection) -> None:
        for _ in range(before):
            await connection.head()
            connection.send(PLAIN)
        for step in then:
            await connection.head()
            await step(connection)
        await connection.rest()

    return script


def sends(*pieces: bytes) -> Callable[[RawConnection], Awaitable[object]]:
    """Each piece is sent when the client may have read the one before."""

    async def step(connection: RawConnection) -> None:
        for piece in pieces:
            connection.send(piece)
            await asyncio.sleep(0.01)

    return step


async def says_nothing(_: RawConnection) -> None:
    """Until the client ends."""


# -- heads that are known are not read


async def test_an_answer_like_those_before_is_restated_and_its_connection_free_at_once() -> None:
    other = PLAIN.replace(b"X-Id: 1", b"X-Id: 2").replace(b"2\r\n\r\nok", b"6\r\n\r\nlonger")
    async with program(steps(sends(other), sends(PLAIN))) as made:
        await known(made)
        relay = made.taken()
        await heard(relay)
        wire = relay.asked.lease.wire
        assert (wire.heard, wire.take) == (None, None)
        after = made.taken()  # on the one connection there is
        head = other[: other.index(b"Content-Length")] + STORY % 200
        assert relay.answer() == head + b"Content-Length: 6\r\n\r\nlonger"
        await heard(after)
        assert after.answer() is not None


async def test_it_is_told_of_once_with_its_times_and_bytes() -> None:
    async with program(steps(sends(PLAIN))) as made:
        await known(made)
        passed = made.relays.status().answered
        relay = made.taken()
        made.clock.advance(2)
        await heard(relay)
        made.clock.advance(3)
        assert relay.answer() is not None
        relay.over(aborted=False)
        assert (made.records, made.relays.status().answered) == ([], passed + 1)
        await asyncio.sleep(0)
        (record,) = made.records
        assert (record.at, record.duration_s, record.upstream_s) == (NOW, 5.0, 2.0)
        assert (record.status, record.upstream_status, record.response_bytes) == (200, 200, 2)
        await asyncio.sleep(0)
        assert len(made.records) == 1


async def test_what_is_restated_counts_for_its_url() -> None:
    async with program(steps(sends(PLAIN))) as made:
        await known(made)
        relay = made.taken()
        relay.asked.target.breaker.failed(0.0)
        await heard(relay)
        assert relay.asked.target.breaker.is_spotless


async def test_work_behind_goes_on_once_it_is_here() -> None:
    done = asyncio.Event()

    async def job() -> None:
        done.set()

    async with program(steps(sends(PLAIN))) as made:
        await known(made)
        relay = made.taken()
        assert made.background.offer("db", "job", job)
        await heard(relay)
        assert not done.is_set()
        relay.answer()
        await done.wait()


async def test_each_status_is_told_as_it_was() -> None:
    missing = PLAIN.replace(b"200 OK", b"404 Not Found")
    async with program(steps(*[sends(missing), sends(PLAIN)] * 3)) as made:
        await known(made)
        for _ in range(6):
            relay = made.taken()
            await heard(relay)
            assert relay.answer() is not None
            relay.over(aborted=False)
            await asyncio.sleep(0)
        assert [each.status for each in made.records] == [404, 200] * 3
        assert [each.upstream_status for each in made.records] == [404, 200] * 3


@pytest.mark.parametrize(
    "more",
    [
        "headers: {set: {x-new: a}}",
        "headers: {remove: [x-id]}",
        "client_cache: no-store",
    ],
)
async def test_what_a_rule_makes_of_an_answer_is_never_restated(more: str) -> None:
    routes = f"{{name: all, ttl: off, {more}}}"
    async with program(replies(*[PLAIN] * 6), routes=routes) as made:
        await learnt(made)
        for _ in range(4):
            relay = made.taken()
            await heard(relay)
            assert made.take() is None  # it is still to be read
            assert relay.answer() is not None


async def test_other_rules_forget_the_heads_too() -> None:
    async with program(steps(*[sends(PLAIN)] * 3)) as made:
        await known(made)
        made.relays.adopt(made.world)
        await learnt(made)
        relay = made.taken()
        await heard(relay)
        assert made.take() is None
        assert relay.answer() is not None


# -- what is the driver's


@pytest.mark.parametrize(
    "answer",
    [
        HELD[:-1],
        HELD.replace(b"200 OK", b"503 No"),
        b"HTTP/1.1 204 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.1 103 Early\r\n\r\n" + HELD,
        b"HTTP/1.1 103 Early\r\nContent-Length: 2\r\n\r\n" + HELD,
        b"nonsense\r\n\r\n",
    ],
)
async def test_another_answer_is_handed_over_with_what_came(answer: bytes) -> None:
    async with program(replies(HELD, HELD, answer)) as made:
        await learnt(made)
        relay = made.taken()
        await heard(relay)
        assert relay.answer() is None
        relay.hand_over()
        assert made.records == []
        call = made.begin(relay)
        assert isinstance(call, Call)
        assert call.channel is not None
        assert relay.call.channel is None
        call.abort()


async def test_handed_over_before_anything_came_its_answer_is_the_drivers() -> None:
    """Also where it would be restated."""
    said: list[bool] = []
    async with program(steps(sends(PLAIN), sends(PLAIN))) as made:
        await known(made)
        relay = made.taken()
        relay.listen(lambda: said.append(True))
        relay.hand_over()
        call = made.begin(relay)
        async with asyncio.timeout(2):
            answer = await made.client.answer(call)
        assert (await body(answer), said, made.records) == (b"ok", [], [])
        await made.passed()  # on the same connection


async def test_handed_over_and_awaited_before_it_is_begun_anew() -> None:
    """The driver may have to wait for other things before it calls."""
    async with program(steps(sends(PLAIN))) as made:
        await known(made)
        relay = made.taken()
        relay.listen(lambda: None)
        relay.hand_over()
        await until(lambda: relay.call.whole_head is not None)
        answer = made.client.whole_answer(made.begin(relay))
        assert answer is not None
        assert answer.whole == b"ok"


@pytest.mark.parametrize("cut", [1, 20, len(PLAIN) - 2, len(PLAIN) - 1])
async def test_handed_over_after_a_part_came_it_is_read_to_its_end(cut: int) -> None:
    async def in_parts(connection: RawConnection) -> None:
        connection.send(PLAIN[:cut])
        came.set()
        await go.wait()
        connection.send(PLAIN[cut:])

    came, go = asyncio.Event(), asyncio.Event()
    async with program(steps(in_parts, sends(PLAIN))) as made:
        await known(made)
        relay = made.taken()
        relay.listen(lambda: None)
        await came.wait()
        await until(lambda: relay.asked.lease.wire.take is None)  # a part has come
        relay.hand_over()
        call = made.begin(relay)
        go.set()
        async with asyncio.timeout(2):
            assert await body(await made.client.answer(call)) == b"ok"
        await made.passed()


async def test_what_comes_in_pieces_is_answered_when_it_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.edges.relay._PATIENCE_S", 10.0)
    done = asyncio.Event()

    async def job() -> None:
        done.set()

    pieces = (PLAIN[:30], PLAIN[30:-2], b"o", b"k")
    async with program(steps(sends(*pieces), sends(PLAIN))) as made:
        await known(made)
        relay = made.taken()
        assert made.background.offer("db", "job", job)
        await heard(relay)
        answer = relay.answer()
        while answer is None:
            assert relay.waits_on()
            again = asyncio.Event()
            relay.listen(again.set)
            await done.wait()  # its head is here: nothing waits behind it any more
            await again.wait()
            answer = relay.answer()
        assert answer == PLAIN[: PLAIN.index(b"Content-Length")] + STORY % 200 + PLAIN[-23:]
        relay.over(aborted=False)
        await made.passed()
        assert [each.response_bytes for each in made.records] == [2]


@pytest.mark.parametrize(
    "answer",
    [
        HELD,
        HELD.replace(b": 2", b": 65537"),
        HELD.replace(b"Content-Length: 2\r\n", b""),
        HELD.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")[:-2] + b"1\r\n",
        b"HTTP/1.1 204 No\r\n\r\n",
        b"HTTP/1.1 103 Early\r\n\r\n" + HELD[:-1],
        b"nonsense\r\n\r\n",
    ],
)
async def test_what_is_whole_or_long_or_of_no_known_length_is_not_waited_for(
    answer: bytes,
) -> None:
    async with program(replies(HELD, HELD, answer)) as made:
        await learnt(made)
        relay = made.taken()
        await heard(relay)
        assert not relay.waits_on()
        relay.hand_over()
        relay.call.abort()


@pytest.mark.parametrize("size", [0, 2, 64 << 10])
async def test_what_is_short_is_waited_for(size: int) -> None:
    answer = HELD.replace(b": 2", b": %d" % (size + 1))[:-2]
    async with program(replies(HELD, HELD, answer)) as made:
        await learnt(made)
        relay = made.taken()
        await heard(relay)
        assert relay.waits_on() == (size < 64 << 10)
        relay.call.abort()


# -- upstreams that fail


@pytest.mark.parametrize("limit", ["first_byte", "total"])
async def test_one_that_says_nothing_in_time_is_the_drivers_to_tell_of(limit: str) -> None:
    async with program(steps(says_nothing), limits=f"{limit}: 50ms") as made:
        await known(made)
        relay = made.taken()
        await heard(relay)
        assert relay.answer() is None
        assert not relay.waits_on()
        relay.hand_over()
        with pytest.raises(UpstreamTimeoutError, match=rf"timeout\.{limit}"):
            await made.client.answer(made.begin(relay))
        assert made.client.status()[0].failures == 1
        assert made.take() is None  # not until it has answered another


async def test_a_body_that_does_not_follow_its_head_at_once_is_the_drivers() -> None:
    async with program(steps(sends(PLAIN[:-1]))) as made:
        await known(made)
        relay = made.taken()
        await heard(relay)
        assert relay.answer() is None
        assert relay.waits_on()
        await heard(relay)  # nothing has come
        assert relay.answer() is None
        assert not relay.waits_on()
        relay.hand_over()
        answer = await made.client.answer(made.begin(relay))
        assert answer.response.status == 200
        answer.abort()


@pytest.mark.parametrize("limit", ["idle", "total"])
async def test_one_that_stops_midway_is_too(limit: str) -> None:
    async with program(steps(sends(PLAIN[:-1])), limits=f"{limit}: 50ms") as made:
        await known(made)
        relay = made.taken()
        await heard(relay)
        assert relay.answer() is None
        assert relay.waits_on()
        await heard(relay)
        assert relay.answer() is None
        assert not relay.waits_on()
        relay.hand_over()
        with pytest.raises(UpstreamTimeoutError, match=rf"timeout\.{limit}"):
            await body(await made.client.answer(made.begin(relay)))


async def test_a_limit_that_ran_once_is_over_with_its_answer() -> None:
    async with program(steps(sends(PLAIN)), limits="first_byte: 50ms") as made:
        await known(made)
        relay = made.taken()
        await heard(relay)
        assert relay.answer() is not None
        await asyncio.sleep(0.06)  # longer than the limit
        assert relay.asked.lease.wire.is_fit(careful=True)


async def hangs_up(connection: RawConnection) -> None:
    await connection.close()


async def resets(connection: RawConnection) -> None:
    connection.reset()
    await asyncio.sleep(0)


@pytest.mark.parametrize("ends", [hangs_up, resets])
async def test_a_connection_that_ends_without_a_byte_costs_another(
    ends: Callable[[RawConnection], Awaitable[object]],
) -> None:
    async with program(steps(ends), replies(PLAIN)) as made:
        await known(made)
        relay = made.taken()
        await heard(relay)
        assert relay.answer() is None
        assert not relay.waits_on()
        relay.hand_over()
        assert await body(await made.client.answer(made.begin(relay))) == b"ok"
        assert made.client.status()[0].failures == 0


async def test_one_that_ends_midway_is_broken() -> None:
    async def midway(connection: RawConnection) -> None:
        connection.send(PLAIN[:-1])
        await connection.close()

    async with program(steps(midway)) as made:
        await known(made)
        relay = made.taken()
        await heard(relay)
        while relay.answer() is None and relay.waits_on():
            await heard(relay)
        assert relay.answer() is None
        relay.hand_over()
        with pytest.raises(UpstreamProtocolError):
            await body(await made.client.answer(made.begin(relay)))


# -- clients that leave


@pytest.mark.parametrize("is_known", [False, True])
async def test_what_is_given_up_is_told_of_once_and_goes_on_to_its_answer(is_known: bool) -> None:
    async with program(steps(sends(PLAIN), sends(PLAIN), before=4 if is_known else 2)) as made:
        await (known(made) if is_known else learnt(made))
        passed, relay = made.relays.status().answered, made.taken()
        made.clock.advance(2)
        relay.give_up()
        (record,) = made.records
        assert (record.aborted, record.status, record.upstream_status) == (True, 0, None)
        assert (record.at, record.duration_s, record.response_bytes) == (NOW, 2.0, 0)
        assert made.background.offer("db", "job", lambda: until(lambda: True))
        await until(lambda: not len(made.background))
        await made.passed()  # the script has one connection: it was used again
        assert (len(made.records), made.relays.status().answered) == (1, passed)


async def test_what_is_given_up_and_fails_counts_against_its_upstream() -> None:
    async def fails(connection: RawConnection) -> None:
        connection.send(PLAIN.replace(b"200 OK", b"503 No"))

    async with program(steps(fails)) as made:
        await known(made)
        made.taken().give_up()
        await until(lambda: made.client.status()[0].failures == 1)
        assert [each.aborted for each in made.records] == [True]


@pytest.mark.parametrize("answer", [PLAIN[:-1], PLAIN.replace(b"Content-Length: 2", b"X-A: 1")])
async def test_what_is_given_up_and_is_not_plain_ends_its_connection(answer: bytes) -> None:
    left = asyncio.Event()

    async def ends(connection: RawConnection) -> None:
        connection.send(answer)
        assert await connection.rest() == b""
        left.set()

    async with program(steps(ends)) as made:
        await known(made)
        made.taken().give_up()
        await left.wait()
        assert made.background.offer("db", "job", lambda: until(lambda: True))
        await until(lambda: not len(made.background))
        assert [each.aborted for each in made.records] == [True]


async def test_what_is_given_up_and_never_comes_ends_in_time() -> None:
    async with program(steps(says_nothing), limits="first_byte: 50ms") as made:
        await known(made)
        relay = made.taken()
        relay.give_up()
        assert made.background.offer("db", "job", lambda: until(lambda: True))
        await until(lambda: not len(made.background))
        assert not relay.asked.lease.wire.is_fit(careful=False)
        assert [each.aborted for each in made.records] == [True]


async def test_one_whose_client_leaves_with_the_answer_on_its_way_is_told_of_so() -> None:
    async with program(steps(sends(PLAIN))) as made:
        await known(made)
        relay = made.taken()
        await heard(relay)
        assert relay.answer() is not None
        relay.over(aborted=True)
        (record,) = made.records
        assert (record.aborted, record.status, record.response_bytes) == (True, 200, 2)


# -- work behind


async def test_work_behind_waits_until_its_head_is_here_or_somebody_else_waits() -> None:
    done: list[str] = []

    async def job(name: str) -> None:
        done.append(name)

    async with program(replies(HELD, HELD)) as made:
        await learnt(made)
        relay = made.taken()
        assert made.background.offer("db", "one", lambda: job("one"))
        relay.hand_over()
        assert not done
        relay.taken()
        relay.taken()
        await until(lambda: done == ["one"])
        relay.call.abort()
        assert made.background.offer("db", "two", lambda: job("two"))
        await until(lambda: done == ["one", "two"])


async def test_what_came_while_its_client_left_reaches_nobody_else() -> None:
    """1. It is restated, its wire is free.  2. Another relay has that.  3. The client is gone."""
    async with program(steps(sends(PLAIN), sends(PLAIN))) as made:
        await known(made)
        relay = made.taken()
        await heard(relay)  # nobody asks for the answer: its connection is closing
        other = made.taken()
        said = asyncio.Event()
        other.listen(said.set)
        relay.give_up()
        await said.wait()
        assert other.answer() is not None
        other.over(aborted=False)
        assert made.background.offer("db", "job", lambda: until(lambda: True))
        await until(lambda: not len(made.background))


async def test_what_broke_while_its_client_left_holds_up_no_work_behind() -> None:
    async def breaks(connection: RawConnection) -> None:
        connection.send(b"nonsense\r\n\r\n")
        await connection.rest()

    async with program(steps(breaks)) as made:
        await known(made)
        relay = made.taken()
        await heard(relay)
        relay.give_up()
        assert made.background.offer("db", "job", lambda: until(lambda: True))
        await until(lambda: not len(made.background))
        assert [each.aborted for each in made.records] == [True]


async def test_for_nobody_nothing_is_tried_again() -> None:
    async def fails(connection: RawConnection) -> None:
        connection.send(PLAIN.replace(b"200 OK", b"503 No"))
        assert await connection.rest() == b""  # no second request

    async with program(steps(fails), retry="{attempts: 3, on: [503]}") as made:
        await known(made)
        made.taken().give_up()
        await until(lambda: made.client.status()[0].failures == 1)
        await asyncio.sleep(0.15)  # longer than the pause before a second try


async def test_the_first_byte_is_waited_for_once_though_it_is_handed_over() -> None:
    async with program(steps(says_nothing), limits="first_byte: 300ms") as made:
        await known(made)
        began, relay = time.monotonic(), made.taken()
        relay.listen(lambda: None)
        await asyncio.sleep(0.2)
        relay.hand_over()
        with pytest.raises(UpstreamTimeoutError):
            await made.client.answer(made.begin(relay))
        assert time.monotonic() - began < 0.45
