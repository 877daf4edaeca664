"""A dressed reply: the final head is edited when it is sent, nothing else is touched."""

from __future__ import annotations

import asyncio

from proxy.dressing import Dressed
from proxy.fields import Fields


class Written:
    """A reply that keeps what is written to it."""

    def __init__(self) -> None:
        self.said: list[object] = []
        self.sent = 0

    async def interim(self, status: int, fields: Fields) -> None:
        self.said.append((status, fields.items))

    def respond(self, status: int, reason: str, fields: Fields, body: bytes) -> None:
        self.sent += len(body)
        self.said += [(status, reason, fields.items, len(body)), body, ()]

    async def start(self, status: int, reason: str, fields: Fields, length: int | None) -> None:
        self.said.append((status, reason, fields.items, length))

    async def flush(self) -> None:
        self.said.append("flush")

    async def write(self, chunk: bytes | memoryview) -> None:
        self.sent += len(chunk)
        self.said.append(bytes(chunk))

    async def end(self, trailers: Fields = Fields()) -> None:  # noqa: B008 - frozen
        self.said.append(trailers.items)

    def abort(self) -> None:
        self.said.append("abort")


def test_only_the_final_head_is_edited() -> None:
    written = Written()
    reply = Dressed(written, lambda status, fields: fields.with_set("X-Status", str(status)))

    async def answer_once() -> None:
        await reply.interim(103, Fields((("Link", "a"),)))
        await reply.start(200, "OK", Fields((("A", "1"),)), 4)
        await reply.flush()
        await reply.write(b"body")
        await reply.end(Fields((("T", "2"),)))
        reply.abort()

    asyncio.run(answer_once())
    assert reply.sent == 4
    assert written.said == [
        (103, (("Link", "a"),)),
        (200, "OK", (("A", "1"), ("X-Status", "200")), 4),
        "flush",
        b"body",
        (("T", "2"),),
        "abort",
    ]
