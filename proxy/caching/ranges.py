"""Byte ranges of a complete body (RFC 9110 §14, §15.3.7, §15.5.17).

Floor 1, pure. A Range that is malformed, or that asks for more parts than make
sense, counts as absent: the client then gets everything, which is always right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Final, Literal

from proxy.caching.preconditions import if_range_holds
from proxy.caching.syntax import split_list
from proxy.fields import Fields
from proxy.messages import Request

MAX_RANGES: Final = 64
"""More in one request serve only to make a server work (RFC 9110 §17.15)."""

_SPEC: Final = re.compile(r"(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})?|-(?P<suffix>[0-9]{1,18})")

Span = tuple[int, int]
"""First position and the one after the last."""


@dataclass(frozen=True, slots=True)
class Partial:
    """The answer to a range request; `fields` without Content-Length."""

    status: Literal[206, 416]
    fields: Fields
    body: bytes


def partial(request: Request, fields: Fields, body: bytes, now: float) -> Partial | None:
    """Answer a range request from a complete 200; None: send that (RFC 9110 §14.2).

    Preconditions come first; If-Range is judged here.
    """
    text = request.fields.get("range")
    if text is None or request.method != "GET" or not if_range_holds(request, fields, now):
        return None
    spans = parse_range(text, len(body))
    if spans is None:
        return None
    match spans:
        case ():
            unsatisfied = Fields([("Content-Range", f"bytes */{len(body)}")])
            return Partial(416, unsatisfied, b"")
        case (span,):
            described = _with_body(fields).with_added("Content-Range", _written(span, len(body)))
            return Partial(206, described, body[slice(*span)])
        case _:
            return _multipart(fields, body, spans)


def parse_range(text: str, length: int) -> tuple[Span, ...] | None:
    """The satisfiable spans, overlapping ones merged; None if the field is to be ignored.

    Empty means that none is satisfiable (RFC 9110 §14.1.2).
    """
    unit, equals, ranges = text.partition("=")
    members = split_list(ranges)
    specs = [_SPEC.fullmatch(member) for member in members]
    wrong_unit = unit.lower() != "bytes" or not equals
    if wrong_unit or length == 0 or not 0 < len(specs) <= MAX_RANGES:
        return None
    spans: list[Span] = []
    for spec in specs:
        if spec is None or (spec["last"] and int(spec["last"]) < int(spec["first"])):
            return None
        spans.append(_span(spec, length))
    return _merged([(first, end) for first, end in spans if first < end])


def _span(spec: re.Match[str], length: int) -> Span:
    if spec["suffix"]:
        return max(0, length - int(spec["suffix"])), length
    last = int(spec["last"]) if spec["last"] else length
    return int(spec["first"]), min(last + 1, length)


def _merged(spans: list[Span]) -> tuple[Span, ...]:
    """As asked, unless some touch or overlap: then merged, in order (RFC 9110 §15.3.7.2)."""
    merged: list[Span] = []
    for first, end in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((first, end))
    return tuple(spans) if len(merged) == len(spans) else tuple(merged)


def _multipart(fields: Fields, body: bytes, spans: Sequence[Span]) -> Partial:
    """Write multipart/byteranges (RFC 9110 §14.6)."""
    boundary = _boundary(body)
    content_type = fields.get("content-type")
    typed = f"Content-Type: {content_type}\r\n" if content_type else ""
    parts: list[bytes] = []
    for span in spans:
        head = f"--{boundary}\r\n{typed}Content-Range: {_written(span, len(body))}\r\n\r\n"
        parts += (head.encode("latin-1"), body[slice(*span)], b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode("latin-1"))
    described = _with_body(fields).with_set(
        "Content-Type", f"multipart/byteranges; boundary={boundary}"
    )
    return Partial(206, described, b"".join(parts))


def _with_body(fields: Fields) -> Fields:
    return fields.without("content-length", "content-range")


def _written(span: Span, length: int) -> str:
    return f"bytes {span[0]}-{span[1] - 1}/{length}"


def _boundary(body: bytes) -> str:
    """A boundary that is not in the body: no randomness here, so it is searched for."""
    candidates = (sha256(b"larder %d" % n).hexdigest()[:24] for n in count())
    return next(found for found in candidates if found.encode() not in body)
