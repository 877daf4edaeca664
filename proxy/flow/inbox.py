"""Inboxes: bytes that came from a socket and wait for their reader.

Knows no HTTP. Invariants: what came before the end, or before an error, is read first;
more than `ROOM` unread bytes pause the socket, and reading lets it go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

ROOM: Final = 128 * 1024
"""Unread bytes from which on the socket is paused."""


class Inbox:
    """One direction of bytes, with one writer (a protocol) and one reader (a task)."""

    __slots__ = (
        *("_is_paused", "_pause", "_pieces", "_resume", "_size", "_waiter"),
        *("ended", "error"),
    )

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause = pause
        self._resume = resume
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self.ended = False
        self.error: BaseException | None = None

    @property
    def is_over(self) -> bool:
        """Whether everything came, ended well, and is read."""
        return self.ended and self.error is None and not self._pieces

    def put(self, data: bytes) -> None:
        """More bytes; none may follow the end."""
        self._pieces.append(data)
        self._size += len(data)
        if self._size > ROOM and not self._is_paused:
            self._is_paused = True
            self._pause()
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more will come, because of `error` if there is one. The first end counts."""
        if not self.ended:
            self.ended, self.error = True, error
            self._wake()

    def take(self) -> bytes:
        """What is at hand, b"" if nothing is; raises the error that it ended with."""
        pieces = self._pieces
        if not pieces:
            if self.error is not None:
                raise self.error
            return b""
        self._pieces, self._size = [], 0
        if self._is_paused:
            self._is_paused = False
            self._resume()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self) -> bytes:
        """Wait for bytes; b"" at the end. Raises the error that it ended with."""
        while not self._pieces and not self.ended:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self.take()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Everything until the end."""
        while data := await self.read():
            yield data

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
