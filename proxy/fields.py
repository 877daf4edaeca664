"""Fields: the ordered, case-insensitive multimap of HTTP fields (RFC 9110 §5).

Floor 0. Immutable. Names keep the spelling they came with, values are latin-1
text, so bytes in are bytes out; look-ups ignore case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Fields:
    """An immutable sequence of (name, value) lines; equality is by lines, in order."""

    __slots__ = ("_index", "items")

    items: tuple[tuple[str, str], ...]

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items = tuple(items)
        self._index: dict[str, tuple[str, ...]] | None = None

    @classmethod
    def from_raw(cls, raw: Iterable[tuple[bytes, bytes]]) -> Fields:
        """Build from the byte pairs of an HTTP/1.1 parser."""
        return cls((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)

    def _by_name(self) -> dict[str, tuple[str, ...]]:
        if self._index is None:
            index: dict[str, tuple[str, ...]] = {}
            for name, value in self.items:
                lower = name.lower()
                index[lower] = (*index.get(lower, ()), value)
            self._index = index
        return self._index

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value of `name`, one per field line."""
        return self._by_name().get(name.lower(), ())

    def get(self, name: str) -> str | None:
        """The combined value of `name`: lines joined by a comma (RFC 9110 §5.3), None if absent."""
        values = self.get_all(name)
        if not values:
            return None
        return values[0] if len(values) == 1 else ", ".join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name()

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
        return frozenset(self._by_name())

    def without(self, *names: str) -> Fields:
        """A copy without any line of these names."""
        drop = {name.lower() for name in names}
        return Fields(item for item in self.items if item[0].lower() not in drop)

    def with_set(self, name: str, value: str) -> Fields:
        """A copy in which `name` has exactly this one line, at the end."""
        return Fields((*self.without(name).items, (name, value)))

    def with_added(self, name: str, value: str) -> Fields:
        """A copy with one more line."""
        return Fields((*self.items, (name, value)))

    def to_bytes(self) -> bytes:
        """The field lines as they go on the wire, each ended by CRLF."""
        return "".join(f"{name}: {value}\r\n" for name, value in self.items).encode("latin-1")


NO_FIELDS = Fields()
