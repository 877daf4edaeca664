"""How a head like one that was passed on goes on, without reading it (the relay lane).

Bytes in, bytes out. Of a head that was passed on there are the bytes that came and those that
went; a `Way` is what turned the one into the other, if that was: its first lines replaced, some
lines taken out, some put behind. Invariant: what it makes of the head that it was learnt from
is, byte for byte, what went; of one like it (folding.py) it differs in the lines that were folded
away, which go on as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_LINE: Final = b"\r\n"
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Way:
    """`first`: the lines that go in place of the first; `skip`: bytes of that as it comes.

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

    def on(self, head: bytes) -> bytes:
        """What goes on for a head that came."""
        lines = head[self.skip :]
        for line in self.cut:
            lines = lines.replace(line, _LINE, 1)
        return self.first + lines[2:-2] + self.last


def way_of(came: bytes, folded: bytes, went: bytes, first: int) -> Way | None:
    """The way from one head to another whose `first` lines are its own; None if there is none.

    What does not go on as it came must be the same in all that are `folded` to the same.
    """
    lines = came.removesuffix(_END).split(_LINE)
    gone = went.removesuffix(_END).split(_LINE)
    if not came.endswith(_END) or not went.endswith(_END) or len(gone) < first:
        return None
    left = gone[first:]
    cut = []
    for line in lines[1:]:
        if left and left[0] == line:
            del left[0]
        else:
            cut.append(_LINE + line + _LINE)
    begin = b"".join(line + _LINE for line in gone[:first])
    last = b"".join(line + _LINE for line in left) + _LINE
    way = Way(begin, len(lines[0]), tuple(cut), last)
    return way if way.on(came) == went and all(line in folded for line in cut) else None


def way_up(came: bytes, folded: bytes, went: bytes) -> Way | None:
    """The way of a request without a body: its request line and Host are replaced."""
    way = way_of(came, folded, went, 2)
    return way if way is not None and way.first.split(_LINE)[1].startswith(b"Host: ") else None
