"""How requests like one that was relayed go up, without reading them (the relay lane).

Bytes in, bytes out. Of a request that was relayed there are the bytes that came and those that
went up; a `Way` is what turned the one into the other, if that was: its first line and Host
replaced, some lines taken out, some put behind. Invariant: what it makes of the request that
it was learnt from is, byte for byte, what went up; of one like it (folding.py) it differs in the
lines that were folded away, which go up as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_LINE: Final = b"\r\n"
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Way:
    """`first`: request line and Host; `skip`: bytes of the request line as it comes.

    `cut` are lines that end here, each between the ends of two lines; `last` goes behind.
    """

    first: bytes
    skip: int
    cut: tuple[bytes, ...]
    last: bytes

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the fields in what is cut."""
        lines = (line.decode("latin-1") for line in self.cut)
        return tuple(line.strip().partition(":")[0] for line in lines)

    def up(self, request: bytes) -> bytes:
        """What goes up for a request without a body."""
        lines = request[self.skip :]
        for line in self.cut:
            lines = lines.replace(line, _LINE, 1)
        return self.first + lines[2:-2] + self.last


def way_of(request: bytes, folded: bytes, up: bytes) -> Way | None:
    """The way from `request` to `up`, two heads without bodies; None if there is none.

    What does not go up as it came must be the same in all that are `folded` to the same.
    """
    head = request.removesuffix(_END).split(_LINE)
    went = up.removesuffix(_END).split(_LINE)
    if not request.endswith(_END) or not up.endswith(_END) or not went[1:]:
        return None
    if not went[1].startswith(b"Host: "):
        return None
    left = went[2:]
    cut = []
    for line in head[1:]:
        if left and left[0] == line:
            del left[0]
        else:
            cut.append(_LINE + line + _LINE)
    first = b"".join(line + _LINE for line in went[:2])
    last = b"".join(line + _LINE for line in left) + _LINE
    way = Way(first, len(head[0]), tuple(cut), last)
    return way if way.up(request) == up and all(line in folded for line in cut) else None
