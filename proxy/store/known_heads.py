"""The heads of stored bytes as they were last read, so that one read again is not decoded again.

What is read from the shared store again and again has the same bytes before its body each
time; they are compared as they are, so that what is found here is what they say. Knows
nothing of their format but where they begin to differ (`MARK`). Invariant: bounded in bytes,
those used last are kept. Whether an entry is alive is no part of it: that is judged anew.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from proxy.messages import Stored

MAX_BYTES: Final = 16 * 1024 * 1024
MARK: Final = 14
"""How many bytes tell heads apart well enough: they hold the length and a checksum."""

_OBJECTS: Final = 1100
_PER_BYTE: Final = 5
"""As measured: most of a head are short texts, which take several times their bytes."""


@dataclass(slots=True)
class KnownHead:
    """What the bytes `raw` say: all of a record but its body, of which they tell size and CRC-32.

    `entry` has no body. `packed`: the body behind them is compressed.
    """

    raw: bytes
    packed: bool
    body_bytes: int
    body_crc: int
    entry: Stored
    generations: tuple[int, ...]
    epoch: str

    @property
    def size(self) -> int:
        """Bytes it takes here, estimated: each text is there twice, once as an object."""
        return _OBJECTS + _PER_BYTE * len(self.raw)


class KnownHeads:
    """`max_bytes` bounds all of them."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._heads: OrderedDict[bytes, KnownHead] = OrderedDict()

    def of(self, data: bytes) -> KnownHead | None:
        """The head that `data` begins with, if it is known."""
        mark = data[:MARK]
        head = self._heads.get(mark)
        if head is None or not data.startswith(head.raw):
            return None
        self._heads.move_to_end(mark)
        return head

    def add(self, head: KnownHead) -> None:
        """Know this one; those used least make room."""
        mark = head.raw[:MARK]
        replaced = self._heads.pop(mark, None)
        if replaced is not None:
            self._bytes -= replaced.size
        self._heads[mark] = head
        self._bytes += head.size
        while self._bytes > self._max_bytes:
            self._bytes -= self._heads.popitem(last=False)[1].size
