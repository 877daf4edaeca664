"""Facts that wait for the shared store, on the disk: what survives the end of a process.

Several processes may share the folder (kept_file.py). Not for the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from proxy.store import codec
from proxy.store.base import Fact
from proxy.store.kept_file import KeptFile


class FactFile:
    """In `folder`, for the shared store of this name; nothing is there before the first `write`."""

    def __init__(self, folder: Path, store: str) -> None:
        self._file = KeptFile(folder, "pending", store)

    @property
    def path(self) -> Path:
        """Where this process writes."""
        return self._file.path

    def may_write(self) -> bool:
        """Whether the folder is there and may be written to, or may be made."""
        return self._file.may_write()

    def adopt(self) -> tuple[Fact, ...]:
        """The facts of processes that ended before theirs were appended; OSError if unreadable."""
        found = (fact for data in self._file.adopt() for fact in codec.decode_facts(data))
        return tuple(dict.fromkeys(found))

    def write(self, facts: Sequence[Fact], version: int) -> None:
        """Let the disk have exactly these, whatever happens from now on; OSError if it does not.

        An older `version` than was written changes nothing: a write may be overtaken.
        """
        self._file.write(codec.encode_facts(tuple(facts)) if facts else b"", version)

    def close(self) -> None:
        """Let the next process take over what is there."""
        self._file.close()
