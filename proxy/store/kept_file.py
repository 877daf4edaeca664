"""A file that survives the end of its process, and is then taken over by another: bytes.

    KIND-STORE-PROCESS.facts   all that waits now
    KIND-STORE-PROCESS.lock    locked while that process lives and has something waiting

Knows nothing of what it keeps. Several processes may share the folder: each writes
files of its own, and takes over those whose process has ended. Not for the event loop's thread.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

_KEPT: Final = ".facts"
_NEW: Final = ".new"
_LOCK: Final = ".lock"


class KeptFile:
    """In `folder`, for the shared store of this name; nothing is there before the first `write`."""

    def __init__(self, folder: Path, kind: str, store: str) -> None:
        self._folder = folder
        self._of_store = f"{kind}-{hashlib.sha256(store.encode()).hexdigest()[:12]}-"
        self._own = self._of_store + secrets.token_hex(8)
        self._locks: dict[str, int] = {}
        self._written = 0
        self._one = threading.Lock()

    @property
    def path(self) -> Path:
        """Where this process writes."""
        return self._folder / (self._own + _KEPT)

    def may_write(self) -> bool:
        """Whether the folder is there and may be written to, or may be made."""
        there = self._folder.absolute()
        while not there.exists() and there != there.parent:
            there = there.parent
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)

    def adopt(self) -> list[bytes]:
        """What processes that ended left behind; OSError if it cannot be read."""
        with self._one:
            found: list[bytes] = []
            for path in sorted(self._folder.glob(f"{self._of_store}*{_KEPT}")):
                if path.stem != self._own and self._lock(path.stem):
                    with suppress(FileNotFoundError):  # whoever had the lock is done with it
                        found.append(path.read_bytes())
            return found

    def write(self, data: bytes, version: int) -> None:
        """Let the disk have exactly this, whatever happens from now on; OSError if it does not.

        Nothing removes the file, and those taken over. An older `version` than was written
        changes nothing: a write may be overtaken.
        """
        with self._one:
            if version < self._written:
                return
            if data:
                self._replace(data)
            else:
                self._remove()
            self._written = version

    def close(self) -> None:
        """Let the next process take over what is there."""
        with self._one:
            while self._locks:
                os.close(self._locks.popitem()[1])

    def _replace(self, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if not self._lock(self._own):
            raise BlockingIOError("another process holds the lock of this one's file")
        new = self._folder / (self._own + _NEW)
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            new.replace(self.path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        self._sync_folder()

    def _remove(self) -> None:
        """The file before its lock: whoever gets the lock then finds nothing."""
        for base in tuple(self._locks):
            for suffix in (_KEPT, _NEW, _LOCK):
                (self._folder / (base + suffix)).unlink(missing_ok=True)
            os.close(self._locks.pop(base))

    def _lock(self, base: str) -> bool:
        if base in self._locks:
            return True
        lock = os.open(self._folder / (base + _LOCK), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._locks[base] = lock
        return True

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
