"""Heads of answers like those passed on before, restated without reading them (the relay lane).

Bytes in, bytes out. What the driver would make of a head is learnt from one that it, or the lane
by its own words, has made; others that differ only in fields which matter to nobody on the way
(folding.py), and in how long the body is, go the same way (ways.py). Invariants: what goes out is,
byte for byte, what would be made of the head if it were read; only whole answers on connections
that go on are taken; bounded.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.caching.hop_by_hop import HOP_BY_HOP
from proxy.edges.folding import Folding
from proxy.edges.sightings import Sightings
from proxy.edges.ways import Way, way_of

if TYPE_CHECKING:
    from proxy.fields import Fields

_MOST: Final = 64
"""Heads that are known, of some hundred bytes each."""
_LONGEST: Final = 8 << 10
"""Bytes of one."""
_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,9})(?=\r\n)")
_HEEDED: Final = HOP_BY_HOP | {"content-length", "age", "x-cache", "cache-status"}
"""Fields that Larder reads of such an answer, or replaces, or adds to."""
_DATED: Final = b"\r\nDate: "
"""Where there is none, Larder makes one."""


class Form(NamedTuple):
    """How such heads go on; `keep_s`: how long the upstream keeps the connection behind one."""

    way: Way
    status: int
    keep_s: float


class Restated(NamedTuple):
    """A whole answer as its client gets it, with `size` bytes of body."""

    form: Form
    answer: bytes
    size: int


class _Uncounted(NamedTuple):
    """A head without its Content-Length, where it ended, and the digits of that `length`."""

    head: bytes
    end: int
    length: bytes


def _uncounted(answer: bytes) -> _Uncounted | None:
    """The head in these bytes; None if it has no length, or is a long one."""
    end = answer.find(_END) + len(_END)
    said = _LENGTH.search(answer, 0, end)
    if said is None or end > _LONGEST:
        return None
    return _Uncounted(answer[: said.start()] + answer[said.end() : end], end, said[1])


class Seen:
    """What all heads have in common: which fields come, and which heads came before."""

    def __init__(self) -> None:
        self.folding = Folding(_HEEDED)
        self.sightings = Sightings()


class Restating:
    """The heads of answers to requests that are relayed alike."""

    def __init__(self, seen: Seen) -> None:
        self._table: OrderedDict[bytes, Form] = OrderedDict()
        self._folding, self._sightings = seen.folding, seen.sightings

    def restated(self, answer: bytes) -> Restated | None:
        """What goes to the client for these bytes, if they are a whole answer of a known form."""
        cut = _uncounted(answer)
        if cut is None or len(answer) != cut.end + int(cut.length):
            return None
        head, size = cut.head, len(answer) - cut.end
        folded = self._folding.fold(head)
        form = self._table.get(folded)
        if form is None or _DATED not in head:
            return None
        self._table.move_to_end(folded)
        counted = b"Content-Length: %d\r\n\r\n" % size
        return Restated(form, form.way.on(head)[:-2] + counted + answer[cut.end :], size)

    def learn(self, came: bytes, went: bytes, status: int, fields: Fields, keep_s: float) -> None:
        """The answer `came`, with these fields, was whole, and `went` was its head to the client.

        A head is learnt when one like it comes again.
        """
        cut = _uncounted(came)
        if cut is None or not _is_plain(came, fields):
            return
        head = cut.head
        if _DATED not in head or not self._folding.learn(head):
            return
        folded = self._folding.fold(head)
        if not self._sightings.before(folded):
            return
        counted = b"Content-Length: %b\r\n\r\n" % cut.length
        way = way_of(head, folded, went.removesuffix(counted) + b"\r\n", 1)
        if way is None or not went.endswith(counted) or not _adds_ours(way):
            return
        if self._folding.heeds(way.named):
            self._table[folded] = Form(way, status, keep_s)
            if len(self._table) > _MOST:
                self._table.popitem(last=False)


def _is_plain(came: bytes, fields: Fields) -> bool:
    """Whether its connection goes on behind a body that is counted once."""
    connection = fields.get("connection") or "keep-alive"
    goes_on = came.startswith(b"HTTP/1.1 ") and connection.strip().lower() == "keep-alive"
    return goes_on and len(fields.get_all("content-length")) == 1


def _adds_ours(way: Way) -> bool:
    """Whether what Larder says of an answer stands behind, and not where the upstream said it."""
    lines = b"\r\n" + way.last
    return b"\r\nX-Cache: " in lines and b"\r\nCache-Status: " in lines
