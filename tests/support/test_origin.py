"""The scripted origin and the raw client, one against the other."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.answers import Answer, answer, head
from tests.support.http import Client, Connection
from tests.support.origin import Origin, Received

BODY = b"0123456789"

WHOLE = {
    "length": (answer(BODY), BODY, True),
    "chunks": (answer(chunks=[b"01234", "56789"]), BODY, True),
    "until-close": (answer(BODY, until_close=True), BODY, True),
    "one-byte-at-a-time": (answer(BODY, split=1), BODY, True),
    "json": (answer({"a": 1}), b'{"a":1}', True),
    "no-content": (answer(status=204), b"", True),
    "cut": (answer(BODY, cut_at=4), b"0123", False),
    "cut-in-a-chunk": (answer(chunks=[BODY], cut_at=3 + 4), b"0123", False),
    "less-than-it-said": (answer(BODY, length=20, close=True), BODY, False),
}


@pytest.mark.parametrize(("script", "body", "complete"), WHOLE.values(), ids=WHOLE)
async def test_an_answer_arrives_as_scripted(
    origin: Origin, script: Answer, body: bytes, complete: bool
) -> None:
    origin.reply(script)
    async with Client(origin.url) as client:
        got = await client.get("/x")
    assert (got.body, got.complete) == (body, complete)


async def test_a_request_is_kept_byte_for_byte(origin: Origin) -> None:
    sent = (
        b"PUT /a%2Fb?c=%20 HTTP/1.1\r\nhost:  odd \r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;x=y\r\nabc\r\n0\r\nTrailing: 1\r\n\r\n"
    )
    origin.reply(answer())
    async with Connection.open(origin.url) as connection:
        await connection.send(sent)
        await connection.answer()
    got = origin.last
    assert got.raw == sent
    assert (got.method, got.target, got.version) == ("PUT", "/a%2Fb?c=%20", "HTTP/1.1")
    assert (got.body, got.trailers.items, got.fields.get("HOST")) == (
        b"abc",
        (("Trailing", "1"),),
        "odd",
    )


async def test_interim_answers_and_trailers_are_seen(origin: Origin) -> None:
    origin.reply(answer(interim=[(103, {"Link": "x"})], chunks=["a"], trailers={"T": "1"}))
    async with Client(origin.url) as client:
        got = await client.get("/")
    assert [(one.status, one["link"]) for one in got.interim] == [(103, "x")]
    assert got.trailers.get("t") == "1"


async def test_a_connection_is_used_again(origin: Origin) -> None:
    origin.handler = lambda request: answer(request.target)
    async with Client(origin.url) as client:
        assert [(await client.get(target)).body for target in ("/a", "/b")] == [b"/a", b"/b"]
        assert (origin.connections, origin.open_connections) == (1, 1)
    await origin.closed(1)
    assert origin.open_connections == 0


async def test_it_holds_before_the_head_and_within_the_body(origin: Origin) -> None:
    before, within = asyncio.Event(), asyncio.Event()
    origin.reply(answer(BODY, hold_head=before, hold_body=within, hold_at=4))
    async with Connection.open(origin.url) as connection:
        await connection.ask("GET", "/")
        await origin.received(1)
        before.set()
        started = await connection.start()
        assert (started.status, await connection.piece()) == (200, b"0123")
        within.set()
        assert await connection.piece() == b"456789"


async def test_it_notices_a_client_that_leaves_while_it_holds(origin: Origin) -> None:
    origin.reply(answer(BODY, hold_body=asyncio.Event()))
    async with Connection.open(origin.url) as connection:
        await connection.ask("GET", "/")
        await connection.start()
        connection.abort()
    await origin.closed(1)
    assert not origin.last.answered


async def test_a_reset_is_an_error_to_the_client(origin: Origin) -> None:
    origin.reply((*answer(BODY, cut_at=2, reset=True),))
    async with Connection.open(origin.url) as connection:
        await connection.ask("GET", "/")
        with pytest.raises(ConnectionResetError):
            await connection.to_end()


async def test_it_answers_early_and_reads_the_body_after() -> None:
    async with Origin(early=True) as origin, Connection.open(origin.url) as connection:
        origin.reply(answer(status=413))
        await connection.send(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n")
        assert (await connection.answer()).status == 413
        await connection.send(b"abc")
        await origin.whole(1)
        assert origin.last.body == b"abc"


async def test_it_can_leave_a_request_body_unread() -> None:
    release = asyncio.Event()
    async with Origin(hold_request=release) as origin, Connection.open(origin.url) as connection:
        origin.reply(answer())
        size = 32 * 1024 * 1024
        await connection.send(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
        await origin.received(1)
        connection.writer.write(bytes(size))
        assert connection.writer.transport.get_write_buffer_size() > 0
        assert not origin.last.whole
        release.set()
        assert (await connection.answer()).status == 200
        assert len(origin.last.body) == size


async def test_it_sends_100_continue_to_those_who_expect_it(origin: Origin) -> None:
    origin.reply(answer(b"ok"))
    async with Connection.open(origin.url) as connection:
        await connection.ask("POST", "/", {"Expect": "100-continue", "Content-Length": "1"})
        assert await connection.reader.readexactly(25) == head(100, "Continue")
        await connection.send(b"x")
        assert (await connection.answer()).body == b"ok"


async def test_an_unforeseen_request_fails_the_test() -> None:
    with pytest.raises(ExceptionGroup) as failed:
        async with Origin() as origin, Client(origin.url) as client:
            assert (await client.get("/nobody")).status == 500
    assert "no reply for GET /nobody" in repr(failed.value.exceptions)


async def test_a_handler_may_be_async_and_its_error_fails_the_test() -> None:
    async def handler(request: Received) -> Answer:
        await asyncio.sleep(0)
        raise ValueError(request.target)

    with pytest.raises(ExceptionGroup) as failed:
        async with Origin(handler) as origin, Client(origin.url) as client:
            await client.get("/x")
    assert repr(failed.value.exceptions) == "(ValueError('/x'),)"


async def test_many_at_once_each_get_their_own_answer(origin: Origin) -> None:
    origin.handler = lambda request: answer(request.target)
    async with Client(origin.url) as client:
        targets = [f"/{number}" for number in range(50)]
        got = await asyncio.gather(*map(client.get, targets))
    assert [one.body.decode() for one in got] == targets
    assert origin.connections == 50


async def test_a_stopped_origin_refuses(origin: Origin) -> None:
    await origin.stop()
    with pytest.raises(ConnectionRefusedError):
        await Connection.connect(origin.url)
