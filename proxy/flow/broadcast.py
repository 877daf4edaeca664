"""Broadcast: one body, written once, read by any number of readers from its first byte.

It knows chunks and readers, no HTTP. Invariants:
- while everything written is retained (`whole`), a reader may still join;
- past `limit` bytes it stops retaining: what every reader has passed is dropped, nobody
  joins any more, and the writer waits for the slowest reader (`window` bytes ahead at most);
- `write` never waits while everything is retained, so a slow client cannot slow the fetch
  of an answer that is being recorded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from proxy.fields import NO_FIELDS, Fields

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from proxy.errors import UpstreamError


class Abandoned(Exception):
    """Nobody reads any more and nothing is recorded: the writer may stop."""


class Broadcast:
    """An append-only sequence of chunks; `limit` and `window` in bytes."""

    def __init__(self, limit: int, window: int = 256 * 1024) -> None:
        self._chunks: deque[bytes] = deque()
        self._dropped = 0  # chunks no longer retained; index of the first retained one
        self._retained = 0  # bytes in _chunks
        self._limit = limit
        self._window = window
        self._readers: set[Reader] = set()
        self._room: asyncio.Future[None] | None = None
        self.size = 0
        self.whole = True
        self.ended = False
        self.error: UpstreamError | None = None
        self.trailers: Fields = NO_FIELDS

    def reader(self) -> Reader | None:
        """A reader from the first byte, or None when that byte is gone."""
        if not self.whole:
            return None
        reader = Reader(self)
        self._readers.add(reader)
        return reader

    def stop_recording(self) -> None:
        """Retain only what readers still need: nobody is going to store this body."""
        self._limit = 0

    async def write(self, chunk: bytes) -> None:
        """Append a chunk; waits for the slowest reader once the body is no longer retained.

        Raises Abandoned when it is neither retained nor read.
        """
        self._chunks.append(chunk)
        self._retained += len(chunk)
        self.size += len(chunk)
        self._wake_readers()
        if self.size <= self._limit:
            return
        self._trim()
        while self._readers and self._retained > self._window:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        if not self._readers:
            raise Abandoned

    def end(self, trailers: Fields = NO_FIELDS) -> None:
        """The body is complete."""
        self.trailers = trailers
        self.ended = True
        self._wake_readers()

    def fail(self, error: UpstreamError) -> None:
        """The body broke off; readers get the chunks there are and then the error."""
        self.error = error
        self.ended = True
        self._wake_readers()

    def body(self) -> bytes:
        """The whole body. Only while `whole`."""
        return b"".join(self._chunks)

    def _wake_readers(self) -> None:
        for reader in self._readers:
            reader.wake()

    def _trim(self) -> None:
        """Drop what every reader has passed, once the body is no longer retained."""
        if self.size <= self._limit:
            return
        slowest = min((reader.index for reader in self._readers), default=None)
        if slowest is None:
            slowest = self._dropped + len(self._chunks)
        self.whole = False
        while self._dropped < slowest and self._chunks:
            self._retained -= len(self._chunks.popleft())
            self._dropped += 1
        self._let_writer_on()

    def _let_writer_on(self) -> None:
        room = self._room
        if room is not None and (self._retained <= self._window or not self._readers):
            self._room = None
            if not room.done():
                room.set_result(None)

    def _chunk(self, index: int) -> bytes | None:
        offset = index - self._dropped
        return self._chunks[offset] if offset < len(self._chunks) else None

    def _leave(self, reader: Reader) -> None:
        self._readers.discard(reader)
        self._trim()


class Reader:
    """One reader's place in a Broadcast. Close it, or iterate it to its end."""

    def __init__(self, source: Broadcast) -> None:
        self._source = source
        self._waiter: asyncio.Future[None] | None = None
        self.index = 0

    @property
    def ready(self) -> bool:
        """Whether there is something to read, or the end, without waiting."""
        source = self._source
        return source.ended or source._chunk(self.index) is not None  # noqa: SLF001

    def wake(self) -> None:
        """Something was written or the body ended."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def close(self) -> None:
        """Leave; what only this reader held back is let go."""
        self._source._leave(self)  # noqa: SLF001 - a Reader is half of its Broadcast

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Every chunk from the first; raises the UpstreamError the body ended with."""
        source = self._source
        try:
            while True:
                chunk = source._chunk(self.index)  # noqa: SLF001
                if chunk is not None:
                    yield chunk
                    self.index += 1
                    source._trim()  # noqa: SLF001
                elif not source.ended:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
                elif source.error is not None:
                    raise source.error
                else:
                    return
        finally:
            self.close()
