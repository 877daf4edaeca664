"""What goes up in one turn of the loop goes out together, at its end.

So the other side is woken once for all of it, not once for each while this one is busy with the
next; nothing waits longer than the turn takes. Knows bytes, and no HTTP. Invariant: each
is written once, in the order in which it was put, unless its connection has ended by then.
"""

from __future__ import annotations

import contextlib
from asyncio import AbstractEventLoop
from collections.abc import Callable

from proxy.flow.lost import ConnectionLost

Write = Callable[[bytes], None]
"""Raises ConnectionLost when its connection has ended."""


class Outbox:
    """One for all connections of a `loop`."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[Write, bytes]] = []

    def put(self, write: Write, data: bytes) -> None:
        """Write this at the end of the turn."""
        if not self._waiting:
            self._loop.call_soon(self._send)
        self._waiting.append((write, data))

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for write, data in waiting:
            with contextlib.suppress(ConnectionLost):  # whoever listens to the connection is told
                write(data)
