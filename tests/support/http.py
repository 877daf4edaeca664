"""A small HTTP/1.1 client that hides nothing: raw bytes out, every byte of the answer in.

`Connection` is one socket: send what you like, read one answer, a piece at a time
or to the end of the stream. `Client` does plain requests over kept-alive
connections, as many at once as are asked for.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from proxy.fields import NO_FIELDS, Fields
from tests.support import wire
from tests.support.build import FieldLines, as_bytes, as_fields


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: `raw` is its bytes from the status line on, without interim answers.

    Of an answer that broke off, `body` is what came and `complete` is False.
    """

    status: int
    reason: str
    version: str
    fields: Fields
    raw: bytes
    body: bytes = b""
    trailers: Fields = NO_FIELDS
    interim: tuple[Answer, ...] = ()
    complete: bool = True

    def __getitem__(self, name: str) -> str:
        """The value of a field; KeyError if the answer has none."""
        value = self.fields.get(name)
        if value is None:
            raise KeyError(f"{name} among {sorted(self.fields.names())}")
        return value

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Connection:
    """One connection to a server; `async with Connection.open(url)` closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, url: str, tls: ssl.SSLContext | None = None) -> Self:
        """Connect to the host and port of `url`."""
        parts = urlsplit(url)
        return cls(
            *await asyncio.open_connection(parts.hostname, parts.port, ssl=tls, limit=wire.LIMIT)
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Self]:
        """Connect, and close at the end."""
        connection = await cls.connect(url, tls)
        try:
            yield connection
        finally:
            await connection.close()

    async def send(self, data: bytes) -> None:
        """Send these bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def ask(
        self, method: str, target: str, fields: FieldLines = (), body: object = b""
    ) -> None:
        """Send a request; Host and Content-Length are added where `fields` has none."""
        await self.send(request_bytes(method, target, fields, body))

    async def start(self) -> Answer:
        """The next head, interim answers collected before it, without its body."""
        interim: list[Answer] = []
        while True:
            head = await self._head()
            if head.status >= 200 or head.status == 101:
                return replace(head, interim=tuple(interim))
            interim.append(head)

    async def answer(self, method: str = "GET") -> Answer:
        """One whole answer to a request of this method."""
        head = await self.start()
        body = wire.Body()
        complete = True
        if _has_body(head, method):
            try:
                await wire.read_body(self.reader, head.fields, body, until_close=True)
            except (OSError, EOFError):
                complete = False
        return replace(
            head,
            raw=head.raw + body.raw,
            body=bytes(body.data),
            trailers=body.trailers,
            complete=complete,
        )

    async def piece(self) -> bytes:
        """Whatever bytes come next; b"" at the end of the stream."""
        return await self.reader.read(wire.LIMIT)

    async def to_end(self) -> bytes:
        """Every byte until the server closes."""
        return await self.reader.read()

    def abort(self) -> None:
        """Leave at once, with RST."""
        wire.reset(self.writer)

    async def close(self) -> None:
        """Leave politely."""
        self.writer.close()
        with suppress(OSError):  # Already gone.
            await self.writer.wait_closed()

    async def _head(self) -> Answer:
        head = await wire.read_head(self.reader)
        if head is None:
            raise ConnectionError("the server closed the connection instead of answering")
        version, status, reason = head.start
        return Answer(int(status), reason, version, head.fields, head.raw)


class Client:
    """Plain requests to one server; connections are kept alive and used again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._idle: list[Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def get(self, target: str, fields: FieldLines = ()) -> Answer:
        """GET the target."""
        return await self.request("GET", target, fields)

    async def post(self, target: str, body: object, fields: FieldLines = ()) -> Answer:
        """POST bytes, text, or anything else as JSON."""
        return await self.request("POST", target, fields, body)

    async def request(
        self, method: str, target: str, fields: FieldLines = (), body: object = b""
    ) -> Answer:
        """Send it on an idle connection, or on a new one, and read the whole answer."""
        connection = self._idle.pop() if self._idle else await Connection.connect(self.url)
        done = False
        try:
            await connection.ask(method, target, fields, body)
            answer = await connection.answer(method)
            done = answer.complete and _stays_open(answer, method)
        finally:
            if done:
                self._idle.append(connection)
            else:
                await connection.close()
        return answer


def request_bytes(method: str, target: str, fields: FieldLines = (), body: object = b"") -> bytes:
    """A request as it goes on the wire; framing fields only where `fields` has none."""
    content, lines = as_bytes(body), as_fields(fields)
    if "host" not in lines:
        lines = Fields((("Host", "larder.test"), *lines))
    if content and not {"content-length", "transfer-encoding"} & lines.names():
        lines = lines.with_added("Content-Length", str(len(content)))
    return (
        f"{method} {target} HTTP/1.1\r\n".encode("latin-1") + lines.to_bytes() + b"\r\n" + content
    )


async def asked(
    client: Connection, times: int = 1, target: str = "/db/a", fields: FieldLines = ()
) -> Answer:
    """The last answer to so many equal requests, one after the other."""
    last = None
    for _ in range(times):
        await client.ask("GET", target, fields)
        last = await client.answer()
    assert last is not None
    return last


def _has_body(head: Answer, method: str) -> bool:
    return method != "HEAD" and head.status not in (101, 204, 304)


def _stays_open(answer: Answer, method: str) -> bool:
    if (answer.fields.get("connection") or "").lower() == "close":
        return False
    framed = wire.is_chunked(answer.fields) or "content-length" in answer.fields
    return framed or not _has_body(answer, method)
