"""Fields: the ordered, case-insensitive multimap of HTTP fields (RFC 9110 §5).

Floor 0. Immutable. Names keep the spelling they came with, values are latin-1
text, so bytes in are bytes out; look-ups ignore case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from sys import intern


class Fields:
    """An immutable sequence of (name, value) lines; equality is by lines, in order."""

    __slots__ = ("_lowered", "items")

    items: tuple[tuple[str, str], ...]

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items = tuple(items)
        self._lowered: tuple[str, ...] | None = None

    @classmethod
    def from_raw(cls, raw: Iterable[tuple[bytes, bytes]]) -> Fields:
        """Build from the byte pairs of an HTTP/1.1 parser."""
        return cls([(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw])

    @property
    def lowered(self) -> tuple[str, ...]:
        """The lower-cased name of each line, in order."""
        if self._lowered is None:
            # There are few lines and many look-ups, most in vain: scanning a tuple is as fast as
            # a dict, at a tenth of its size; the names themselves are shared with all others.
            self._lowered = tuple([intern(name.lower()) for name, _ in self.items])
        return self._lowered

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value of `name`, one per field line."""
        names, wanted = self._lowered or self.lowered, name.lower()
        if wanted not in names:
            return ()
        return tuple([line[1] for line, at in zip(self.items, names, strict=True) if at == wanted])

    def get(self, name: str) -> str | None:
        """The combined value of `name`: lines joined by a comma (RFC 9110 §5.3), None if absent."""
        names, wanted = self._lowered or self.lowered, name.lower()
        if wanted not in names:
            return None
        if names.count(wanted) == 1:
            return self.items[names.index(wanted)][1]
        return ", ".join(self.get_all(wanted))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in (self._lowered or self.lowered)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self.items == other.items

    def __hash__(self) -> int:
        return hash(self.items)

    def __repr__(self) -> str:
        # Values may be secrets, and reprs end up in logs and tracebacks.
        return f"Fields({', '.join(name for name, _ in self.items)})"

    def names(self) -> frozenset[str]:
        """The lower-cased names present."""
        return frozenset(self.lowered)

    def without(self, *names: str) -> Fields:
        """A copy without any line of these names."""
        return self.without_any({name.lower() for name in names})

    def without_any(self, names: AbstractSet[str]) -> Fields:
        """The same without any line of these names, which are in lower case."""
        lowered = self.lowered
        if names.isdisjoint(lowered):
            return self
        pairs = zip(self.items, lowered, strict=True)
        kept = Fields([line for line, name in pairs if name not in names])
        kept._lowered = tuple([name for name in lowered if name not in names])
        return kept

    def with_set(self, name: str, value: str) -> Fields:
        """A copy in which `name` has exactly this one line, at the end."""
        return Fields((*self.without(name).items, (name, value)))

    def with_added(self, name: str, value: str) -> Fields:
        """A copy with one more line."""
        return Fields((*self.items, (name, value)))

    def to_bytes(self) -> bytes:
        """The field lines as they go on the wire, each ended by CRLF."""
        return "".join([f"{name}: {value}\r\n" for name, value in self.items]).encode("latin-1")


NO_FIELDS = Fields()
