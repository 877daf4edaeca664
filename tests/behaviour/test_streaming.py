"""Bodies flow in both directions as they come, with bounded memory and at the reader's pace."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from tests.support.answers import answer, head
from tests.support.http import Connection
from tests.support.larder import StartLarder, until
from tests.support.origin import Origin
from tests.support.raw_upstream import RawConnection, raw_upstream
from tests.support.wire import chunk

MIB = 1 << 20
PIECE = b"\xa5" * 65536
SSE = ("Content-Type", "text/event-stream")
RULE = "- {name: all, match: 'GET,POST /{any:path}', ttl: 5m}"


def resident() -> int:
    """Bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize(
    "routes", ["", RULE, "- {name: all, ttl: off}"], ids=["http", "rule", "off"]
)
async def test_the_first_event_does_not_wait_for_the_second(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    second = asyncio.Event()
    origin.reply(
        answer(chunks=["data: 1\n\n", "data: 2\n\n"], fields=[SSE], hold_body=second, hold_at=12)
    )
    proxy = await larder(routes)
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/events")
        assert (await client.start()).status == 200
        assert b"data: 1\n\n" in await client.piece()
        second.set()
        assert b"data: 2\n\n" in await client.piece()


async def test_the_head_does_not_wait_for_the_first_event(
    larder: StartLarder, origin: Origin
) -> None:
    """A feed that is quiet at first is open nevertheless."""
    first = asyncio.Event()
    origin.reply(answer(chunks=["data: 1\n\n"], fields=[SSE], hold_body=first))
    proxy = await larder()
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/events")
        assert (await client.start())["Content-Type"] == "text/event-stream"
        first.set()
        assert b"data: 1" in await client.piece()


async def test_an_upload_reaches_the_upstream_while_it_is_being_sent(
    larder: StartLarder, origin: Origin
) -> None:
    proxy = await larder()
    origin.reply(answer("done"))
    async with Connection.open(proxy.app.proxy_url) as client:
        lines = b"POST /db/up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.send(lines + chunk(b"first"))
        await origin.received(1)
        await client.send(chunk(b"second") + b"0\r\nX-Sum: 7\r\n\r\n")
        assert (await client.answer()).body == b"done"
    assert origin.last.body == b"firstsecond"


async def test_an_answer_may_come_before_the_upload_is_whole(larder: StartLarder) -> None:
    """RFC 9112 §9.5: a refusal such as 413 reaches a client that is still sending."""
    proxy = await larder()
    async with Origin(lambda _: answer("too large", 413, close=True), early=True) as origin:
        proxy.rules.write_text(proxy.rules.read_text().replace("${ORIGIN}", origin.url))
        assert await proxy.app.reload() == ()
        async with Connection.open(proxy.app.proxy_url) as client:
            await client.send(
                b"POST /db/up HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\nbegin"
            )
            told = await client.answer()
    assert (told.status, told.body) == (413, b"too large")


@pytest.mark.parametrize("stored", [False, True], ids=["miss", "hit"])
async def test_a_client_of_http_1_0_gets_no_chunks(
    larder: StartLarder, origin: Origin, stored: bool
) -> None:
    """RFC 9112 §6.1: the end of the connection, or a length, is its framing."""
    origin.handler = lambda _: answer(chunks=["first", "second"])
    proxy = await larder(RULE)
    for _ in range(stored):
        await proxy.get("/db/a")
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.send(b"GET /db/a HTTP/1.0\r\nHost: larder.test\r\n\r\n")
        raw = await client.to_end()
    head_, _, body = raw.partition(b"\r\n\r\n")
    assert body == b"firstsecond"
    assert b"transfer-encoding" not in head_.lower()
    assert (b"X-Cache: HIT" in head_) is stored


async def test_pipelined_requests_are_answered_in_order(
    larder: StartLarder, origin: Origin
) -> None:
    """RFC 9112 §9.3.2: also when a later one is a hit and an earlier one waits."""
    hold = asyncio.Event()
    proxy = await larder(RULE)
    origin.reply(answer("warm"))
    await proxy.get("/db/warm")
    origin.reply(answer("slow", hold_head=hold))
    async with Connection.open(proxy.app.proxy_url) as client:
        lines = b"GET /db/%s HTTP/1.1\r\nHost: larder.test\r\n\r\n"
        await client.send(lines % b"slow" + lines % b"warm" + lines % b"warm")
        await origin.received(2)
        hold.set()
        assert [(await client.answer()).body for _ in range(3)] == [b"slow", b"warm", b"warm"]


@pytest.mark.slow
@pytest.mark.parametrize("routes", ["", RULE], ids=["http", "rule"])
async def test_a_hundred_megabytes_out_in_bounded_memory(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    """An answer longer than the stores take flows through; it is not stored."""
    proxy = await larder(routes, top="store: {shared: none, max_object: 1MiB}")
    pieces = 100 * MIB // len(PIECE)

    async def script(upstream: RawConnection) -> None:
        await upstream.head()
        length = ("Content-Length", str(pieces * len(PIECE)))
        upstream.send(head(200, fields=[("Cache-Control", "max-age=60"), length]))
        for _ in range(pieces):
            upstream.send(PIECE)
            await upstream.writer.drain()
        await upstream.close()

    async with raw_upstream(script) as source:
        origin.handler = lambda _: answer("never")
        text = proxy.rules.read_text().replace("${ORIGIN}", source.url)
        proxy.rules.write_text(text)
        assert await proxy.app.reload() == ()
        async with Connection.open(proxy.app.proxy_url) as client:
            await client.ask("GET", "/db/big")
            await client.start()
            before, got, most = resident(), 0, 0
            while got < pieces * len(PIECE):
                got += len(await client.reader.read(MIB))
                most = max(most, resident())
        assert most - before < 24 * MIB
        record = await proxy.told(1)
        assert (record.response_bytes, record.not_stored) == (100 * MIB, "too-large")


@pytest.mark.slow
async def test_a_hundred_megabytes_in_in_bounded_memory(larder: StartLarder) -> None:
    proxy = await larder()
    pieces = 100 * MIB // len(PIECE)
    taken = 0

    async def script(upstream: RawConnection) -> None:
        nonlocal taken
        await upstream.head()
        for _ in range(pieces):
            taken += len(await upstream.take(len(PIECE)))
        upstream.send(head(200, fields=[("Content-Length", "2")]), b"ok")
        await upstream.close()

    async with raw_upstream(script) as sink:
        proxy.rules.write_text(proxy.rules.read_text().replace("${ORIGIN}", sink.url))
        assert await proxy.app.reload() == ()
        async with Connection.open(proxy.app.proxy_url) as client:
            gc.collect()
            before, most = resident(), 0
            length = pieces * len(PIECE)
            await client.send(
                b"PUT /db/big HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length
            )
            for _ in range(pieces):
                await client.send(PIECE)
                most = max(most, resident())
            assert (await client.answer()).body == b"ok"
            assert taken == length
        assert most - before < 24 * MIB


@pytest.mark.slow
async def test_a_slow_client_slows_the_upstream_down(larder: StartLarder) -> None:
    """Back-pressure: what nobody reads is not read from the upstream either."""
    proxy = await larder("- {name: all, ttl: off}")
    sent = 0

    async def script(upstream: RawConnection) -> None:
        nonlocal sent
        await upstream.head()
        upstream.send(head(200, fields=[("Transfer-Encoding", "chunked")]))
        for _ in range(64 * MIB // len(PIECE)):
            upstream.send(chunk(PIECE))
            await upstream.writer.drain()
            sent += len(PIECE)
        upstream.send(b"0\r\n\r\n")
        await upstream.close()

    async with raw_upstream(script) as source:
        proxy.rules.write_text(proxy.rules.read_text().replace("${ORIGIN}", source.url))
        assert await proxy.app.reload() == ()
        async with Connection.open(proxy.app.proxy_url) as client:
            client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # noqa: SLF001 - a client that does not read
            await client.ask("GET", "/db/big")
            seen = -1

            def stalled() -> bool:
                nonlocal seen
                before, seen = seen, sent
                return sent > 0 and sent == before

            await until(stalled)
            assert sent < 32 * MIB
            client.reader._transport.resume_reading()  # type: ignore[attr-defined]  # noqa: SLF001
            assert len((await client.answer()).body) == 64 * MIB
