"""What the relay lane learns, takes and tells, before an upstream played byte by byte.

Over sockets: tests/behaviour/test_relay_lane.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.edges.relaying import Relay, Relays
from proxy.fields import NO_FIELDS
from proxy.flow import tasks
from proxy.flow.background import Background
from proxy.flow.connection import Connector
from proxy.flow.upstream import Call, UpstreamClient
from proxy.messages import Request
from proxy.outcomes import Bypass, ExchangeRecord, Forward, Outcome
from proxy.rules.route import Match, NeedsBody
from proxy.turn import Turn, World
from proxy.visit import Visit
from tests.support.build import request
from tests.support.clock import NOW, ManualClock
from tests.support.larder import until
from tests.support.raw_upstream import RawConnection, Script, raw_upstream, replies
from tests.support.rules import config_of

HELD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok"
DATA = b"GET /db/a HTTP/1.1\r\nHost: larder.test\r\nX-Trace: %d\r\n\r\n"
PEER = "192.0.2.1"


class Program:
    """The lane before one upstream; the driver's and the connection's part is the test's."""

    def __init__(self, client: UpstreamClient, url: str, routes: str) -> None:
        self.clock = ManualClock()
        self.client = client
        self.background = Background(tasks.spawn)
        self.records: list[ExchangeRecord] = []
        self.relays = Relays(
            [self.records.append], self.background, clock=self.clock, timer=self.clock
        )
        config = config_of(f"upstreams: {{db: {{url: '{url}', routes: [{routes}]}}}}")
        self.world = World(config, {"db": client})
        self.relays.adopt(self.world)

    def turn(self, asked: Request) -> Turn:
        config = self.world.config
        match = config.router.match(config.upstreams[0], asked)
        assert isinstance(match, Match)
        assert not isinstance(match, NeedsBody)
        visit = Visit(request=asked, began_at=self.clock(), began=0.0)
        visit.upstream, visit.route = config.upstreams[0], match.route
        visit.outcome, visit.forward = Outcome.BYPASS, Forward.BYPASS
        visit.reason = Bypass.TTL_OFF
        nobody = cast("Any", SimpleNamespace())
        return Turn(visit, self.world, config.upstreams[0], match, nobody, nobody)

    async def passed(self, data: bytes = DATA % 1, asked: Request | None = None) -> None:
        """The driver has passed this on, and the connection offers it."""
        asked = asked or request(fields=[("X-Trace", "1")])
        fields = asked.fields.without("host")
        answer = await self.client.answer(call := self.client.begin("GET", "/a", fields))
        assert answer.whole == b"ok" or [chunk async for chunk in answer.chunks()]
        self.relays.note(self.turn(asked), call)
        self.relays.offer(PEER, data, asked)

    def take(self, data: bytes = DATA % 7, peer: str = PEER) -> Relay | None:
        return self.relays.take(peer, data)


@asynccontextmanager
async def program(
    *scripts: Script, routes: str = "{name: all, ttl: off}"
) -> AsyncIterator[Program]:
    connector = Connector()
    async with raw_upstream(*scripts) as upstream:
        config = config_of(f"upstreams: {{db: {{url: '{upstream.url}'}}}}")
        try:
            yield Program(UpstreamClient(config.upstreams[0], connector), upstream.url, routes)
        finally:
            await connector.close()


async def learnt(made: Program) -> None:
    for _ in range(2):
        assert made.take() is None
        await made.passed()
    assert len(made.relays) == 1


async def heard(relay: Relay) -> None:
    """Something has come, or nothing will."""
    said: list[bool] = []
    relay.listen(lambda: said.append(True))
    await until(lambda: bool(said))


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
    assert (record.upstream_status, record.aborted, made.relays.passed) == (200, False, 1)


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
        assert (made.take(), len(made.relays)) == (None, 0)


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
        assert len(made.relays) == 0


async def test_lines_that_are_written_in_another_way_are_the_drivers() -> None:
    async with program(replies(HELD, HELD, HELD)) as made:
        for _ in range(3):
            await made.passed((DATA % 1).replace(b"X-Trace: ", b"X-Trace:"))
        assert len(made.relays) == 0


async def test_a_token_bounds_it() -> None:
    token = "e30.eyJleHAiOjE4MDAwMDAxMDB9.x"  # exp: NOW + 100
    fields = [("X-Trace", "1"), ("Authorization", f"Bearer {token}")]
    data = (DATA % 1)[:-2] + f"Authorization: Bearer {token}\r\n\r\n".encode()
    async with program(replies(HELD, HELD, HELD)) as made:
        for _ in range(2):
            await made.passed(data, request(fields=fields))
        assert len(made.relays) == 1
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


@pytest.mark.parametrize(
    "answer",
    [
        HELD[:-1],
        HELD.replace(b"200 OK", b"503 No"),
        b"HTTP/1.1 204 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.1 103 Early\r\n\r\n" + HELD,
        b"nonsense\r\n\r\n",
    ],
)
async def test_another_answer_is_handed_over_with_what_came(answer: bytes) -> None:
    async with program(replies(HELD, HELD, answer)) as made:
        await learnt(made)
        relay = made.take(DATA % 1)
        assert relay is not None
        await heard(relay)
        assert relay.answer() is None
        relay.hand_over()
        assert made.records == []
        fields = request(fields=[("X-Trace", "1")]).fields.without("host")
        call = made.client.begin("GET", "/a", fields, b"", sent=relay.call)
        assert isinstance(call, Call)
        assert call.channel is not None
        assert relay.call.channel is None
        relay.taken()
        call.abort()


async def test_work_behind_waits_until_its_head_is_here_or_somebody_else_waits() -> None:
    done: list[str] = []

    async def job(name: str) -> None:
        done.append(name)

    async with program(replies(HELD, HELD)) as made:
        await learnt(made)
        relay = made.take()
        assert relay is not None
        assert made.background.offer("db", "one", lambda: job("one"))
        relay.hand_over()
        assert not done
        relay.taken()
        relay.taken()
        await until(lambda: done == ["one"])
        relay.call.abort()
        assert made.background.offer("db", "two", lambda: job("two"))
        await until(lambda: done == ["one", "two"])


async def test_what_is_given_up_is_told_of_and_its_connection_closed() -> None:
    async def script(connection: RawConnection) -> None:
        for _ in range(2):
            await connection.head()
            connection.send(HELD)
        await connection.head()
        assert await connection.rest() == b""

    async with program(script) as made:
        await learnt(made)
        relay = made.take()
        assert relay is not None
        relay.give_up()
    (record,) = made.records
    assert (record.aborted, record.status, record.upstream_status) == (True, 0, None)
    assert made.background.offer("db", "job", lambda: until(lambda: True))
    await until(lambda: not len(made.background))


async def test_so_many_are_known_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.edges.relaying._MOST", 2)
    async with program(replies(*[HELD] * 6)) as made:
        for number in range(3):
            for _ in range(2):
                await made.passed((DATA % 1).replace(b"/a", b"/%d" % number))
        assert len(made.relays) == 2
