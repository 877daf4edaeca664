"""The head of an answer that is passed on is its own, whatever those before it were.

Plain answers that differ in a number only come by turns with such as are like them but for one
thing; a proxy with lanes and one without must make the same of each, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.answers import Answer, Close, Send
from tests.support.clock import ManualClock
from tests.support.http import Connection
from tests.support.larder import Larder, rules_text, serving, together
from tests.support.origin import Origin

RULES: Final = rules_text("- {name: all, ttl: off}", upstream="retry: {attempts: 1}")
SEEN: Final = 4
"""Requests after which the next of the kind is the relay lane's."""

OK: Final = "HTTP/1.1 200 OK"
SERIAL: Final = "X-Serial: {0}"
DATE: Final = "Date: Fri, 15 Jan 2027 07:59:59 GMT"
LENGTH: Final = "Content-Length: 2"
LINES: Final = (SERIAL, DATE, LENGTH)
CHUNKS: Final = "2\r\nok\r\n0\r\n\r\n"


def whole(*lines: str, body: str = "ok", first: str = OK) -> bytes:
    """All of an answer."""
    return "\r\n".join((first, *lines, "", body)).encode("latin-1")


def closed(data: bytes) -> Answer:
    """The connection ends behind it."""
    return Send(data), Close()


PLAIN: Final = whole(*LINES)
ODD: Final[dict[str, bytes | Answer]] = {
    "age": whole(*LINES, "Age: 3"),
    "own cache-status": whole("Cache-Status: up; hit", *LINES),
    "own x-cache": whole(*LINES, "X-Cache: HIT"),
    "no date": whole(SERIAL, LENGTH),
    "another date": whole(SERIAL, "Date: Tue, 14 Nov 2023 22:13:20 GMT", LENGTH),
    "two dates": whole(SERIAL, DATE, DATE, LENGTH),
    "empty date": whole(SERIAL, "Date:", LENGTH),
    "spelled date": whole(SERIAL, DATE.lower(), LENGTH),
    "another order": whole(LENGTH, DATE, SERIAL),
    "two serials": whole(*LINES, SERIAL),
    "no serial": whole(DATE, LENGTH),
    "empty serial": whole("X-Serial:", DATE, LENGTH),
    "odd spaces": whole("X-Serial:  {0}\t", DATE, LENGTH),
    "no space": whole("X-Serial:{0}", DATE, LENGTH),
    "space before": whole("X-Serial : {0}", DATE, LENGTH),
    "spelled length": whole(SERIAL, DATE, "CONTENT-LENGTH: 2"),
    "another length": whole(SERIAL, DATE, "Content-Length: 4", body="okay"),
    "no body": whole(SERIAL, DATE, "Content-Length: 0", body=""),
    "zeros": whole(SERIAL, DATE, "Content-Length: 02"),
    "plus": whole(SERIAL, DATE, "Content-Length: +2"),
    "two lengths": whole(*LINES, LENGTH),
    "two that differ": whole(*LINES, "content-length: 1"),
    "two in one": whole(SERIAL, DATE, "Content-Length: 2, 2"),
    "a length in it": whole("X-Serial: a Content-Length: 1", DATE, LENGTH),
    "no length": closed(whole(SERIAL, DATE)),
    "chunked too": whole(*LINES, "Transfer-Encoding: chunked", body=CHUNKS),
    "chunked": whole(SERIAL, DATE, "Transfer-Encoding: chunked", body=CHUNKS),
    "identity": whole(*LINES, "Transfer-Encoding: identity"),
    "too long": closed(whole(*LINES, body="okay")),
    "twice": closed(whole(*LINES) * 2),
    "cut": closed(whole(*LINES, body="o")),
    "in pieces": (Send(PLAIN, split=70),),
    "in a body": (Send(PLAIN, split=len(PLAIN) - 1),),
    "body behind": (Send(whole(*LINES, body="")), Send(b"ok")),
    "close": closed(whole(*LINES, "Connection: close")),
    "close, left open": whole(*LINES, "Connection: close"),
    "keep-alive": whole(*LINES, "Connection: keep-alive"),
    "hop by hop": whole(*LINES, "Connection: X-Serial"),
    "kept a second": whole(*LINES, "Keep-Alive: timeout=1"),
    "kept a minute": whole(*LINES, "Keep-Alive: timeout=60"),
    "trailer": whole(*LINES, "Trailer: X-T"),
    "upgrade": whole(*LINES, "Upgrade: h2c"),
    "cookie": whole(*LINES, "Set-Cookie: a={0}"),
    "vary": whole(*LINES, "Vary: *"),
    "no reason": whole(*LINES, first="HTTP/1.1 200 "),
    "nothing behind": whole(*LINES, first="HTTP/1.1 200"),
    "another reason": whole(*LINES, first="HTTP/1.1 200 Fine"),
    "not found": whole(*LINES, first="HTTP/1.1 404 OK"),
    "a fault": whole(*LINES, first="HTTP/1.1 503 OK"),
    "not modified": whole(SERIAL, DATE, body="", first="HTTP/1.1 304 OK"),
    "one with a length": whole(*LINES, body="", first="HTTP/1.1 304 OK"),
    "no content": whole(SERIAL, DATE, body="", first="HTTP/1.1 204 OK"),
    "older": closed(whole(*LINES, first="HTTP/1.0 200 OK")),
    "interim": whole(body=PLAIN.decode(), first="HTTP/1.1 103 Early"),
    "interim with a length": whole("Content-Length: 0", body=PLAIN.decode(), first="HTTP/1.1 103"),
    "old websocket": whole(*LINES, "Sec-WebSocket-Key1: {0}"),
    "bare newlines": PLAIN.replace(b"\r\n", b"\n"),
    "obs-fold": whole("X-Serial: a\r\n b", DATE, LENGTH),
    "nul": closed(whole("X-Serial: a\0b", DATE, LENGTH)),
    "bare cr": closed(whole("X-Serial: a\rb", DATE, LENGTH)),
    "control": closed(whole("X-Serial: a\x01b", DATE, LENGTH)),
    "latin": whole("X-Serial: \xe4", DATE, LENGTH),
    "percent": whole("X-Serial: %d%s", DATE, LENGTH),
    "underscores": whole(SERIAL, DATE, "Content_Length: 1", LENGTH),
    "many lines": whole(*LINES, *("X-More: {0}",) * 70),
    "too many lines": whole(*LINES, *("X-More: {0}",) * 300),
    "a long line": whole(*LINES, "X-Serial: " + "x" * 9000),
}  # fmt: skip


def steps(odd: bytes | Answer, numbers: Iterator[int]) -> Answer:
    """How it is sent, with a serial number of its own."""
    number = b"%d" % (10 + next(numbers))
    return tuple(
        Send(step.data.replace(b"{0}", number), step.split) if isinstance(step, Send) else step
        for step in (odd if isinstance(odd, tuple) else (Send(odd),))
    )


Told = tuple[bytes | None, int]
"""An answer, if it was complete, and on how many connections the upstream was asked so far."""


async def told(proxy: Larder, origin: Origin, odd: bytes | Answer) -> list[Told]:
    """Plain answers and odd ones by turns, each often enough to be known."""
    numbers, first = iter(range(90)), origin.connections
    port = str(origin.port).encode()
    seen: list[Told] = []
    client = await Connection.connect(proxy.app.proxy_url)
    for each in (*[PLAIN] * (SEEN + 2), *[odd, odd, PLAIN] * 3, PLAIN):
        origin.reply(steps(each, numbers))
        await client.ask("GET", "/db/a")
        got = await client.answer()
        raw = b"".join(answer.raw for answer in (*got.interim, got)).replace(port, b"PORTS")
        seen.append((raw if got.complete else None, origin.connections - first))
        if not got.complete or got.fields.get("connection") == "close":
            await client.close()
            client = await Connection.connect(proxy.app.proxy_url)
    await client.close()
    return seen


async def test_each_is_as_without_the_lanes(origin: Origin, tmp_path: Path) -> None:
    clock, rules = ManualClock(), tmp_path / "rules.yaml"
    rules.write_text(RULES)
    async with together() as enter:
        sides = [
            await enter(serving(rules, {"ORIGIN": origin.url}, clock, lane_bytes=lane_bytes))
            for lane_bytes in (1 << 20, 0)
        ]
        for name, odd in ODD.items():
            with_lanes, without = [await told(side, origin, odd) for side in sides]
            assert with_lanes == without, name
        relayed = [side.app.readings().lanes["relay"].answered for side in sides]
    assert relayed[0] > len(ODD) * SEEN
    assert relayed[1] == 0
