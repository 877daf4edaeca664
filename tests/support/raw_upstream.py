"""An upstream at the level of bytes: each connection runs the next script, step by step.

Where tests/support/origin.py answers like a server, this one breaks off, resets, floods
and dawdles. A script that raises, a connection nobody foresaw and a script that never
ran fail the test when the upstream closes.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from tests.support.ports import LOOPBACK


class RawConnection:
    """One accepted connection, as a script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """Everything up to and with the next empty line."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def take(self, size: int) -> bytes:
        """Exactly so many bytes."""
        return await self._reader.readexactly(size)

    async def rest(self) -> bytes:
        """Everything until the client ends; a reset ends it too."""
        got = bytearray()
        try:
            while piece := await self._reader.read(65536):
                got += piece
        except ConnectionResetError:
            pass
        return bytes(got)

    def send(self, *parts: bytes) -> None:
        """Send in one write."""
        self.writer.write(b"".join(parts))

    async def close(self) -> None:
        """Send what is left, then FIN both ways."""
        self.writer.close()
        await self.writer.wait_closed()

    def reset(self) -> None:
        """Drop the connection with RST."""
        sock = cast("socket.socket", self.writer.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[RawConnection], Awaitable[object]]


class RawUpstream:
    """What a test knows of it: where it is, and how many connections it accepted."""

    def __init__(self, scripts: tuple[Script, ...], scheme: str) -> None:
        self._scripts = list(scripts)
        self._scheme = scheme
        self._tasks: list[asyncio.Task[None]] = []
        self.errors: list[BaseException] = []
        self.accepted = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"{self._scheme}://{LOOPBACK}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        try:
            script = self._scripts.pop(0) if self._scripts else unforeseen
            await script(RawConnection(reader, writer))
        except Exception as error:  # noqa: BLE001 - kept for finish(), which fails the test
            self.errors.append(error)
        finally:
            writer.transport.abort()

    async def finish(self) -> None:
        """Every script must have run to its end; one that still waits is waiting in vain."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=2)
            for task in late:
                task.cancel()
            assert not late, "a script still waits for the client"
        assert not self.errors, self.errors
        assert not self._scripts, "a script had no connection"


async def unforeseen(connection: RawConnection) -> None:
    """The script of a connection too many."""
    raise AssertionError(f"a connection that no script foresaw: {connection}")


@asynccontextmanager
async def raw_upstream(
    *scripts: Script, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawUpstream]:
    """Listen on a free loopback port; the n-th connection runs the n-th script."""
    upstream = RawUpstream(scripts, "https" if tls else "http")
    server = await asyncio.start_server(upstream.serve, LOOPBACK, 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
        server.close()
        await upstream.finish()
    finally:
        server.close()


def replies(*answers: bytes) -> Script:
    """Answers so many bodyless requests of one connection, then waits for its end."""

    async def script(connection: RawConnection) -> None:
        for answer in answers:
            await connection.head()
            connection.send(answer)
        await connection.rest()

    return script
