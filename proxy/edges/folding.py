"""What of a request's bytes can matter to its answer: the rest is folded away (the hot lane).

Bytes in, bytes out. It is told which fields matter and knows no rule. Invariants: two requests
that fold to the same bytes say the same to whoever reads no other field; what is dropped is
whole, well-formed field lines (RFC 9112 §5) and never bytes of a body, so no request folds
to a well-formed one that is not well-formed itself; everything else is kept as it came.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_END: Final = b"\r\n\r\n"
_VALUE: Final = rb": [!-~\x80-\xff][\t -~\x80-\xff]*(?<![\t ])(?=\r\n)"
"""What is behind a name where it is written as we write it ourselves."""

_FIELD: Final = re.compile(rb"\r\n([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[\t -~\x80-\xff]*(?=\r\n)")
"""Any field line (RFC 9110 §5.1, §5.5), with the end of the line before it."""

_MOST_NAMES: Final = 48
"""How many names, as they are spelled, are dropped: each is compared with every line."""

_MOST_LINES: Final = 64
"""Lines that are dropped, or kept, at most: what has more may have too many to be let in."""


class Folding:
    """`names` of the fields that may matter; case does not count in them, nor `_` for `-`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(map(_plain, names))
        self._dropped: set[bytes] = set()
        self._drop = re.compile(rb"(?!)").subn

    def heeds(self, names: Iterable[str]) -> bool:
        """Whether all of these fields are kept."""
        return self._names.issuperset(map(_plain, names))

    def learn(self, request: bytes) -> bool:
        """Know from here on which of its fields do not matter; False if it cannot be folded."""
        head = request[: request.find(_END) + 2]
        found = _FIELD.findall(head)
        if head.count(b"\n") != len(found) + 1 or len(found) > _MOST_LINES:
            return False  # there is more in it than a request line and field lines
        names = {name for name in found if _plain(name.decode("ascii")) not in self._names}
        if not names <= self._dropped and len(self._dropped | names) <= _MOST_NAMES:
            self._dropped |= names
            alternatives = b"|".join(map(re.escape, sorted(self._dropped)))
            self._drop = re.compile(rb"\r\n(?:%b)%b" % (alternatives, _VALUE)).subn
        return True

    def fold(self, request: bytes) -> bytes:
        """The same without the lines of fields that are known not to matter."""
        end = request.find(_END) + len(_END)
        if end == len(request):
            folded, count = self._drop(b"", request)
        else:
            folded, count = self._drop(b"", request[:end])
            folded += request[end:]
        return folded if count <= _MOST_LINES else request


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
