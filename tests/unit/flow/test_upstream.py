"""The upstream client: what is sent again and what never, and when an upstream is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from proxy.errors import (
    ClientError,
    UpstreamConnectError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.balance import BreakerState, UpstreamBreakerOpenError
from proxy.flow.call import Asked, Call
from proxy.flow.connection import Connector
from proxy.flow.request_head import Body, outgoing
from proxy.flow.roundtrip import Answer
from proxy.flow.tasks import drain
from proxy.flow.upstream import Chance, TargetStatus, UpstreamClient
from proxy.rules.settings import Breaker, Retry, Timeouts, Upstream
from tests.support.clock import ManualClock
from tests.support.larder import until
from tests.support.ports import LOOPBACK, free_port
from tests.support.raw_upstream import RawConnection, RawUpstream, Script, raw_upstream, replies

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FAULT = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"


@dataclass
class Luck:
    """Chance without any: the clock stands, half of each pause is drawn, and pauses are kept."""

    clock: ManualClock = field(default_factory=ManualClock)
    pauses: list[float] = field(default_factory=list)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def chance(self) -> Chance:
        return Chance(now=self.clock, timer=self.clock, draw=lambda: 0.5, pause=self.pause)


@pytest.fixture
async def connector() -> AsyncIterator[Connector]:
    made = Connector()
    yield made
    await made.close()
    assert await drain(1) == 0


def rule(
    *urls: str,
    retry: Retry | None = None,
    breaker: Breaker | None = None,
    timeout: Timeouts | None = None,
) -> Upstream:
    return Upstream(
        name="db",
        urls=urls,
        retry=retry or Retry(attempts=1),
        breaker=breaker or Breaker(),
        timeout=timeout or Timeouts(),
    )


async def read(answer: Answer) -> bytes:
    return b"".join([chunk async for chunk in answer.chunks()])


async def incoming(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def refused() -> str:
    return f"http://{LOOPBACK}:{free_port()}"


@pytest.mark.parametrize(
    ("method", "target", "sent"),
    [("GET", "/a%2fb?q", b"GET /v1/a%2fb?q"), ("OPTIONS", "*", b"OPTIONS *")],
)
async def test_target_and_fields_go_out_after_the_base_path(
    connector: Connector, method: str, target: str, sent: bytes
) -> None:
    got: list[bytes] = []

    async def script(connection: RawConnection) -> None:
        got.append(await connection.head())
        connection.send(OK)
        await connection.rest()

    async with raw_upstream(script) as upstream:
        client = UpstreamClient(rule(upstream.url + "/v1"), connector)
        answer = await client.fetch(method, target, Fields([("x-A", "1"), ("Te", "2")]))
        assert await read(answer) == b"ok"
        await connector.close()
    host = f"{LOOPBACK}:{upstream.port}".encode()
    assert got == [sent + b" HTTP/1.1\r\nHost: " + host + b"\r\nx-A: 1\r\nTe: 2\r\n\r\n"]


def hanging_up() -> Script:
    """Answer once; end the connection on the second request without a byte."""

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(OK)
        await connection.head()
        await connection.close()

    return script


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("HEAD", None), ("PUT", b"x")])
async def test_a_stale_connection_costs_no_try(
    connector: Connector, method: str, body: Body
) -> None:
    again = OK if method != "HEAD" else OK[:-2]
    async with raw_upstream(hanging_up(), replies(again)) as upstream:
        client = UpstreamClient(rule(upstream.url), connector)
        await read(await client.fetch("GET", "/", NO_FIELDS))
        answer = await client.fetch(method, "/", NO_FIELDS, body)
        assert answer.response.status == 200
        await connector.close()
    assert upstream.accepted == 2


@pytest.mark.parametrize("body", [None, b"x", "stream"])
async def test_what_may_have_had_its_effect_is_not_sent_again(
    connector: Connector, body: Body | str
) -> None:
    async with raw_upstream(hanging_up()) as upstream:
        client = UpstreamClient(rule(upstream.url, retry=Retry(attempts=9)), connector)
        await read(await client.fetch("GET", "/", NO_FIELDS))
        source = incoming(b"x") if isinstance(body, str) else body
        with pytest.raises(UpstreamProtocolError, match="without an answer"):
            await client.fetch("POST", "/", NO_FIELDS, source)
    assert upstream.accepted == 1


async def test_a_new_connection_that_ends_without_a_byte_is_an_error(connector: Connector) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.head()
        await connection.close()

    async with raw_upstream(script) as upstream:
        client = UpstreamClient(rule(upstream.url, retry=Retry(attempts=9)), connector)
        with pytest.raises(UpstreamProtocolError, match="without an answer"):
            await client.fetch("GET", "/", NO_FIELDS)


@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("POST", b"x"), ("POST", "stream"), ("PATCH", None)]
)
async def test_whatever_found_no_connection_is_sent_elsewhere_at_once(
    connector: Connector, method: str, body: Body | str
) -> None:
    luck = Luck()

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(OK)
        await connection.rest()

    async with raw_upstream(script) as upstream:
        # draw() is 0.5, so of three URLs the second is first.
        urls = (upstream.url, refused(), refused())
        client = UpstreamClient(rule(*urls, retry=Retry(attempts=3)), connector, luck.chance())
        source = incoming(b"x") if isinstance(body, str) else body
        answer = await client.fetch(method, "/", NO_FIELDS, source)
        assert await read(answer) == b"ok"
        await connector.close()
    assert luck.pauses == []
    assert [status.failures for status in client.status()] == [0, 1, 1]


@pytest.mark.parametrize(
    ("retry", "pauses"),
    [
        (Retry(attempts=1), []),
        (Retry(attempts=2), [0.05]),
        (Retry(attempts=7), [0.05, 0.1, 0.2, 0.4, 0.5, 0.5]),
        (Retry(attempts=7, on_connect=False), []),
    ],
)
async def test_the_same_url_is_tried_again_after_growing_pauses(
    connector: Connector, retry: Retry, pauses: list[float]
) -> None:
    luck = Luck()
    wanted = rule(refused(), retry=retry, breaker=Breaker(failures=99))
    client = UpstreamClient(wanted, connector, luck.chance())
    with pytest.raises(UpstreamConnectError):
        await client.fetch("GET", "/", NO_FIELDS)
    assert luck.pauses == pytest.approx(pauses)


RETRIED = [
    ("get", "GET", None, Retry(attempts=2), (BUSY, OK), b"ok"),
    ("put", "PUT", b"x", Retry(attempts=2), (BUSY, OK), b"ok"),
    ("out-of-tries", "GET", None, Retry(attempts=2), (BUSY, BUSY), b"busy"),
    ("one-try", "GET", None, Retry(attempts=1), (BUSY,), b"busy"),
    ("post", "POST", b"x", Retry(attempts=2), (BUSY,), b"busy"),
    ("not-named", "GET", None, Retry(attempts=2, on_statuses=frozenset({502})), (BUSY,), b"busy"),
    ("other-status", "GET", None, Retry(attempts=2), (FAULT,), b""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "body", "retry", "sent", "expected"),
    [row[1:] for row in RETRIED],
    ids=[row[0] for row in RETRIED],
)
async def test_an_answer_of_retry_on_is_asked_for_again_if_that_is_safe(
    connector: Connector,
    method: str,
    body: bytes | None,
    retry: Retry,
    sent: tuple[bytes, ...],
    expected: bytes,
) -> None:
    async def script(connection: RawConnection) -> None:
        for answer in sent:
            await connection.head()
            await connection.take(len(body or b""))
            connection.send(answer)
        assert await connection.rest() == b""

    async with raw_upstream(script) as upstream:
        client = UpstreamClient(rule(upstream.url, retry=retry), connector, Luck().chance())
        assert await read(await client.fetch(method, "/", NO_FIELDS, body)) == expected
        await connector.close()
    assert upstream.accepted == 1


async def test_an_answer_given_up_for_another_try_is_not_read_out(connector: Connector) -> None:
    async def endless(connection: RawConnection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 99\r\n\r\nb")
        await connection.rest()

    async with raw_upstream(endless, replies(OK)) as upstream:
        wanted = rule(upstream.url, retry=Retry(attempts=2))
        client = UpstreamClient(wanted, connector, Luck().chance())
        assert await read(await client.fetch("GET", "/", NO_FIELDS)) == b"ok"
        await connector.close()


async def test_the_last_answer_stands_when_its_failure_opens_the_breaker(
    connector: Connector,
) -> None:
    async with raw_upstream(replies(BUSY)) as upstream:
        wanted = rule(upstream.url, retry=Retry(attempts=9), breaker=Breaker(failures=1))
        client = UpstreamClient(wanted, connector, Luck().chance())
        assert await read(await client.fetch("GET", "/", NO_FIELDS)) == b"busy"
        await connector.close()


async def test_the_breaker_opens_probes_and_closes(connector: Connector) -> None:
    luck = Luck()

    def state() -> TargetStatus:
        return client.status()[0]

    async with raw_upstream(replies(BUSY, BUSY, BUSY, OK, OK)) as upstream:
        peer = f"{LOOPBACK}:{upstream.port}"
        wanted = rule(upstream.url, breaker=Breaker(failures=2, open_s=30))
        client = UpstreamClient(wanted, connector, luck.chance())
        for _ in range(2):
            assert await read(await client.fetch("GET", "/", NO_FIELDS)) == b"busy"
        assert state() == TargetStatus(peer, BreakerState.OPEN, 2)
        luck.clock.advance(10)
        with pytest.raises(UpstreamBreakerOpenError, match=r"upstream db .* 20s"):
            await client.fetch("GET", "/", NO_FIELDS)
        luck.clock.advance(20)
        assert state().state is BreakerState.HALF_OPEN
        assert await read(await client.fetch("GET", "/", NO_FIELDS)) == b"busy"
        assert state().state is BreakerState.OPEN
        luck.clock.advance(30)
        for _ in range(2):
            assert await read(await client.fetch("GET", "/", NO_FIELDS)) == b"ok"
        assert state() == TargetStatus(peer, BreakerState.CLOSED, 0)
        await connector.close()


async def test_only_one_probe_at_a_time_and_a_cancelled_one_leaves_room(
    connector: Connector,
) -> None:
    luck, probed = Luck(), asyncio.Event()

    async def silent(connection: RawConnection) -> None:
        await connection.head()
        probed.set()
        await connection.rest()

    async with raw_upstream(replies(BUSY), silent, replies(OK)) as upstream:
        wanted = rule(upstream.url, breaker=Breaker(failures=1, open_s=30))
        client = UpstreamClient(wanted, connector, luck.chance())
        await read(await client.fetch("GET", "/", Fields([("Connection", "close")])))
        await connector.close()
        connector = Connector()
        client._connector = connector  # noqa: SLF001 - a pool without the first connection
        luck.clock.advance(30)
        probe = asyncio.get_running_loop().create_task(client.fetch("GET", "/", NO_FIELDS))
        await probed.wait()
        with pytest.raises(UpstreamBreakerOpenError):
            await client.fetch("GET", "/", NO_FIELDS)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert await read(await client.fetch("GET", "/", NO_FIELDS)) == b"ok"
        await connector.close()


async def test_urls_take_turns_and_a_dead_one_is_left_alone(connector: Connector) -> None:
    three = replies(OK, OK, OK)
    async with raw_upstream(three) as left, raw_upstream(three) as right:
        urls = (left.url, right.url, refused())
        wanted = rule(*urls, retry=Retry(attempts=2), breaker=Breaker(failures=1))
        client = UpstreamClient(wanted, connector, Luck().chance())
        for _ in range(6):
            assert await read(await client.fetch("GET", "/", NO_FIELDS)) == b"ok"
        await connector.close()
    states = [status.state for status in client.status()]
    assert states == [BreakerState.CLOSED, BreakerState.CLOSED, BreakerState.OPEN]


async def test_a_request_that_cannot_be_written_is_the_clients_and_never_sent(
    connector: Connector,
) -> None:
    client = UpstreamClient(rule(refused(), breaker=Breaker(failures=1)), connector)
    with pytest.raises(ClientError):
        await client.fetch("GET", "/a b", NO_FIELDS)
    assert client.status()[0].state is BreakerState.CLOSED


async def test_connecting_is_limited_too_and_counts_as_not_sent(connector: Connector) -> None:
    async def mute(connection: RawConnection) -> None:
        await connection.rest()

    async with raw_upstream(mute, mute) as upstream:
        # TLS toward a server that never shakes hands.
        url = upstream.url.replace("http:", "https:")
        wanted = rule(url, timeout=Timeouts(connect=0.05), retry=Retry(attempts=2))
        client = UpstreamClient(wanted, connector, Luck().chance())
        with pytest.raises(UpstreamTimeoutError, match=r"no connection within 0.05s"):
            await client.fetch("POST", "/", NO_FIELDS, b"x")
    assert upstream.accepted == 2


async def test_total_runs_over_all_tries(connector: Connector) -> None:
    async def mute(connection: RawConnection) -> None:
        await connection.head()
        connection.send(BUSY)
        await connection.head()
        await connection.rest()

    async with raw_upstream(mute) as upstream:
        wanted = rule(upstream.url, timeout=Timeouts(total=0.05), retry=Retry(attempts=2))
        client = UpstreamClient(wanted, connector, Luck().chance())
        with pytest.raises(UpstreamTimeoutError, match=r"timeout\.total"):
            await client.fetch("GET", "/", NO_FIELDS)


async def many(client: UpstreamClient, upstream: RawUpstream, count: int) -> list[bytes]:
    loop = asyncio.get_running_loop()
    assert upstream.accepted == 0
    fetches = [loop.create_task(client.fetch("GET", f"/{n}", NO_FIELDS)) for n in range(count)]
    return [await read(await fetch) for fetch in fetches]


async def test_concurrent_requests_have_a_connection_each(connector: Connector) -> None:
    async def echo(connection: RawConnection) -> None:
        target = (await connection.head()).split(b" ")[1]
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(target), target)
        await connection.rest()

    async with raw_upstream(*[echo] * 20) as upstream:
        client = UpstreamClient(rule(upstream.url), connector)
        assert await many(client, upstream, 20) == [b"/%d" % n for n in range(20)]
        await connector.close()
    assert upstream.accepted == 20


# -- what is sent ready made


def ready(upstream: RawUpstream, target: str = "/x") -> bytes:
    """A request as it goes out."""
    return outgoing("GET", target, upstream.url.removeprefix("http://"), NO_FIELDS, b"").head


AT = 1_700_000_000.0


class Taker:
    """What came first, and whether it is taken."""

    def __init__(self, *, takes: bool = False) -> None:
        self.came: list[bytes] = []
        self._takes = takes

    def __call__(self, data: bytes) -> bool:
        self.came.append(data)
        return self._takes


def asked(client: UpstreamClient, request: bytes, taker: Taker | None = None) -> Asked:
    sent = client.ask(request, taker or Taker())
    assert sent is not None
    return sent


def resumed(client: UpstreamClient, request: bytes) -> Call:
    return client.resume(asked(client, request), request, AT)


async def come(call: Call) -> None:
    """Something has come of it, or nothing will."""
    heard = asyncio.Event()
    call.listen(heard.set)
    await heard.wait()


async def warmed(client: UpstreamClient) -> None:
    """There is an idle connection."""
    assert await read(await client.fetch("GET", "/", NO_FIELDS, b"")) == b"ok"


async def test_it_goes_up_at_once_if_a_connection_is_idle(connector: Connector) -> None:
    async with raw_upstream(replies(OK, OK)) as upstream:
        client = UpstreamClient(rule(upstream.url), connector, Luck().chance())
        request, taker = ready(upstream), Taker()
        assert client.ask(request, taker) is None
        await warmed(client)
        call = client.resume(asked(client, request, taker), request, AT)
        assert client.ask(request, taker) is None
        assert client.whole_answer(call) is None
        await come(call)
        assert taker.came == []  # somebody reads it by the call
        answer = client.whole_answer(call)
        assert answer is not None
        assert answer.whole == b"ok"
        assert answer.response.request_time == call.began == AT
        assert client.whole_answer(call) is None
        call.abort()  # nothing is left of it
        assert upstream.accepted == 1
        await connector.close()


async def test_what_is_taken_as_it_came_frees_its_connection(connector: Connector) -> None:
    seen: list[bytes] = []

    async def script(connection: RawConnection) -> None:
        for _ in range(4):
            seen.append(await connection.head())
            connection.send(OK)
        await connection.rest()

    async with raw_upstream(script) as upstream:
        client = UpstreamClient(rule(upstream.url), connector, Luck().chance())
        await warmed(client)
        taker = Taker(takes=True)
        for number in range(2):
            request = ready(upstream, f"/{number}")
            sent = asked(client, request, taker)
            await until(lambda: bool(taker.came))
            assert client.ask(request, taker) is None  # the connection is in use
            sent.done(9.0)
            assert taker.came == [OK]
            taker.came.clear()
        await warmed(client)
        assert upstream.accepted == 1
        await connector.close()
    assert [head.split(b" ")[1] for head in seen] == [b"/", b"/0", b"/1", b"/"]


async def test_not_to_several_urls_nor_after_a_failure(connector: Connector) -> None:
    async with raw_upstream(replies(OK, BUSY)) as upstream:
        client = UpstreamClient(rule(upstream.url), connector, Luck().chance())
        await warmed(client)
        both = rule(upstream.url, upstream.url + "/b")
        request, taker = ready(upstream), Taker()
        assert UpstreamClient(both, connector, Luck().chance()).ask(request, taker) is None
        await read(await client.fetch("GET", "/", NO_FIELDS, b""))
        assert client.ask(request, taker) is None
        await connector.close()


@pytest.mark.parametrize("limit", ["first_byte", "total"])
async def test_what_is_asked_is_limited_before_anybody_reads_it(
    connector: Connector, limit: str
) -> None:
    async def silent(connection: RawConnection) -> None:
        await connection.head()
        connection.send(OK)
        await connection.head()
        await connection.rest()

    async with raw_upstream(silent) as upstream:
        wanted = rule(upstream.url, timeout=Timeouts(**{limit: 0.05}))
        client = UpstreamClient(wanted, connector, Luck().chance())
        await warmed(client)
        request, heard = ready(upstream), asyncio.Event()
        sent = asked(client, request)
        sent.lease.wire.heard = heard.set
        await heard.wait()
        call = client.resume(sent, request, AT)
        assert client.whole_answer(call) is None
        with pytest.raises(UpstreamTimeoutError, match=rf"timeout\.{limit}"):
            await client.answer(call)
        assert client.status()[0].failures == 1
        await connector.close()


async def test_total_runs_from_when_it_was_asked(connector: Connector) -> None:
    async with raw_upstream(replies(OK, OK[:-1])) as upstream:
        wanted = rule(upstream.url, timeout=Timeouts(total=0.1))
        client = UpstreamClient(wanted, connector, Luck().chance())
        await warmed(client)
        request = ready(upstream)
        sent = asked(client, request)
        call = client.resume(sent, request, AT)
        assert call.limits.end == sent.began + 0.1
        with pytest.raises(UpstreamTimeoutError, match=r"timeout\.total"):
            await read(await client.answer(call))
        await connector.close()


@pytest.mark.parametrize("came", [BUSY, FAULT])
async def test_an_answer_to_try_again_is_left_to_be_tried_again(
    connector: Connector, came: bytes
) -> None:
    luck, retry = Luck(), Retry(attempts=2, on_statuses=frozenset({500, 503}))
    async with raw_upstream(replies(OK, came, OK)) as upstream:
        client = UpstreamClient(rule(upstream.url, retry=retry), connector, luck.chance())
        await warmed(client)
        sent = resumed(client, ready(upstream))
        await come(sent)
        assert client.whole_answer(sent) is None
        call = client.begin("GET", "/x", NO_FIELDS, b"", sent=sent)
        assert await read(await client.answer(call)) == b"ok"
        assert len(luck.pauses) == 1
        await connector.close()


async def test_what_would_be_sent_otherwise_now_is_given_up(connector: Connector) -> None:
    async def left(connection: RawConnection) -> None:
        await connection.head()
        connection.send(OK)
        await connection.head()
        assert await connection.rest() == b""

    async with raw_upstream(left, replies(OK)) as upstream:
        client = UpstreamClient(rule(upstream.url), connector, Luck().chance())
        await warmed(client)
        sent = resumed(client, ready(upstream))
        await asyncio.sleep(0)  # it goes out
        call = client.begin("GET", "/y", NO_FIELDS, b"", sent=sent)
        assert await read(await client.answer(call)) == b"ok"
        await connector.close()


async def test_what_ends_before_a_byte_is_sent_anew(connector: Connector) -> None:
    async with raw_upstream(hanging_up(), replies(OK)) as upstream:
        client = UpstreamClient(rule(upstream.url), connector, Luck().chance())
        await warmed(client)
        sent = resumed(client, ready(upstream))
        await come(sent)
        assert client.whole_answer(sent) is None
        call = client.begin("GET", "/x", NO_FIELDS, b"", sent=sent)
        assert await read(await client.answer(call)) == b"ok"
        assert (upstream.accepted, client.status()[0].failures) == (2, 0)
        await connector.close()
