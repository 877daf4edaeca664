"""Broadcast: one body, written once, read by any number of readers from its first byte.

It knows chunks and readers, no HTTP. Invariants:
- while everything written is retained (`whole`), a reader may still join;
- past `limit` bytes, or when the budget has no room, it stops retaining: what every reader
  has passed is dropped, nobody joins any more, and the writer waits for the slowest reader
  (`window` bytes ahead at most);
- `write` never waits while everything is retained, so a slow client cannot slow the fetch
  of an answer that is being recorded;
- one reader costs the others `patience` seconds at most: then it is cut off. A reader that
  nobody waits behind may be as slow as it likes;
- all that is retained is counted in the budget, and given back with the last reader.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from proxy.errors import LarderError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.budget import Budget, Lease

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from proxy.errors import UpstreamError

PATIENCE_S: Final = 5.0
"""How long, in sum, a reader may keep the writer from readers that have read all there is."""

Chunk = bytes | memoryview


class Abandoned(Exception):
    """Nobody reads any more and nothing is recorded: the writer may stop."""


class CutOff(LarderError):
    """The reader held up the others for too long."""


class Broadcast:
    """An append-only sequence of chunks; `limit` and `window` in bytes, `patience` in seconds."""

    def __init__(
        self,
        limit: int,
        window: int = 256 * 1024,
        *,
        budget: Budget | None = None,
        patience: float = PATIENCE_S,
    ) -> None:
        self._chunks: deque[Chunk] = deque()
        self._dropped = 0  # chunks no longer retained; index of the first retained one
        self._lease = Lease(budget or Budget())
        self._limit = limit
        self._window = window
        self._patience = patience
        self._readers: set[Reader] = set()
        self._room: asyncio.Future[None] | None = None
        self._shared = False  # the chunks are parts of one object: all are retained or none
        self.size = 0
        self.whole = True
        self.lost = False
        """Whether recording was given up."""
        self.crowded = False
        """Whether that was for want of room in the budget."""
        self.ended = False
        self.error: UpstreamError | None = None
        self.trailers: Fields = NO_FIELDS

    @property
    def retained(self) -> int:
        """Bytes of it in memory."""
        return self._lease.size

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
        self.size += len(chunk)
        if self.size > self._limit:
            self._lease.hold(len(chunk))
        elif not self._lease.take(len(chunk)):
            self._lease.hold(len(chunk))
            self.crowded = True
            self.stop_recording()
        self._chunks.append(chunk)
        self._wake_readers()
        if self.size <= self._limit:
            return
        self.lost = True
        self._trim()
        while self._readers and self._lease.size > self._window:
            await self._wait_for_the_slowest()
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

    def share(self, whole: bytes) -> None:
        """Retain `whole` instead of the chunks it was joined from: it is kept elsewhere, too."""
        if len(self._chunks) > 1:
            view, begin, parts = memoryview(whole), 0, deque[Chunk]()
            for chunk in self._chunks:
                parts.append(view[begin : begin + len(chunk)])
                begin += len(chunk)
            self._chunks, self._shared = parts, True

    def close(self) -> None:
        """Nobody joins any more: retain only what readers still need."""
        self.stop_recording()
        self._trim()

    def _wake_readers(self) -> None:
        for reader in self._readers:
            reader.wake()

    def _trim(self) -> None:
        """Drop what every reader has passed, once the body is no longer retained."""
        if self.size <= self._limit:
            return
        self.whole = False
        if self._shared and self._readers:
            return
        slowest = min((reader.index for reader in self._readers), default=None)
        if slowest is None:
            slowest = self._dropped + len(self._chunks)
        while self._dropped < slowest and self._chunks:
            self._lease.give(len(self._chunks.popleft()))
            self._dropped += 1
        if self._lease.size <= self._window or len(self._readers) != 1:
            self._wake_writer()

    async def _wait_for_the_slowest(self) -> None:
        """Wait until a reader moves; held against the slowest if others have read it all."""
        loop = asyncio.get_running_loop()
        self._room = loop.create_future()
        if not any(reader.waits for reader in self._readers):
            await self._room
            return
        slowest = [reader for reader in self._readers if reader.index == self._dropped]
        left = self._patience - max(reader.held_s for reader in slowest)
        began, timer = loop.time(), loop.call_later(max(0.0, left), self._wake_writer)
        try:
            await self._room
        finally:
            timer.cancel()
        waited = loop.time() - began
        for reader in slowest:
            reader.held_s += waited
        if any(reader.waits for reader in self._readers):  # one that waited may have left
            self._cut_off([reader for reader in slowest if reader.held_s >= self._patience])

    def _cut_off(self, readers: list[Reader]) -> None:
        for reader in readers:
            if reader in self._readers:
                self._readers.discard(reader)
                reader.cut_off()
        self._trim()

    def _wake_writer(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _chunk(self, index: int) -> Chunk | None:
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
        self.held_s = 0.0
        """How long it has held up others."""
        self.was_cut = False
        self.on_cut: Callable[[], None] | None = None
        """Called when it is cut off: it may be waiting for anything but the next chunk."""

    @property
    def ready(self) -> bool:
        """Whether there is something to read, or the end, without waiting."""
        source = self._source
        return self.was_cut or source.ended or source._chunk(self.index) is not None  # noqa: SLF001

    def whole(self) -> bytes | None:
        """All of the body, if it came in one piece, well ended, and is not read yet."""
        source = self._source
        if self.index or self.was_cut or not source.ended or source.error is not None:
            return None
        return source.body() if len(source._chunks) <= 1 else None  # noqa: SLF001

    @property
    def waits(self) -> bool:
        """Whether it has read all there is and wants more."""
        return self._waiter is not None

    def wake(self) -> None:
        """Something was written or the body ended."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def cut_off(self) -> None:
        """It has no place any more."""
        self.was_cut = True
        self.wake()
        if self.on_cut is not None:
            self.on_cut()

    def close(self) -> None:
        """Leave; what only this reader held back is let go."""
        self._source._leave(self)  # noqa: SLF001 - a Reader is half of its Broadcast

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Every chunk from the first; raises the UpstreamError the body ended with, or CutOff."""
        source = self._source
        try:
            while True:
                if self.was_cut:
                    raise CutOff
                chunk = source._chunk(self.index)  # noqa: SLF001
                if chunk is not None:
                    yield chunk
                    self.index += 1
                    source._trim()  # noqa: SLF001
                elif not source.ended:
                    self._waiter = asyncio.get_running_loop().create_future()
                    source._wake_writer()  # noqa: SLF001 - it now waits for others only
                    await self._waiter
                elif source.error is not None:
                    raise source.error
                else:
                    return
        finally:
            self._waiter = None
            self.close()
