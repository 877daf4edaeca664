"""Round trips: every framing of an answer, what breaks it, and where the connection goes then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.errors import UpstreamError, UpstreamProtocolError, UpstreamTimeoutError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.connection import Connector
from proxy.flow.limits import Limits
from proxy.flow.request_head import Body, outgoing
from proxy.flow.roundtrip import Answer, Channel, OnInterim
from proxy.rules.settings import Timeouts
from tests.support.clock import NOW, ManualClock
from tests.support.raw_upstream import RawConnection, RawUpstream, Script, raw_upstream, replies

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PARTIAL = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"


@pytest.fixture
async def connector() -> AsyncIterator[Connector]:
    made = Connector()
    yield made
    await made.close()


async def ask(
    connector: Connector,
    upstream: RawUpstream,
    method: str = "GET",
    body: Body = None,
    on_interim: OnInterim | None = None,
    timeouts: Timeouts | None = None,
) -> Answer:
    endpoint = connector.endpoint(upstream.url)
    request = outgoing(method, "/", endpoint.authority, NO_FIELDS, body)
    limits = Limits.start(timeouts or Timeouts())
    lease = await connector.acquire(endpoint, limits, careful=False)
    channel = Channel(lease, limits, ManualClock())
    channel.send(request)
    return await channel.answer(on_interim)


async def collect(answer: Answer, into: bytearray) -> None:
    async for chunk in answer.chunks():
        into += chunk


async def read(answer: Answer) -> bytes:
    got = bytearray()
    await collect(answer, got)
    return bytes(got)


def in_steps(*steps: bytes) -> Script:
    """Send each step in a segment of its own, then close."""

    async def script(connection: RawConnection) -> None:
        await connection.head()
        for step in steps:
            connection.send(step)
            for _ in range(5):
                await asyncio.sleep(0)
        await connection.close()

    return script


WHOLE = [
    ("length", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    ("length-0", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ("chunked", "GET", CHUNKED + b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", b"abcd"),
    ("trailers", "GET", CHUNKED + b"1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n", b"a"),
    ("204", "GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ("304", "GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b""),
    ("head-length", "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b""),
    ("head-chunked", "HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b""),
    ("encoded", "GET", OK.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), b"ok"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "sent", "expected"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE]
)
async def test_a_whole_answer_is_read_and_its_connection_used_again(
    connector: Connector, method: str, sent: bytes, expected: bytes
) -> None:
    async with raw_upstream(replies(sent, sent, sent)) as upstream:
        for _ in range(3):
            answer = await ask(connector, upstream, method)
            assert await read(answer) == expected
        await connector.close()
    assert upstream.accepted == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\n\r\nabc",
        b"HTTP/1.0 200 OK\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_an_answer_that_ends_its_connection(connector: Connector, sent: bytes) -> None:
    async with raw_upstream(in_steps(sent), in_steps(sent)) as upstream:
        assert await read(await ask(connector, upstream)) == b"abc"
        assert await read(await ask(connector, upstream)) == b"abc"
    assert upstream.accepted == 2


async def test_the_head_is_kept_byte_for_byte_with_its_times(connector: Connector) -> None:
    sent = b"HTTP/1.1 299 \xe9t\xe9 \r\nx-B: \xe9\r\nX-a:1 \r\nx-b: \r\nContent-Length: 0\r\n\r\n"
    async with raw_upstream(replies(sent)) as upstream:
        response = (await ask(connector, upstream)).response
        await connector.close()
    assert (response.status, response.reason.strip()) == (299, "\xe9t\xe9")
    assert response.fields == Fields(
        [("x-B", "\xe9"), ("X-a", "1"), ("x-b", ""), ("Content-Length", "0")]
    )
    assert (response.request_time, response.response_time) == (NOW, NOW)


async def test_an_answer_without_a_reason(connector: Connector) -> None:
    async with raw_upstream(replies(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")) as upstream:
        assert (await ask(connector, upstream)).response.reason == ""
        await connector.close()


async def test_a_large_head_is_taken_whole(connector: Connector) -> None:
    values = [f"X-{n}: {'v' * 60_000}\r\n".encode() for n in range(3)]
    sent = (b"HTTP/1.1 200 OK\r\n", *values, b"Content-Length: 2\r\n\r\n", b"ok")
    async with raw_upstream(in_steps(*sent)) as upstream:
        answer = await ask(connector, upstream)
        assert len(answer.response.fields) == 4
        assert await read(answer) == b"ok"


INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("together", [True, False])
async def test_interim_answers_are_handed_on_but_100(
    connector: Connector, method: str, together: bool
) -> None:
    seen: list[tuple[int, Fields]] = []

    async def on_interim(status: int, fields: Fields) -> None:
        seen.append((status, fields))

    steps = (b"HTTP/1.1 100 Continue\r\n\r\n", INTERIM, OK if method == "GET" else OK[:-2])
    script = in_steps(b"".join(steps)) if together else in_steps(*steps)
    async with raw_upstream(script) as upstream:
        answer = await ask(connector, upstream, method, on_interim=on_interim)
        assert await read(answer) == (b"ok" if method == "GET" else b"")
    assert seen == [(103, Fields([("Link", "</a>")])), (102, NO_FIELDS)]


async def test_interim_answers_nobody_wants_are_dropped(connector: Connector) -> None:
    async with raw_upstream(in_steps(INTERIM + OK)) as upstream:
        assert await read(await ask(connector, upstream)) == b"ok"


INCOMPLETE = r"^127.0.0.1:\d+ (ended its answer before it was complete|sent what is not HTTP/1.1)"
BROKEN_BODIES = [
    ("short", (PARTIAL,)),
    ("short-later", (PARTIAL[:-2], b"ab")),
    ("chunk-short", (CHUNKED, b"9\r\nab")),
    ("no-last-chunk", (CHUNKED, b"2\r\nab\r\n")),
    ("no-end", (CHUNKED, b"2\r\nab\r\n0\r\n")),
    ("bad-chunk-size", (CHUNKED, b"2\r\nab\r\n", b"ZZ\r\n")),
    ("bad-chunk-end", (CHUNKED, b"2\r\nabXX")),
]


@pytest.mark.parametrize(
    "steps", [row[1] for row in BROKEN_BODIES], ids=[r[0] for r in BROKEN_BODIES]
)
async def test_an_incomplete_answer_raises_after_what_came(
    connector: Connector, steps: tuple[bytes, ...]
) -> None:
    got = bytearray()
    async with raw_upstream(in_steps(*steps)) as upstream:
        answer = await ask(connector, upstream)
        with pytest.raises(UpstreamProtocolError, match=INCOMPLETE):
            await collect(answer, got)
    assert bytes(got) == b"ab"


async def test_a_bad_chunk_ends_the_reader_though_the_peer_keeps_the_connection(
    connector: Connector,
) -> None:
    bad = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(CHUNKED, b"2\r\nab\r\n")
        await bad.wait()
        connection.send(b"ZZ\r\n")
        await connection.rest()

    async with raw_upstream(script) as upstream:
        chunks = (await ask(connector, upstream)).chunks()
        assert await anext(chunks) == b"ab"
        bad.set()
        with pytest.raises(UpstreamProtocolError, match="what is not HTTP"):
            await anext(chunks)


@pytest.mark.parametrize("head", [PARTIAL[:-2], CHUNKED + b"2\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_a_reset_is_never_the_end_of_a_body(connector: Connector, head: bytes) -> None:
    read_some = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(head, b"ab")
        await read_some.wait()
        connection.reset()

    async with raw_upstream(script) as upstream:
        chunks = (await ask(connector, upstream)).chunks()
        assert await anext(chunks) == b"ab"
        read_some.set()
        with pytest.raises(UpstreamProtocolError, match="before it was complete"):
            await anext(chunks)


async def test_trailers_are_there_once_the_body_has_ended(connector: Connector) -> None:
    sent = CHUNKED + b"1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"
    async with raw_upstream(replies(sent, OK)) as upstream:
        answer = await ask(connector, upstream)
        assert await read(answer) == b"a"
        later = await ask(connector, upstream)
        assert await read(later) == b"ok"
        await connector.close()
    assert answer.trailers == Fields([("X-Sum", "1")])
    assert later.trailers == NO_FIELDS


BROKEN_HEADS = [
    ("silence", (), "closed the connection without an answer"),
    ("part", (b"HTTP/1.1 200 O",), "closed the connection without an answer"),
    ("interim-only", (INTERIM,), "closed the connection without an answer"),
    ("garbage", (b'{"secret": 1}\r\n\r\n',), r"not HTTP/1.1 \(Bad status line\)"),
    ("099", (b"HTTP/1.1 099 Odd\r\n\r\n",), "status 099"),
    ("101", (b"HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",), "switched"),
    ("coding", (CHUNKED.replace(b"chunked", b"gzip, chunked"), b"0\r\n\r\n"), "coding"),
    ("both-framings", (CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n0\r\n\r\n",), "not HTTP/1.1"),
    ("two-lengths", (PARTIAL[:-4], b"Content-Length: 2\r\n\r\nab"), "not HTTP/1.1"),
    ("nul", (b"HTTP/1.1 200 OK\r\nX: secret\0\r\n\r\n",), "not HTTP/1.1"),
    ("bare-cr", (b"HTTP/1.1 200 OK\r\nX: secret\rY: 1\r\n\r\n",), "not HTTP/1.1"),
    ("long-field", (b"HTTP/1.1 200 OK\r\nX: " + b"secret" * 12_000,), "Got more than 65536 bytes"),
    ("many-fields", (b"HTTP/1.1 200 OK\r\n" + b"X: secret\r\n" * 300,), "Too many"),
    ("long-head", (b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"v" * 60_000 + b"\r\n"] * 6), "over 262144"),
    ("interim-flood", (INTERIM * 5000,), "over 262144"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "told"), [row[1:] for row in BROKEN_HEADS], ids=[row[0] for row in BROKEN_HEADS]
)
async def test_what_is_no_answer_is_told_without_quoting_it(
    connector: Connector, steps: tuple[bytes, ...], told: str
) -> None:
    async with raw_upstream(in_steps(*steps)) as upstream:
        with pytest.raises(UpstreamProtocolError, match=told) as raised:
            await ask(connector, upstream)
    assert "secret" not in str(raised.value)
    assert str(raised.value).startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("method", "sent", "expected"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcXYZ", b"abc"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" + OK, b"abc"),
        ("GET", CHUNKED + b"1\r\na\r\n0\r\n\r\n" + OK, b"a"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b""),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\nabc", b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n" + OK, b""),
    ],
)
async def test_bytes_beyond_the_answer_are_dropped_with_the_connection(
    connector: Connector, method: str, sent: bytes, expected: bytes
) -> None:
    async with raw_upstream(replies(sent), replies(OK)) as upstream:
        assert await read(await ask(connector, upstream, method)) == expected
        assert await read(await ask(connector, upstream)) == b"ok"
        await connector.close()
    assert upstream.accepted == 2


async def test_bytes_on_a_connection_at_rest_never_answer_the_next_request(
    connector: Connector,
) -> None:
    rest, sent = asyncio.Event(), asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(OK)
        await rest.wait()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        sent.set()
        await connection.rest()

    async with raw_upstream(script, replies(OK)) as upstream:
        assert await read(await ask(connector, upstream)) == b"ok"
        rest.set()
        await sent.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        assert await read(await ask(connector, upstream)) == b"ok"
        await connector.close()
    assert upstream.accepted == 2


async def test_a_connection_whose_keep_alive_is_over_is_not_used_again(
    connector: Connector,
) -> None:
    hinted = OK.replace(b"\r\n\r\n", b"\r\nKeep-Alive: max=9, timeout=1\r\n\r\n")
    async with raw_upstream(replies(hinted), replies(OK)) as upstream:
        assert await read(await ask(connector, upstream)) == b"ok"
        assert await read(await ask(connector, upstream)) == b"ok"
        await connector.close()
    assert upstream.accepted == 2


def ending(got: list[bytes], begin: bytes = PARTIAL) -> Script:
    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(begin)
        got.append(await connection.rest())

    return script


async def test_abort_ends_the_connection_and_the_reader(connector: Connector) -> None:
    got: list[bytes] = []
    async with raw_upstream(ending(got)) as upstream:
        answer = await ask(connector, upstream)
        waiting = asyncio.get_running_loop().create_task(read(answer))
        await asyncio.sleep(0)
        answer.abort()
        answer.abort()
        with pytest.raises(UpstreamError, match="gave the answer up"):
            await waiting
    assert got == [b""]


async def test_abort_before_reading_makes_reading_raise(connector: Connector) -> None:
    async with raw_upstream(ending([])) as upstream:
        answer = await ask(connector, upstream)
        answer.abort()
        with pytest.raises(UpstreamError, match="gave the answer up"):
            await read(answer)


async def test_leaving_the_body_closes_the_connection(connector: Connector) -> None:
    async with raw_upstream(ending([])) as upstream:
        chunks = (await ask(connector, upstream)).chunks()
        assert await anext(chunks) == b"ab"
        await chunks.aclose()


@pytest.mark.parametrize("begin", [b"", PARTIAL])
async def test_cancelling_whoever_waits_closes_the_connection(
    connector: Connector, begin: bytes
) -> None:
    at_work = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(begin)
        at_work.set()
        await connection.rest()

    async def fetch(upstream: RawUpstream) -> None:
        await read(await ask(connector, upstream))

    async with raw_upstream(script) as upstream:
        task = asyncio.get_running_loop().create_task(fetch(upstream))
        await at_work.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_interim_that_cannot_be_handed_on_ends_it(connector: Connector) -> None:
    async def on_interim(status: int, fields: Fields) -> None:
        raise LookupError(status, fields)

    async with raw_upstream(ending([], INTERIM)) as upstream:
        with pytest.raises(LookupError):
            await ask(connector, upstream, on_interim=on_interim)


@pytest.mark.parametrize(
    ("begin", "timeouts", "told"),
    [
        (b"", Timeouts(first_byte=0.02), r"no answer within 0.02s \(timeout.first_byte"),
        (b"", Timeouts(total=0.02), r"timeout.total"),
        (INTERIM, Timeouts(first_byte=0.02), r"timeout.first_byte"),
        (PARTIAL, Timeouts(idle=0.02), r"timeout.idle"),
        (PARTIAL, Timeouts(total=0.02), r"not complete within 0.02s \(timeout.total"),
    ],
)
async def test_each_limit_is_named_and_ends_the_connection(
    connector: Connector, begin: bytes, timeouts: Timeouts, told: str
) -> None:
    async with raw_upstream(ending([], begin)) as upstream:
        with pytest.raises(UpstreamTimeoutError, match=told):
            await read(await ask(connector, upstream, timeouts=timeouts))


async def test_a_slow_reader_pauses_the_upstream(connector: Connector) -> None:
    piece, pieces, sent = b"x" * 65536, 512, 0

    async def script(connection: RawConnection) -> None:
        nonlocal sent
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(piece) * pieces))
        for _ in range(pieces):
            connection.send(piece)
            await connection.writer.drain()
            sent += 1
        await connection.rest()

    async with raw_upstream(script) as upstream:
        answer = await ask(connector, upstream)
        seen = -1
        while seen != sent:
            seen = sent
            for _ in range(300):
                await asyncio.sleep(0)
        assert sent < pieces
        assert len(await read(answer)) == len(piece) * pieces
        await connector.close()
    assert sent == pieces


async def test_closing_the_connector_ends_readers(connector: Connector) -> None:
    async with raw_upstream(ending([])) as upstream:
        answer = await ask(connector, upstream)
        waiting = asyncio.get_running_loop().create_task(read(answer))
        await asyncio.sleep(0)
        await connector.close()
        with pytest.raises(UpstreamProtocolError):
            await waiting


# -- being told instead of waiting


async def listening(connector: Connector, upstream: RawUpstream, timeouts: Timeouts) -> Channel:
    """A channel of which nothing was heard yet."""
    endpoint = connector.endpoint(upstream.url)
    limits = Limits.start(timeouts)
    lease = await connector.acquire(endpoint, limits, careful=False)
    channel = Channel(lease, limits, ManualClock())
    channel.send(outgoing("GET", "/", endpoint.authority, NO_FIELDS, b""))
    return channel


async def test_who_listens_is_told_of_a_whole_answer(connector: Connector) -> None:
    heard = asyncio.Event()
    async with raw_upstream(replies(OK)) as upstream:
        channel = await listening(connector, upstream, Timeouts())
        channel.listen(heard.set)
        await heard.wait()
        answer = channel.whole_answer()
        assert (answer.response.status, answer.whole, channel.is_complete) == (200, b"ok", True)
        await connector.close()


async def test_and_when_it_took_too_long(connector: Connector) -> None:
    heard = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.head()
        await connection.rest()

    async with raw_upstream(script) as upstream:
        channel = await listening(connector, upstream, Timeouts(first_byte=0.02))
        channel.listen(heard.set)
        await heard.wait()
        assert channel.whole_head is None
        with pytest.raises(UpstreamTimeoutError):
            await channel.answer(None)


async def test_who_listens_no_more_is_told_nothing(connector: Connector) -> None:
    heard: list[bool] = []
    async with raw_upstream(replies(OK)) as upstream:
        channel = await listening(connector, upstream, Timeouts())
        channel.listen(lambda: heard.append(True))
        channel.listen(None)
        assert (await channel.answer(None)).whole == b"ok"
        assert not heard
        await connector.close()


async def test_it_listens_under_the_limit_it_is_given(connector: Connector) -> None:
    """What is to come of a body is not the first byte any more."""
    heard, again = asyncio.Event(), asyncio.Event()
    async with raw_upstream(replies(OK[:-1])) as upstream:
        channel = await listening(connector, upstream, Timeouts(idle=0.02))
        channel.listen(heard.set)
        await heard.wait()
        assert channel.whole_head is None
        assert length_of(channel) == 2
        channel.listen(again.set, "idle")
        await again.wait()
        assert length_of(channel) is None  # it will not come
        with pytest.raises(UpstreamTimeoutError, match=r"timeout\.idle"):
            await read(await channel.answer(None))


def length_of(channel: Channel) -> int | None:
    """Of the body that is to come."""
    return None if channel.coming is None else channel.coming.length


async def test_what_was_sent_before_there_was_a_channel_is_of_its_own_time(
    connector: Connector,
) -> None:
    async with raw_upstream(replies(OK)) as upstream:
        endpoint = connector.endpoint(upstream.url)
        limits = Limits.start(Timeouts())
        lease = await connector.acquire(endpoint, limits, careful=False)
        request = outgoing("GET", "/", endpoint.authority, NO_FIELDS, b"").head
        lease.wire.ask(request, lambda _: False)
        answer = await Channel(lease, limits, ManualClock(), NOW - 5).answer(None)
        times = answer.response.request_time, answer.response.response_time
        assert (times, await read(answer)) == ((NOW - 5, NOW), b"ok")
        await connector.close()
