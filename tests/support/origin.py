"""A scripted upstream on loopback: what it answers, and when, is a test's to say.

Answers (tests/support/answers.py) are given in order, `origin.reply(...)`, or by a
function, `origin.handler = f`. Every request is kept byte for byte. A request that
nobody foresaw, or a handler that raised, fails the test when the origin closes.

    async with Origin() as origin:
        origin.reply(answer(b"hello", hold_body=event), answer(status=503))
"""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, cast

from proxy.fields import NO_FIELDS, Fields
from tests.support import wire
from tests.support.answers import Answer, answer, head, take
from tests.support.ports import LOOPBACK


@dataclass(slots=True)
class Received:
    """One request as it came; `raw` is every byte of it, `connection` counts from 1."""

    method: str
    target: str
    version: str
    fields: Fields
    connection: int
    raw: bytes
    body: bytes = b""
    trailers: Fields = NO_FIELDS
    whole: bool = False
    """Its body was read to the end."""
    answered: bool = False
    """Every step of its answer was taken; False if the client left (or half-closed) before."""


Handler = Callable[[Received], Answer | Awaitable[Answer]]


class _Protocol(asyncio.StreamReaderProtocol):
    """Ends the task that answers as soon as the client has left, even while it holds."""

    answering: asyncio.Task[None] | None = None

    def eof_received(self) -> bool | None:
        self._left()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._left()
        super().connection_lost(exc)

    def _left(self) -> None:
        if self.answering is not None:
            self.answering.cancel()


class Origin:
    """The server; see the head of this file. Use it with `async with`."""

    def __init__(
        self,
        handler: Handler | None = None,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        early: bool = False,
        hold_request: asyncio.Event | None = None,
    ) -> None:
        """`early` answers at the head and reads the body afterwards.

        `hold_request` keeps the body in the client's hands until it is set.
        """
        self.handler = handler or _unforeseen
        self.port = port
        self.requests: list[Received] = []
        self._tls = tls
        self._early = early
        self._hold_request = hold_request
        self._replies: deque[Answer] = deque()
        self._opened = 0
        self._closed = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._failures: list[Exception] = []
        self._server: asyncio.Server | None = None

    # What a test says.

    def reply(self, *answers: Answer) -> None:
        """Give these answers, in order, before the handler is asked."""
        self._replies.extend(answers)

    # What a test asks.

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}"

    @property
    def last(self) -> Received:
        """The latest request."""
        return self.requests[-1]

    @property
    def connections(self) -> int:
        """How many were ever opened."""
        return self._opened

    @property
    def open_connections(self) -> int:
        """How many are open now."""
        return self._opened - self._closed

    async def received(self, count: int) -> None:
        """Return once `count` requests have come, heads at least."""
        await self._until(lambda: len(self.requests) >= count)

    async def whole(self, count: int) -> None:
        """Return once `count` requests have come whole, bodies included."""
        await self._until(lambda: sum(request.whole for request in self.requests) >= count)

    async def closed(self, count: int) -> None:
        """Return once `count` connections have ended."""
        await self._until(lambda: self._closed >= count)

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(holds)

    # Its life.

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Protocol(asyncio.StreamReader(limit=wire.LIMIT), self._serve),
            LOOPBACK,
            self.port,
            ssl=self._tls,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        if error is None and self._failures:
            raise ExceptionGroup("the origin was asked what it cannot answer", self._failures)

    async def stop(self) -> None:
        """Refuse new connections and drop the open ones; what was recorded stays."""
        if self._server is None:
            return
        self._server.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    # One connection.

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._opened += 1
        try:
            await self._exchanges(self._opened, reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # The client left, or the test is over: `answered` tells it.
        except Exception as error:  # noqa: BLE001  what else goes wrong fails the test at its end
            self._failures.append(error)
        finally:
            writer.close()
            self._closed += 1
            self._tasks.discard(task)
            await self._tell()

    async def _exchanges(
        self, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while (start := await wire.read_head(reader)) is not None:
            request = Received(*start.start, start.fields, connection, start.raw)
            self.requests.append(request)
            await self._tell()
            if not self._early:
                await self._read(request, reader, writer)
            if not await self._answer(request, writer):
                return
            if self._early:
                await self._read(request, reader, writer)
            if _asks_to_close(request):
                return

    async def _read(
        self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._hold_request is not None:
            # The event loop's transport would read on into memory by itself.
            transport = cast("asyncio.Transport", writer.transport)
            transport.pause_reading()
            await self._hold_request.wait()
            transport.resume_reading()
        if (request.fields.get("expect") or "").lower() == "100-continue" and not self._early:
            writer.write(head(100, "Continue"))
        body = wire.Body()
        try:
            await wire.read_body(reader, request.fields, body)
            request.whole = True
        finally:
            request.raw += body.raw
            request.body, request.trailers = bytes(body.data), body.trailers
            await self._tell()

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        """Answer; whether the connection is still open after that."""
        protocol = cast("_Protocol", writer.transport.get_protocol())
        protocol.answering = asyncio.current_task()
        open_still = await take(await self._choose(request), writer)
        protocol.answering = None
        request.answered = True
        return open_still

    async def _choose(self, request: Received) -> Answer:
        if self._replies:
            return self._replies.popleft()
        try:
            made = self.handler(request)
            return await made if inspect.isawaitable(made) else made
        except Exception as error:  # noqa: BLE001  whatever a handler raises fails the test at its end
            self._failures.append(error)
            return answer(f"origin: {error!r}", 500, close=True)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _unforeseen(request: Received) -> Answer:
    raise LookupError(f"no reply for {request.method} {request.target}")


def _asks_to_close(request: Received) -> bool:
    wants = (request.fields.get("connection") or "").lower()
    return wants == "close" or (request.version == "HTTP/1.0" and wants != "keep-alive")
