"""What a shared store has whose every answer is awaited: nothing is sought at once."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.store.base import Mark, Record
from proxy.store.told import Told


class Gated:
    """So a test can hold each operation, whoever asks for it."""

    def seek(self, _key: bytes, _told: Told[Record | None]) -> bool:
        """It has to be awaited."""
        return False

    def seek_marks(self, _tags: Sequence[str], _told: Told[tuple[Mark | None, ...]]) -> bool:
        """Likewise."""
        return False
