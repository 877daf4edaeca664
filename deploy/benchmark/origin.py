"""The upstream of deploy/bench.py: a uvloop protocol that answers a constant 1 KiB.

`origin.py PORT`, on loopback, until SIGTERM. Parses nothing but the ends of heads,
so that what is measured is the proxy in front of it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import cast

import uvloop

BODY = b'{"data":"' + b"x" * (1024 - 11) + b'"}'


def answer(cache_control: bytes) -> bytes:
    """The whole answer, ready to be written."""
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
        b"Cache-Control: %s\r\n\r\n%s" % (len(BODY), cache_control, BODY)
    )


HIT, PASS = answer(b"public, max-age=3600"), answer(b"no-store")


class Constant(asyncio.Protocol):
    """Answers each request head with the same bytes; requests have no bodies here."""

    def __init__(self) -> None:
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every head that is complete."""
        *heads, self.rest = (self.rest + data).split(b"\r\n\r\n")
        for head in heads:
            self.transport.write(PASS if b"/pass " in head[:40] else HIT)


async def serve(port: int) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    await loop.create_server(Constant, "127.0.0.1", port, backlog=1024)
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
