"""Uploads: a request body on its way up, beside the reading of its answer.

Knows a wire to write to and the limits, not where the bytes come from.
Invariants: what goes up is exactly what was announced, or the connection is
ended so that the upstream cannot take a part for the whole; a connection that
the upstream ended only ends the upload, for its answer may already be here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

from proxy.errors import ClientError, UpstreamProtocolError
from proxy.fields import Fields
from proxy.flow.limits import Limits
from proxy.flow.lost import ConnectionLost
from proxy.flow.request_head import no_trailers
from proxy.flow.wire import Wire

SLICE: Final = 64 * 1024
"""Bytes written at a time, and the largest body that goes out in one write with its head."""


async def in_slices(body: bytes) -> AsyncIterator[bytes]:
    """A whole body in pieces that the back-pressure of a socket can act on."""
    view = memoryview(body)
    for start in range(0, len(view), SLICE):
        yield bytes(view[start : start + SLICE])


class Upload:
    """Sends `chunks` as `length` bytes, or chunked and with trailers when `length` is None."""

    def __init__(
        self,
        wire: Wire,
        limits: Limits,
        chunks: AsyncIterator[bytes],
        length: int | None,
        trailers: Callable[[], Fields] = no_trailers,
    ) -> None:
        self._wire = wire
        self._limits = limits
        self._chunks = chunks
        self._length = length
        self._trailers = trailers
        self.complete = False
        self.on_complete: Callable[[], None] | None = None

    async def run(self) -> None:
        """Send it all. Never raises: a failure is handed to whoever reads the answer."""
        try:
            await (
                self._send_chunked() if self._length is None else self._send_counted(self._length)
            )
        except ConnectionLost:
            return
        except Exception as error:  # noqa: BLE001 - whatever the source raises, its reader gets
            self._wire.fail(error)
            return
        self.complete = True
        if self.on_complete is not None:
            self.on_complete()

    async def _send_chunked(self) -> None:
        async for chunk in self._chunks:
            if chunk:
                await self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self._wire.write(b"0\r\n" + self._trailers().to_bytes() + b"\r\n")

    async def _send_counted(self, length: int) -> None:
        left = length
        async for chunk in self._chunks:
            left -= len(chunk)
            if left < 0:
                raise ClientError(400, "the request body is longer than its Content-Length")
            await self._write(chunk)
            # Not waiting for the source to end: the upstream may already be answering.
            if left == 0:
                return
        if left:
            raise ClientError(400, "the request body ended before its Content-Length")

    async def _write(self, data: bytes) -> None:
        self._wire.write(data)
        if self._wire.writing_paused:
            async with self._limits.wait("idle", self._wire.peer):
                await self._wire.drain()


class Tunnel:
    """Sends bytes as they come, after a 101, and the end of them as an end of stream."""

    def __init__(
        self,
        wire: Wire,
        limits: Limits,
        data: AsyncIterator[bytes],
        on_write: Callable[[], None],
    ) -> None:
        self._wire = wire
        self._limits = limits
        self._data = data
        self._on_write = on_write

    async def run(self) -> None:
        """Send until the client ends. Never raises: where it breaks off, the reading does."""
        try:
            async for piece in self._data:
                self._wire.write(piece)
                self._on_write()
                if self._wire.writing_paused:
                    async with self._limits.wait("idle", self._wire.peer):
                        await self._wire.drain()
            self._wire.write_eof()
        except ConnectionLost:
            return
        except Exception:  # noqa: BLE001 - the client left, or takes nothing: no fault of the reader
            self._wire.fail(UpstreamProtocolError(f"{self._wire.peer}: a tunnel broke off"))
