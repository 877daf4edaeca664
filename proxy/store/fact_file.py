"""Facts that wait for the shared store, on the disk: what survives the end of a process.

    pending-STORE-PROCESS.facts   all that wait now, as one journal record has them
    pending-STORE-PROCESS.lock    locked while that process lives and has facts waiting

Several processes may share the folder: each writes files of its own, and takes
over those whose process has ended. Not for the event loop's thread.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from proxy.store import codec
from proxy.store.base import Fact

_FACTS: Final = ".facts"
_NEW: Final = ".new"
_LOCK: Final = ".lock"


class FactFile:
    """In `folder`, for the shared store of this name; nothing is there before the first `write`."""

    def __init__(self, folder: Path, store: str) -> None:
        self._folder = folder
        self._of_store = f"pending-{hashlib.sha256(store.encode()).hexdigest()[:12]}-"
        self._own = self._of_store + secrets.token_hex(8)
        self._locks: dict[str, int] = {}
        self._written = 0
        self._one = threading.Lock()

    @property
    def path(self) -> Path:
        """Where this process writes."""
        return self._folder / (self._own + _FACTS)

    def may_write(self) -> bool:
        """Whether the folder is there and may be written to, or may be made."""
        there = self._folder.absolute()
        while not there.exists() and there != there.parent:
            there = there.parent
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)

    def adopt(self) -> tuple[Fact, ...]:
        """The facts of processes that ended before theirs were appended; OSError if unreadable."""
        with self._one:
            found: list[Fact] = []
            for path in sorted(self._folder.glob(f"{self._of_store}*{_FACTS}")):
                if path.stem != self._own and self._lock(path.stem):
                    with suppress(FileNotFoundError):  # whoever had the lock has appended them
                        found += codec.decode_facts(path.read_bytes())
            return tuple(dict.fromkeys(found))

    def write(self, facts: Sequence[Fact], version: int) -> None:
        """Let the disk have exactly these, whatever happens from now on; OSError if it does not.

        An older `version` than was written changes nothing: a write may be overtaken.
        """
        with self._one:
            if version < self._written:
                return
            if facts:
                self._replace(codec.encode_facts(tuple(facts)))
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
        """The file before its lock: whoever gets the lock then finds no facts."""
        for base in tuple(self._locks):
            for suffix in (_FACTS, _NEW, _LOCK):
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
