"""Uploads: exactly what was announced goes up, beside the reading of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.errors import ClientError, ClientGone, UpstreamError, UpstreamTimeoutError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.connection import Connector
from proxy.flow.limits import Limits
from proxy.flow.request_head import Body, Trailed, outgoing
from proxy.flow.roundtrip import Answer, Channel, OnInterim
from proxy.flow.tasks import drain
from proxy.flow.upload import SLICE, in_slices
from proxy.rules.settings import Timeouts
from tests.support.clock import ManualClock
from tests.support.raw_upstream import RawConnection, RawUpstream, raw_upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = b"0\r\n\r\n"


@pytest.fixture
async def connector() -> AsyncIterator[Connector]:
    made = Connector()
    yield made
    await made.close()
    assert await drain(1) == 0


def length(size: int) -> Fields:
    return Fields([("Content-Length", str(size))])


async def pieces(*parts: bytes, then: BaseException | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if then is not None:
        raise then


async def post(
    connector: Connector,
    upstream: RawUpstream,
    body: Body,
    fields: Fields = NO_FIELDS,
    timeouts: Timeouts | None = None,
    on_interim: OnInterim | None = None,
) -> Answer:
    endpoint = connector.endpoint(upstream.url)
    request = outgoing("POST", "/", endpoint.authority, fields, body)
    limits = Limits.start(timeouts or Timeouts())
    lease = await connector.acquire(endpoint, limits, careful=False)
    channel = Channel(lease, limits, ManualClock())
    channel.send(request)
    return await channel.answer(on_interim)


async def read(answer: Answer) -> bytes:
    return b"".join([chunk async for chunk in answer.chunks()])


BIG = bytes(range(256)) * 1024
BODIES = [
    ("none", None, NO_FIELDS, b""),
    ("bytes", b"abc", NO_FIELDS, b"abc"),
    ("many-bytes", BIG, NO_FIELDS, BIG),
    ("chunked", ("abc", "", "d"), NO_FIELDS, b"3\r\nabc\r\n1\r\nd\r\n" + LAST),
    ("chunked-empty", (), NO_FIELDS, LAST),
    ("counted", ("abc", "", "d"), length(4), b"abcd"),
    ("counted-empty", (), length(0), b""),
]


@pytest.mark.parametrize(
    ("body", "fields", "wire"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
async def test_the_body_goes_up_as_framed_and_the_connection_stays(
    connector: Connector, body: Body | tuple[str, ...], fields: Fields, wire: bytes
) -> None:
    got: list[bytes] = []

    async def script(connection: RawConnection) -> None:
        for _ in range(2):
            await connection.head()
            got.append(await connection.take(len(wire)))
            connection.send(OK)
        got.append(await connection.rest())

    async with raw_upstream(script) as upstream:
        for _ in range(2):
            source = pieces(*(p.encode() for p in body)) if isinstance(body, tuple) else body
            assert await read(await post(connector, upstream, source, fields)) == b"ok"
        await connector.close()
    assert got == [wire, wire, b""]


async def test_trailers_go_up_behind_a_chunked_body_and_are_asked_for_at_its_end(
    connector: Connector,
) -> None:
    """RFC 9110 §6.5: they are not known before; a body with a length has no place for them."""
    read_out: list[bool] = []

    async def source() -> AsyncIterator[bytes]:
        yield b"abcd"
        read_out.append(True)

    def trailers() -> Fields:
        return Fields([("X-Sum", "\xe4")] if read_out else [])

    chunked = b"4\r\nabcd\r\n0\r\nX-Sum: \xe4\r\n\r\n"

    async def script(connection: RawConnection) -> None:
        for wire in (chunked, b"abcd"):
            await connection.head()
            assert await connection.take(len(wire)) == wire
            connection.send(OK)
        assert await connection.rest() == b""

    async with raw_upstream(script) as upstream:
        for fields in (NO_FIELDS, length(4)):
            body = Trailed(source(), trailers)
            assert await read(await post(connector, upstream, body, fields)) == b"ok"
        await connector.close()


async def test_a_counted_body_is_complete_with_its_last_byte(connector: Connector) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"abcd"
        await asyncio.Event().wait()

    async def script(connection: RawConnection) -> None:
        for _ in range(2):
            await connection.head()
            await connection.take(4)
            connection.send(OK)
        await connection.rest()

    async with raw_upstream(script) as upstream:
        for _ in range(2):
            assert await read(await post(connector, upstream, endless(), length(4))) == b"ok"
        await connector.close()
    assert upstream.accepted == 1


async def test_slices_make_the_whole_and_none_is_large() -> None:
    body = b"x" * (SLICE * 2 + 1)
    slices = [piece async for piece in in_slices(body)]
    assert b"".join(slices) == body
    assert [len(piece) for piece in slices] == [SLICE, SLICE, 1]


@pytest.mark.parametrize("error", [ClientGone(), ValueError("odd")])
@pytest.mark.parametrize("fields", [NO_FIELDS, length(9)])
async def test_a_source_that_fails_aborts_the_request_with_its_error(
    connector: Connector, error: Exception, fields: Fields
) -> None:
    got: list[bytes] = []

    async def script(connection: RawConnection) -> None:
        await connection.head()
        got.append(await connection.rest())

    async with raw_upstream(script) as upstream:
        with pytest.raises(type(error)) as raised:
            await post(connector, upstream, pieces(b"abc", then=error), fields)
    assert raised.value is error
    assert not got[0].endswith(LAST)


async def test_a_source_that_fails_under_an_answer_breaks_that_answer(connector: Connector) -> None:
    leave = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield b"abc"
        await leave.wait()
        raise ClientGone

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
        await connection.rest()

    async with raw_upstream(script) as upstream:
        chunks = (await post(connector, upstream, source())).chunks()
        assert await anext(chunks) == b"ab"
        leave.set()
        with pytest.raises(ClientGone):
            await anext(chunks)


@pytest.mark.parametrize(
    ("parts", "size", "told"),
    [((b"abc", b"de"), 4, "longer than its"), ((b"abc",), 4, "ended before its")],
)
async def test_a_body_that_is_not_what_it_announced_is_not_passed_for_whole(
    connector: Connector, parts: tuple[bytes, ...], size: int, told: str
) -> None:
    got: list[bytes] = []

    async def script(connection: RawConnection) -> None:
        await connection.head()
        got.append(await connection.rest())

    async with raw_upstream(script) as upstream:
        with pytest.raises(ClientError, match=told) as raised:
            await post(connector, upstream, pieces(*parts), length(size))
    assert raised.value.status == 400
    assert got in ([b"abc"], [b""])


@pytest.mark.parametrize("closes", [True, False])
async def test_an_answer_before_the_end_of_the_body_is_seen_at_once(
    connector: Connector, closes: bool
) -> None:
    stopped: list[str] = []

    async def source() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
            await asyncio.Event().wait()
        finally:
            stopped.append("source")

    async def script(connection: RawConnection) -> None:
        await connection.head()
        await connection.take(8)
        connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await (connection.close() if closes else connection.rest())

    async with raw_upstream(script) as upstream:
        answer = await post(connector, upstream, source())
        assert answer.response.status == 413
        assert await read(answer) == b"no"
    await drain(1)
    assert stopped == ["source"]


async def test_an_upstream_that_hangs_up_during_the_body_is_told(connector: Connector) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"abc"
        await asyncio.Event().wait()

    async def script(connection: RawConnection) -> None:
        await connection.head()
        await connection.close()

    async with raw_upstream(script) as upstream:
        with pytest.raises(UpstreamError, match="without an answer"):
            await post(connector, upstream, source())


async def test_an_upstream_that_resets_while_it_is_written_to_is_told(connector: Connector) -> None:
    async def flood() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.reset()

    async with raw_upstream(script) as upstream:
        with pytest.raises(UpstreamError, match="without an answer"):
            await post(connector, upstream, flood())


async def test_an_upstream_that_does_not_listen_pauses_the_source_until_idle_passes(
    connector: Connector,
) -> None:
    pulled = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield b"x" * 65536

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await done.wait()

    done = asyncio.Event()
    async with raw_upstream(script) as upstream:
        with pytest.raises(UpstreamTimeoutError, match=r"timeout\.idle"):
            await post(connector, upstream, flood(), timeouts=Timeouts(idle=0.05))
        done.set()
    assert pulled < 1000


async def test_first_byte_runs_from_the_end_of_the_request(connector: Connector) -> None:
    finish = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield b"abc"
        await finish.wait()

    async def script(connection: RawConnection) -> None:
        await connection.head()
        connection.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await connection.rest()

    async def on_interim(_status: int, _fields: Fields) -> None:
        # With first_byte at 0 the wait would have ended before this, had it begun to run.
        finish.set()

    async with raw_upstream(script) as upstream:
        with pytest.raises(UpstreamTimeoutError, match=r"timeout\.first_byte"):
            await post(
                connector, upstream, source(), NO_FIELDS, Timeouts(first_byte=0.0), on_interim
            )
    assert finish.is_set()


async def test_a_duplex_answer_may_begin_before_and_end_after_the_body(
    connector: Connector,
) -> None:
    heard = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield b"one"
        await heard.wait()
        yield b"two"

    async def script(connection: RawConnection) -> None:
        await connection.head()
        first = await connection.take(8)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", first[3:6])
        await connection.take(8 + len(LAST))
        connection.send(b"two")
        await connection.rest()

    async with raw_upstream(script) as upstream:
        timeouts = Timeouts(idle=0.5)
        chunks = (await post(connector, upstream, source(), timeouts=timeouts)).chunks()
        assert await anext(chunks) == b"one"
        heard.set()
        assert await anext(chunks) == b"two"
        await connector.close()
