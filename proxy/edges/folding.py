"""What of a request's bytes can matter to its answer: the rest is folded away (the lanes).

Bytes in, bytes out. It is told which fields matter and knows no rule. Invariants: two requests
that fold to the same bytes say the same to whoever reads no other field; what is dropped is
whole, well-formed field lines (RFC 9112 §5) and never bytes of a body, so no request folds
to a well-formed one that is not well-formed itself; everything else is kept as it came. Which
names are dropped changes with what clients send (frequent.py), among those that matter to nobody.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from proxy.edges.frequent import Frequent

if TYPE_CHECKING:
    from collections.abc import Iterable

_END: Final = b"\n\r\n"
"""The end of a head, with the end of its last line."""

_FIELD: Final = re.compile(rb"\r\n([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[\t -~\x80-\xff]*(?=\r\n)")
"""Any field line (RFC 9110 §5.1, §5.5), with the end of the line before it."""

_VALUE: Final = r" [!-~\x80-\xff][\t -~\x80-\xff]*+(?<![\t ])\r\n"
"""What is behind a name and its colon where it is written as we write it ourselves."""

ONCE: Final = "user-agent"
"""It matters to nobody, but the parser refuses a request with two of them."""

_USUAL: Final = (
    *("accept", "accept-encoding", "accept-language", "baggage", "DNT", "forwarded", "priority"),
    *("referer", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-dest"),
    *("sec-fetch-mode", "sec-fetch-site", "sec-fetch-user", "traceparent", "tracestate"),
    *("upgrade-insecure-requests", "x-amzn-trace-id", "x-correlation-id", "x-forwarded-for"),
    *("x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-request-id", "x-requested-with"),
    *("x-trace", "x-trace-id"),
)
"""What clients send, and proxies before us: dropped, if it does not matter, unseen."""

MOST_LINES: Final = 64
"""Field lines of a request that can be folded."""

MOST_PLACES: Final = 8
MOST_TOGETHER: Final = 24
"""Lines that are dropped: so many next to each other, in so many places. With `MOST_LINES`
that are kept these are no more than are let in; what has more does not fold to what has less."""


class Folding:
    """`names` of the fields that may matter; case does not count in them, nor `_` for `-`.

    They are kept as long as this lives, whatever other names are dropped at a time. So requests
    that fold to the same bytes, one now and one before, differ in no line of theirs: what was
    found before is found rightly or, when other names are dropped, missed. When more names come
    to matter it takes another Folding, and what is known by the bytes of this one is forgotten.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(map(_plain, names))
        self._often = Frequent()
        self._usual = _spelled(name for name in _USUAL if _plain(name) not in self._names)
        self._fold_by(self._usual)

    def _fold_by(self, spelled: frozenset[str]) -> None:
        once = ONCE not in self._names
        self._split = re.compile(_dropped(spelled, once=once).encode("ascii")).split

    def heeds(self, names: Iterable[str]) -> bool:
        """Whether all of these fields are kept."""
        return self._names.issuperset(map(_plain, names))

    def learn(self, request: bytes) -> bool:
        """Know from here on what fields come; False if it cannot be folded."""
        head = request[: request.find(b"\r" + _END) + 2]
        found = [name.decode("ascii") for name in _FIELD.findall(head)]
        if head.count(b"\n") != len(found) + 1 or len(found) > MOST_LINES:
            return False  # there is more in it than a request line and field lines
        if self._often.sighted(name for name in found if self._may_be_dropped(name)):
            self._fold_by(self._usual | _spelled(self._often.names))
        return True

    def _may_be_dropped(self, name: str) -> bool:
        return name not in self._usual and _plain(name) not in self._names and name.lower() != ONCE

    def fold(self, request: bytes) -> bytes:
        """The same without the lines of fields that are known not to matter."""
        kept = self._split(request, MOST_PLACES)
        if len(kept[-1]) > 1:
            return b"\n".join(kept)
        head = b"\n".join(kept)
        end = request.find(_END, len(head) - 1)
        return request if kept[-1] or end < 0 else head + request[end + 1 :]


def _dropped(spelled: frozenset[str], *, once: bool) -> str:
    """A pattern for the end of a line and what is not kept behind it.

    That is lines with these names; then all of a body, so that nothing is looked for in it, or
    all but the last byte where ONCE comes twice, or is not written as it would be dropped.
    """
    lines = [start + _VALUE for start in _starts(f"{name}:" for name in spelled)]
    rest = [r"\r\n(?s:.)+"]
    if once:
        behind = f"(?i:{ONCE[1:]}):"
        twice = rf"(?:(?![Uu]{behind})[^\r\n].*+\n)*+[Uu]{behind}"
        lines += [f"{first}{behind}{_VALUE}(?!{twice})" for first in "Uu"]
        rest += [f"{first}{behind}(?s:.)*(?=(?s:.))" for first in "Uu"]
    dropped, ends = "|".join(lines), "|".join(rest)
    return rf"\n(?:(?:{dropped}){{1,{MOST_TOGETHER}}}+(?:{ends})?+|{ends})"


def _starts(names: Iterable[str]) -> list[str]:
    """Patterns for these names, by their first letters: what begins alike is compared once."""
    behind: dict[str, list[str]] = {}
    for name in filter(None, names):
        behind.setdefault(name[0], []).append(name[1:])
    return [re.escape(first) + _either(_starts(rest)) for first, rest in sorted(behind.items())]


def _either(starts: list[str]) -> str:
    return f"(?:{'|'.join(starts)})" if len(starts) > 1 else "".join(starts)


def _spelled(names: Iterable[str]) -> frozenset[str]:
    """These names as clients spell them; to compare whatever the case is dearer for each line."""
    given = frozenset(names)
    titled = {name.title() for name in given}
    with_id = {re.sub(r"-Id$", "-ID", name) for name in titled}
    return given.union(map(str.lower, given), titled, with_id)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
