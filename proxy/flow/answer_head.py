"""Heads of answers, interim and final: cut out of the bytes of a connection, and parsed.

Door to aiohttp: its parser (llhttp) reads them, and its message becomes our value here. Knows no
connection. Invariant: the parser is given a head and nothing behind it.
"""

from __future__ import annotations

import re
from asyncio import AbstractEventLoop
from dataclasses import dataclass
from typing import Final

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser, RawResponseMessage

from proxy.fields import Fields

SWITCHING: Final = 101
MAX_LINE: Final = 64 * 1024
"""Bytes of a status line or of one field line."""
MAX_FIELDS: Final = 256
READ_BUFFER: Final = 64 * 1024
"""What aiohttp's parser wants to know about bodies, none of which it sees."""
_EMPTY_LINE: Final = re.compile(rb"\n\r?\n")
"""Where a head ends; like the parser, upstreams are forgiven a missing CR."""
_IDLE_HINT: Final = re.compile(r"\btimeout\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_CODINGS: Final = frozenset({"", "chunked", "identity"})


@dataclass(slots=True)
class Head:
    """A parsed response head, interim or final."""

    status: int
    reason: str
    fields: Fields
    is_last: bool = False
    """Whether no other answer can follow on its connection."""


class HeadReader:
    """Reads the heads of one connection, one answer after the other."""

    def __init__(self, protocol: BaseProtocol, loop: AbstractEventLoop) -> None:
        # It takes each head for a whole message, and so is ready for the next one.
        self._parser = HttpResponseParser(
            protocol,
            loop,
            READ_BUFFER,
            response_with_body=False,
            auto_decompress=False,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_FIELDS,
        )
        self._line_end = b""
        self.size = 0
        """Bytes of this answer's heads so far."""

    def begin(self) -> None:
        """Heads of another answer are to come."""
        self._line_end, self.size = b"", 0

    def feed(self, data: bytes) -> tuple[list[Head], bytes]:
        """The next head, if it ends in these bytes, and what is behind it.

        Raises aiohttp's HttpProcessingError, or whatever else its parser stumbles over.
        """
        at = len(self._line_end)
        data = self._line_end + data
        found = _EMPTY_LINE.search(data)
        end = found.end() if found else len(data)
        self._line_end = b"" if found else data[-2:]
        self.size += end - at
        messages, upgraded, _ = self._parser.feed_data(data[at:end])
        heads = [parse_head(message) for message, _ in messages]
        if upgraded and heads:
            heads[-1].is_last = True
        return heads, data[end:]


def parse_head(message: RawResponseMessage) -> Head:
    """The head in aiohttp's message."""
    reason = message.reason
    if not reason.isascii():
        # aiohttp reads the reason as UTF-8; here all text of the wire is latin-1.
        reason = reason.encode("utf-8", "surrogateescape").decode("latin-1")
    fields = Fields.from_raw(message.raw_headers)
    return Head(message.code, reason, fields, message.should_close)


def problem_of(head: Head, *, may_switch: bool) -> str:
    """Why nothing can be made of this answer, as the rest of a sentence; "" if something can."""
    if head.status < 100:
        return f"answered with status {head.status:03}, which is none"
    if head.status == SWITCHING and not (may_switch and "upgrade" in head.fields):
        return "switched protocols unasked"
    coding = head.fields.get("transfer-encoding")
    known = coding is None or coding.strip().lower() in _CODINGS
    return "" if known else "used a transfer coding nobody asked for"


def idle_hint(head: Head) -> int | None:
    """For how many seconds the upstream says it keeps an idle connection, if it does."""
    text = head.fields.get("keep-alive")
    hint = None if text is None else _IDLE_HINT.search(text)
    return None if hint is None else int(hint[1])
