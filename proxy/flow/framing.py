"""Where the body of a message ends (RFC 9112 §6.3), and the trailers behind it.

Bytes in, pieces of content out: no socket, no event loop. Invariants: what is not
plainly a body is refused, so that two readers of the same bytes cannot disagree about
its end; nothing is held that is not bounded; pieces do not depend on how the bytes were cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from proxy.caching.status import EMPTY
from proxy.fields import NO_FIELDS, Fields

MAX_SIZE_LINE: Final = 4096
"""Bytes of a chunk's size and extensions."""
MAX_DIGITS: Final = 18
"""Digits of a Content-Length."""
MAX_TRAILERS: Final = 16 * 1024
"""Bytes of a trailer section."""

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")


Put = Callable[[bytes], None]
"""Takes a piece of content."""


class FramingError(Exception):
    """The bytes are not a body of this framing. Quotes nothing of them."""


class Counted:
    """As many bytes as Content-Length says; 0 for an answer that has no body."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._left = length
        self.rest = b""
        """What came behind the end."""

    trailers = NO_FIELDS

    @property
    def complete(self) -> bool:
        """Whether all of the body is here."""
        return not self._left

    def feed(self, data: bytes, put: Put) -> None:
        """Put the content in the next bytes."""
        piece = data[: self._left]
        self._left -= len(piece)
        self.rest = data[len(piece) :]
        if piece:
            put(piece)

    def ended(self) -> bool:
        """The connection was closed in order; whether the body is complete now."""
        return self.complete


class UntilClose:
    """Everything until the connection is closed in order."""

    trailers = NO_FIELDS
    rest = b""
    complete = False

    def feed(self, data: bytes, put: Put) -> None:
        """Put the content in the next bytes."""
        put(data)

    def ended(self) -> bool:
        """The connection was closed in order, and so the body is complete."""
        self.complete = True
        return True


class Chunked:
    """Chunks, a last chunk and a trailer section (RFC 9112 §7.1). Extensions are ignored."""

    def __init__(self) -> None:
        self.trailers = NO_FIELDS
        self.rest = b""
        self.complete = False
        self._left = 0
        """Bytes still to come of this chunk; -1: its CRLF."""
        self._in_trailers = False
        self._held = b""
        self._section: list[bytes] = []
        self._section_bytes = 0

    def feed(self, data: bytes, put: Put) -> None:
        """Put the content in the next bytes; raises FramingError behind what was sound."""
        if self._held:
            data, self._held = self._held + data, b""
        at, end = 0, len(data)
        while at < end and not self.complete:
            if self._left > 0:
                piece = data[at : at + self._left]
                put(piece)
                at += len(piece)
                self._left = self._left - len(piece) or -1
                continue
            found = data.find(b"\r\n", at)
            if self._left and found != at:
                self._check_chunk_end(data[at : at + 2])
            if found < 0:
                self._hold(data[at:])
                return
            at, line = found + 2, data[at:found]
            if self._left:
                self._left = 0
                continue
            self._line(line)
            left = self._announced()
            stop = at + left
            if left and data[stop : stop + 2] == b"\r\n":  # a whole chunk at once
                put(data[at:stop])
                self._left, at = 0, stop + 2
        self.rest = data[at:]

    def _announced(self) -> int:
        """Bytes of the chunk whose size line was just read; 0 behind any other line."""
        return self._left

    def ended(self) -> bool:
        """The connection was closed in order; whether the body is complete."""
        return self.complete

    def _check_chunk_end(self, data: bytes) -> None:
        if data != b"\r":
            raise FramingError("a chunk is longer than its size")

    def _hold(self, data: bytes) -> None:
        """Keep the beginning of a line whose end has not come yet."""
        self._bound(len(data) - data.endswith(b"\r"))
        if b"\n" in data or b"\r" in data[:-1]:
            raise FramingError("a bare CR or LF between chunks")
        self._held = data

    def _bound(self, size: int) -> None:
        if self._in_trailers:
            size += self._section_bytes
        if size > (MAX_TRAILERS if self._in_trailers else MAX_SIZE_LINE):
            what = "its trailers" if self._in_trailers else "a chunk's size and extensions"
            raise FramingError(f"{what} are too long")

    def _line(self, line: bytes) -> None:
        if self._in_trailers or len(line) > MAX_SIZE_LINE:
            self._bound(len(line))
            self._trailer_line(line)
            return
        size = _SIZE.fullmatch(line)
        if size is None or (left := int(size[1], 16)) >= 1 << 63:
            raise FramingError("a chunk has no valid size")
        self._left = left
        self._in_trailers = not left

    def _trailer_line(self, line: bytes) -> None:
        if line:
            self._section.append(line)
            self._section_bytes += len(line) + 2
            return
        if self._section:
            self.trailers = _fields(self._section)
        self.complete = True


def _fields(lines: list[bytes]) -> Fields:
    """The trailer fields; obs-fold has no place in them."""
    found = [_FIELD.fullmatch(line) for line in lines]
    if None in found:
        raise FramingError("a trailer is not a field")
    return Fields.from_raw((match[1], match[2]) for match in found if match is not None)


Framing = Counted | UntilClose | Chunked


def framing_of(status: int, fields: Fields, *, has_body: bool) -> Framing:
    """How the body of an answer with this head ends; `has_body` False: it answers a HEAD.

    Raises FramingError for a head that says it in two ways, or in none that is known.
    """
    if status == 101:
        return UntilClose()
    if not has_body or status in EMPTY:
        return Counted(0)
    lengths = fields.get_all("content-length")
    coding = fields.get("transfer-encoding")
    if coding is not None:
        if lengths:
            raise FramingError("both Content-Length and Transfer-Encoding")
        return _coded(coding.strip(" \t").lower())
    if not lengths:
        return UntilClose()
    text = lengths[0]
    if len(lengths) > 1 or not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise FramingError("Content-Length is not one number")
    return Counted(int(text))


def _coded(coding: str) -> Framing:
    if coding == "chunked":
        return Chunked()
    if coding in {"", "identity"}:
        return UntilClose()
    raise FramingError("a transfer coding nobody asked for")
