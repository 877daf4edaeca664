"""Form bodies: multipart/form-data (RFC 7578) and application/x-www-form-urlencoded.

Floor 2. Pure. A body that is not well-formed is None, and is then keyed by its
bytes. A file is known by its SHA-256 digest and the extension of its name; the
boundary, which clients draw anew for every request, is never looked at again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from proxy.rules.values import delimit, encode
from proxy.rules.wire import media_type, query_pairs

_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_PARAMETER: Final = re.compile(
    r';\s*(name|filename)\*?\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))', re.IGNORECASE
)
_PLAIN: Final = frozenset({"", "7bit", "8bit", "binary"})


@dataclass(frozen=True, slots=True)
class FormField:
    """One field: its name, its value (of a file, the digest), and what tells it apart in a key."""

    name: str
    value: str
    raw: bytes


def parse_form(content_type: str, body: bytes) -> tuple[FormField, ...] | None:
    """The fields in order; None if the media type is no form or the body is not well-formed."""
    essence, _ = media_type(content_type)
    if essence == "application/x-www-form-urlencoded":
        pairs = query_pairs(body.decode("latin-1"))
        return tuple(FormField(p.name, p.value, p.raw.encode("latin-1")) for p in pairs)
    if essence != "multipart/form-data":
        return None
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return None
    return _multipart((boundary[1] or boundary[2]).encode("latin-1"), body)


def _multipart(boundary: bytes, body: bytes) -> tuple[FormField, ...] | None:
    preamble, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if preamble or not parts or parts.pop().strip() != b"--":
        return None
    fields = [_part(part) for part in parts]
    known = tuple(part for part in fields if part is not None)
    return known if len(known) == len(fields) else None


def _part(section: bytes) -> FormField | None:
    """One part: after the boundary come white space, CRLF, a head, an empty line, the value."""
    padding, newline, rest = section.partition(b"\r\n")
    head, end, value = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not newline or padding.strip(b" \t") or not end:
        return None
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


def _field(parameters: dict[str, str], content_type: str, value: bytes) -> FormField:
    name = _utf8(parameters["name"])
    digest = hashlib.sha256(value).digest()
    filename = parameters.get("filename")
    if filename is None:
        raw = delimit((b"text", encode(content_type), digest))
        return FormField(name, value.decode("utf-8", "surrogateescape"), raw)
    extension = _utf8(filename).rpartition(".")[2].lower() if "." in filename else ""
    raw = delimit((b"file", encode(content_type), encode(extension), digest))
    return FormField(name, digest.hex(), raw)


def _utf8(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "surrogateescape")
