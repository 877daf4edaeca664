"""The upstream of deploy/bench.py, and its yardstick: uvloop protocols that answer constants.

`origin.py PORT [yardstick]`, on loopback, until SIGTERM. They parse next to nothing,
so that what is measured is the proxy in front. The upstream counts what it is asked,
and says so at /bench/count: a hit that reached it was none. The yardstick counts and
looks at nothing: what it reaches, no Python server can exceed.
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from email.utils import formatdate
from typing import cast

import uvloop

KIB = 1024
STORED, PASSED = b"public, max-age=3600", b"no-store"
DATE = formatdate(usegmt=True).encode()
"""Of the start: an answer without one is no answer that every cache stores."""
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def json_body(size: int) -> bytes:
    """A JSON text of `size` bytes."""
    return b'{"data":"' + b"x" * (size - 11) + b'"}'


def answer(body: bytes, cache_control: bytes = STORED) -> bytes:
    """The whole answer, ready to be written."""
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        b"Date: %s\r\nCache-Control: %s\r\n\r\n%s" % (len(body), DATE, cache_control, body)
    )


def completion(size: int) -> bytes:
    """A chat completion of `size` bytes, as an OpenAI-compatible API gives it."""
    before = (
        b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"small",'
        b'"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"'
    )
    usage = b'"usage":{"prompt_tokens":9,"completion_tokens":91,"total_tokens":100}'
    after = b'"}}],' + usage + b"}"
    return before + b"x" * (size - len(before) - len(after)) + after


def event_stream(events: int) -> bytes:
    """As many server-sent events, a chunk each, and the end that completion APIs send."""
    texts = [b'data: {"delta":"word %03d"}\n\n' % number for number in range(events)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(text), text) for text in (*texts, b"data: [DONE]\n\n"))
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        b"Date: %s\r\nCache-Control: %s\r\n\r\n%s0\r\n\r\n" % (DATE, STORED, chunks)
    )


HIT = answer(json_body(KIB))
OTHERS = {
    b"pass": answer(json_body(KIB), PASSED),
    b"100k": answer(json_body(100 * KIB)),
    b"10m": answer(json_body(10 * KIB * KIB)),
    b"sse": event_stream(50),
    b"chat": answer(completion(KIB)),
}


class Yardstick(asyncio.Protocol):
    """Answers each request head with the same bytes; a body is passed over with the next head."""

    def __init__(self) -> None:
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every head that is complete."""
        *heads, self.rest = (self.rest + data).split(b"\r\n\r\n")
        for _ in heads:
            self.transport.write(HIT)


class Upstream(Yardstick):
    """Answers /ANY/KIND and what is below it, bodies and all, and counts."""

    asked = 0

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        data = self.rest + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head, end = data[:end], end + 4
            if head.startswith(b"POST ") and (length := LENGTH.search(head)):
                end += int(length[1])
            if end > len(data):
                break
            data = data[end:]
            self.transport.write(self.reply(head))
        self.rest = data

    @classmethod
    def reply(cls, head: bytes) -> bytes:
        """The answer to the request with this head."""
        kind = head.split(b" ", 2)[1].split(b"/", 3)[2]
        if kind == b"count":
            return answer(b"%d" % cls.asked, PASSED)
        cls.asked += 1
        return OTHERS.get(kind, HIT)


async def serve(port: int, protocol: type[Yardstick]) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await loop.create_server(protocol, "127.0.0.1", port, backlog=1024)
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Yardstick if "yardstick" in sys.argv else Upstream))
