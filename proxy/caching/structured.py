"""Structured Fields: strict parsing of dictionaries and lists (RFC 9651 §4.2).

Floor 1, pure. Knows no field by name. A value is parsed whole or not at all:
None means malformed, never a partial result. Nothing here raises on any text.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import unquote_to_bytes

T = TypeVar("T")


class Token(str):
    """A Token, told apart from a String."""

    __slots__ = ()


class DisplayString(str):
    """A Display String, told apart from a String."""

    __slots__ = ()


class Date(int):
    """A Date in epoch seconds, told apart from an Integer."""


BareItem = int | float | str | bytes | bool


@dataclass(frozen=True, slots=True)
class Item:
    """An Item, or an Inner List if its value is a tuple, with its parameters."""

    value: BareItem | tuple[Item, ...]
    parameters: dict[str, BareItem] = field(default_factory=dict)


class _MalformedError(ValueError):
    """Does not leave this file."""


_KEY: Final = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_SPACES: Final = re.compile(r" *")
_OWS: Final = re.compile(r"[ \t]*")
_ESCAPED: Final = re.compile(r"\\(.)")
_TOKEN: Final = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")


def _read_bytes(text: str) -> bytes:
    """Decode base64 whose padding may be missing (RFC 9651 §4.2.7)."""
    digits = text.strip(":")
    return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)


_BARE_ITEMS: Final[tuple[tuple[re.Pattern[str], Callable[[str], BareItem]], ...]] = (
    (re.compile(r"-?[0-9]{1,15}(?![0-9.])"), int),
    (re.compile(r"-?[0-9]{1,12}\.[0-9]{1,3}(?![0-9.])"), float),
    (
        re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"'),
        lambda text: _ESCAPED.sub(r"\1", text[1:-1]),
    ),
    (_TOKEN, Token),
    (re.compile(r":[A-Za-z0-9+/=]*:"), _read_bytes),
    (re.compile(r"\?[01]"), lambda text: text == "?1"),
    (re.compile(r"@-?[0-9]{1,15}(?![0-9.])"), lambda text: Date(text[1:])),
    (
        re.compile(r'%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"'),
        lambda text: DisplayString(unquote_to_bytes(text[2:-1]).decode("utf-8")),
    ),
)


class _Scanner:
    """A place in the text that only moves forward."""

    def __init__(self, text: str) -> None:
        self._text = text.strip(" ")
        self._at = 0

    def done(self) -> bool:
        return self._at == len(self._text)

    def take(self, pattern: re.Pattern[str]) -> str:
        """Consume what matches here, or fail."""
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _MalformedError
        self._at = found.end()
        return found[0]

    def skip(self, literal: str) -> bool:
        """Consume the literal if it is next."""
        found = self._text.startswith(literal, self._at)
        self._at += len(literal) * found
        return found

    def bare_item(self) -> BareItem:
        for pattern, read in _BARE_ITEMS:
            if pattern.match(self._text, self._at):
                return read(self.take(pattern))
        raise _MalformedError

    def parameters(self) -> dict[str, BareItem]:
        found: dict[str, BareItem] = {}
        while self.skip(";"):
            self.take(_SPACES)
            key = self.take(_KEY)
            found[key] = self.bare_item() if self.skip("=") else True
        return found

    def item(self) -> Item:
        value = self.inner_list() if self.skip("(") else self.bare_item()
        return Item(value, self.parameters())

    def inner_list(self) -> tuple[Item, ...]:
        items: list[Item] = []
        while True:
            spaces = self.take(_SPACES)
            if self.skip(")"):
                return tuple(items)
            if items and not spaces:
                raise _MalformedError
            items.append(Item(self.bare_item(), self.parameters()))

    def member(self) -> tuple[str, Item]:
        key = self.take(_KEY)
        return key, self.item() if self.skip("=") else Item(
            value=True, parameters=self.parameters()
        )

    def members(self, read: Callable[[], T]) -> list[T]:
        found: list[T] = []
        while not self.done():
            found.append(read())
            self.take(_OWS)
            if self.done():
                break
            if not self.skip(","):
                raise _MalformedError
            self.take(_OWS)
            if self.done():
                raise _MalformedError
        return found


def parse_list(text: str) -> tuple[Item, ...] | None:
    """Parse a List (RFC 9651 §4.2.1); None if malformed."""
    scanner = _Scanner(text)
    try:
        return tuple(scanner.members(scanner.item))
    except ValueError:
        return None


def parse_dictionary(text: str) -> dict[str, Item] | None:
    """Parse a Dictionary, the last of a key counting (RFC 9651 §4.2.2); None if malformed."""
    scanner = _Scanner(text)
    try:
        return dict(scanner.members(scanner.member))
    except ValueError:
        return None


def is_token(text: str) -> bool:
    """Whether the text may be written as a Token (RFC 9651 §3.3.4)."""
    return _TOKEN.fullmatch(text) is not None


def string(text: str) -> str:
    """Write a String; what is not printable ASCII becomes a question mark (RFC 9651 §4.1.6)."""
    printable = "".join(char if " " <= char <= "~" else "?" for char in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
