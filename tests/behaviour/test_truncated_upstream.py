"""An answer that broke off is never stored, and the client can see that it is not whole."""

from __future__ import annotations

import pytest

from tests.support.answers import Answer, answer
from tests.support.http import Connection
from tests.support.larder import StartLarder
from tests.support.origin import Origin

FRESH = ("Cache-Control", "max-age=60")
SSE = ("Content-Type", "text/event-stream")
FRESH_SSE = [FRESH, SSE]
routes = pytest.mark.parametrize(
    "routes", [pytest.param("", id="http"), pytest.param("- {name: all, ttl: 5m}", id="rule")]
)
BROKEN = {
    "shorter-than-its-length": answer("12345678", fields=[FRESH], cut_at=4),
    "reset": answer("12345678", fields=[FRESH], cut_at=4, reset=True),
    "chunked-without-its-end": answer(chunks=["1234", "5678"], fields=[FRESH], cut_at=9),
    "within-a-chunk": answer(chunks=["1234", "5678"], fields=[FRESH], cut_at=13),
    "right-after-the-head": answer("12345678", fields=[FRESH], cut_at=0),
}


@routes
@pytest.mark.parametrize("broken", BROKEN)
async def test_it_is_broken_off_for_the_client_and_not_stored(
    larder: StartLarder, origin: Origin, routes: str, broken: str
) -> None:
    scripted: Answer = BROKEN[broken]
    origin.reply(scripted, answer("whole", fields=[FRESH]))
    proxy = await larder(routes, upstream="retry: {attempts: 1}")
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a")
        got = await client.answer()
    assert not got.complete
    record = await proxy.told(1)
    assert (record.stored, record.not_stored, record.aborted) == (False, "truncated", True)
    assert (await proxy.get("/db/a")).body == b"whole"
    assert await proxy.metric("larder_not_stored_total", reason="truncated") == 1


@pytest.mark.parametrize("body", ["", "data: 1\n\n"])
async def test_an_answer_ended_by_close_is_whole(
    larder: StartLarder, origin: Origin, body: str
) -> None:
    """RFC 9112 §6.3: without a length, the end of the connection is the end of the body."""
    origin.reply(answer(body + "x", fields=[FRESH], until_close=True))
    proxy = await larder()
    first, second = await proxy.get("/db/a"), await proxy.get("/db/a")
    assert (first.body, first.complete, second["X-Cache"]) == ((body + "x").encode(), True, "HIT")


@pytest.mark.parametrize(
    ("complete", "body", "kept"),
    [
        pytest.param("openai", 'data: {"id":"chatcmpl-1"}\n\ndata: [DONE]\n\n', True, id="done"),
        pytest.param("openai", 'data: {"id":"chatcmpl-1"}\n\n', False, id="no-done"),
        pytest.param("auto", 'data: {"id":"chatcmpl-1"}\n\n', False, id="recognised"),
        pytest.param("auto", "data: anything\n\n", True, id="unknown-protocol"),
        pytest.param("auto", 'data: {"error": {"message": "no"}}\n\n', False, id="error-event"),
        pytest.param("eof", 'data: {"id":"chatcmpl-1"}\n\n', True, id="eof"),
    ],
)
async def test_a_stream_without_its_last_event_is_not_stored(
    larder: StartLarder, origin: Origin, complete: str, body: str, kept: bool
) -> None:
    """Cleanly framed, and still not the whole answer."""
    origin.handler = lambda _: answer(chunks=[body], fields=FRESH_SSE)
    proxy = await larder(f"- {{name: chat, ttl: 5m, stream: {{complete: {complete}}}}}")
    assert (await proxy.get("/db/a")).body == body.encode()
    assert (await proxy.get("/db/a"))["X-Cache"] == ("HIT" if kept else "MISS")


@routes
async def test_what_was_stored_survives_a_broken_refetch(
    larder: StartLarder, origin: Origin, routes: str
) -> None:
    origin.reply(answer("good", fields=[FRESH]), answer("12345678", fields=[FRESH], cut_at=4))
    proxy = await larder(routes, upstream="retry: {attempts: 1}")
    await proxy.get("/db/a")
    async with Connection.open(proxy.app.proxy_url) as client:
        await client.ask("GET", "/db/a", {"Cache-Control": "no-cache"})
        assert not (await client.answer()).complete
    assert (await proxy.get("/db/a")).body == b"good"
