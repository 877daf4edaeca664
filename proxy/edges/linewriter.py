"""Lines out to a file descriptor without ever making the event loop wait.

The loop only appends to a list; a daemon thread writes what has gathered, ten
times a second or at once when much has. A reader that stalls (a full pipe)
costs lines, never requests: past `limit` bytes they are dropped and counted.
Knows nothing of what a line says. Invariant: lines leave whole and in order.
"""

from __future__ import annotations

import os
import select
import threading
from typing import Final

_EAGER_BYTES: Final = 256 * 1024


class LineWriter:
    """A bounded queue of lines and the thread that empties it into `fd`."""

    def __init__(self, fd: int, *, interval: float = 0.1, limit: int = 8 * 1024 * 1024) -> None:
        self.dropped = 0
        self._fd = fd
        self._interval = interval
        self._limit = limit
        self._lines: list[bytes] = []
        self._size = 0
        self._lock = threading.Lock()
        self._waiting = threading.Event()
        self._hurry = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="larder-log", daemon=True)
        self._thread.start()

    def write(self, line: bytes, count: int = 1) -> None:
        """Queue a line, or so many, newlines included; never blocks on the descriptor."""
        with self._lock:
            size = self._size + len(line)
            if self._closed or size > self._limit:
                self.dropped += count
                return
            self._size = size
            self._lines.append(line)
            first = len(self._lines) == 1
        if first:
            self._waiting.set()
        if size > _EAGER_BYTES and not self._hurry.is_set():
            self._hurry.set()

    def close(self, timeout: float = 2.0) -> None:
        """Write what is queued and stop; gives up on a stalled reader after `timeout` seconds."""
        with self._lock:
            self._closed = True
        self._waiting.set()
        self._hurry.set()
        self._thread.join(timeout)

    @property
    def writing(self) -> bool:
        """Whether the thread still runs: after `close`, a reader has stalled."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._closed:
            self._waiting.wait()
            self._hurry.wait(self._interval)
            self._flush()
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            batch, self._lines = b"".join(self._lines), []
            self._waiting.clear()
            if not self._closed:
                self._hurry.clear()
        try:
            _write_all(self._fd, batch)
        except OSError:
            # The reader has gone (a closed pipe): there is nobody left to tell.
            self.dropped += batch.count(b"\n")
        with self._lock:
            self._size -= len(batch)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            # Shared with a terminal that someone made non-blocking: wait for room.
            select.select([], [fd], [], 1.0)
