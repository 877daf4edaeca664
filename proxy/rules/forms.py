"""Form bodies: multipart/form-data (RFC 7578) and application/x-www-form-urlencoded.

Floor 2. Pure. A body that is not well-formed is None, and is then keyed by its
bytes. A file is known by its SHA-256 digest and the extension of its name; the
boundary, which clients draw anew for every request, is never looked at again.
What a hostile client could make long is bounded: see `is_too_much`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from proxy.rules.values import delimit, encode
from proxy.rules.wire import QueryPair, media_type, query_pairs

_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_PARAMETER: Final = re.compile(
    r';\s*(name|filename)\*?\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))', re.IGNORECASE
)
_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
_LONGEST_HEAD: Final = 16 << 10
_LONGEST_END: Final = 64
_DIGEST: Final = 32
_PLAIN: Final = frozenset({"", "7bit", "8bit", "binary"})


MAX_FIELDS: Final = 10_000
"""Fields of one form that are told apart; a body with more is bytes."""

MAX_URLENCODED: Final = 8 << 20
"""Bytes of an urlencoded body that is taken apart."""

_FILE: Final = "sha256:"
_IMITATION: Final = re.compile(rf"(?:text:)*{_FILE}[0-9a-f]{{64}}\Z")


class FormField(NamedTuple):
    """One field: its name, what tells it apart in a key, and its content as it was sent."""

    name: str
    raw: bytes
    content: str | memoryview | None = None

    @property
    def value(self) -> str:
        """The value; of a file `sha256:HEX`, which no text reads as: one like it gets `text:`."""
        if self.content is None:
            return f"{_FILE}{self.raw[-1 - _DIGEST : -1].hex()}"
        text = (
            QueryPair("", f"={self.content}").value
            if isinstance(self.content, str)
            else str(self.content, "utf-8", "surrogateescape")
        )
        return f"text:{text}" if _IMITATION.match(text) else text


def is_too_much(content_type: str, body: bytes) -> bool:
    """Whether a form is not taken apart because of its size, so that its fields are unknown."""
    if len(body) < MAX_FIELDS:  # a field takes a byte
        return False
    essence, _ = media_type(content_type)
    if essence == _URLENCODED:
        return len(body) > MAX_URLENCODED or body.count(b"&") >= MAX_FIELDS
    boundary = _boundary(content_type) if essence == _MULTIPART else None
    return boundary is not None and body.count(b"\r\n--" + boundary) > MAX_FIELDS


def parse_form(content_type: str, body: bytes) -> tuple[FormField, ...] | None:
    """The fields in order; None if the media type is no form or the body is not well-formed."""
    essence, _ = media_type(content_type)
    if essence == _URLENCODED:
        pairs = query_pairs(body.decode("latin-1"))
        return tuple(
            FormField(p.name, p.raw.encode("latin-1"), p.raw.partition("=")[2]) for p in pairs
        )
    boundary = _boundary(content_type) if essence == _MULTIPART else None
    return None if boundary is None else _multipart(boundary, body)


def _boundary(content_type: str) -> bytes | None:
    found = _BOUNDARY.search(content_type)
    return None if found is None else (found[1] or found[2]).encode("latin-1")


def _multipart(boundary: bytes, body: bytes) -> tuple[FormField, ...] | None:
    """The parts; nothing of a body is copied but heads, for a file may be all of it."""
    first, divider = b"--" + boundary, b"\r\n--" + boundary
    if not body.startswith(first):
        return None
    fields: list[FormField] = []
    start = len(first)
    while (end := body.find(divider, start)) >= 0:
        field = _part(body, start, end)
        if field is None:
            return None
        fields.append(field)
        start = end + len(divider)
    ended = len(body) - start <= _LONGEST_END and body[start:].strip() == b"--"
    return tuple(fields) if ended else None


def _part(body: bytes, start: int, end: int) -> FormField | None:
    """One part: after the boundary come white space, CRLF, a head, an empty line, the value."""
    newline = body.find(b"\r\n", start, end)
    empty = body.find(b"\r\n\r\n", newline, end)
    if newline < 0 or not 0 <= empty - start <= _LONGEST_HEAD or body[start:newline].strip(b" \t"):
        return None
    head, value = body[newline:empty], memoryview(body)[empty + 4 : end]
    lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:]]
    fields = unambiguous((name.strip().lower(), text.strip()) for name, _, text in lines)
    if fields is None or fields.get("content-transfer-encoding", "").lower() not in _PLAIN:
        return None
    found = _PARAMETER.findall(fields.get("content-disposition", ""))
    parameters = unambiguous((name.lower(), quoted or bare) for name, quoted, bare in found)
    if parameters is None or "name" not in parameters:
        return None
    return _field(parameters, fields.get("content-type", ""), value)


def unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str] | None:
    """The pairs by name; None if a name comes twice, for two parsers may take different ones."""
    listed = list(pairs)
    found = dict(listed)
    return found if len(found) == len(listed) else None


def _field(parameters: dict[str, str], content_type: str, value: memoryview) -> FormField:
    name = _utf8(parameters["name"])
    digest = hashlib.sha256(value).digest()
    filename = parameters.get("filename")
    if filename is None:
        raw = delimit((b"text", encode(content_type), digest))
        return FormField(name, raw, value)
    extension = _utf8(filename).rpartition(".")[2].lower() if "." in filename else ""
    return FormField(name, delimit((b"file", encode(content_type), encode(extension), digest)))


def _utf8(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogateescape")
