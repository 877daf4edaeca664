"""Parts of an answer: read off a 206, joined, cut from (RFC 9111 §3.3-3.4, RFC 9110 §14-15.3.7).

Floor 1, pure. Knows parts only; ranges of a whole body are in ranges.py. Invariants: a part
is believed only where its length and its range agree and a strong validator says of what it
is; parts are joined only if that is the same one; what two answers tell differently of the
same bytes or the same length is not joined.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from proxy.caching.dates import parse_http_date
from proxy.caching.entity_tags import single_tag
from proxy.caching.ranges import parse_range
from proxy.fields import Fields
from proxy.messages import Part, Request, Response, StoredResponse

PARTIAL_CONTENT: Final = 206
OK: Final = 200

_CONTENT_RANGE: Final = re.compile(
    r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)", re.IGNORECASE
)
_BEYOND_ALL: Final = 10**18
"""Longer than any body whose Content-Range is read: stands for a length that is not known."""

_CLOCK_GRAIN_S: Final = 1


def parse_content_range(text: str) -> Part | None:
    """Read a Content-Range that says which bytes follow; None if it does not, or cannot be true."""
    found = _CONTENT_RANGE.fullmatch(text.strip(" \t"))
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    length = int(found[3]) if found[3] else None
    if last < first or (length is not None and last >= length):
        return None
    return Part(first, last + 1, length)


def received_part(response: Response) -> Part | None:
    """The part in a 206 of one range that may be joined with others (RFC 9110 §15.3.7.3).

    None if it has several ranges, no strong validator, or does not agree with itself.
    """
    if response.status != PARTIAL_CONTENT:
        return None
    fields = response.fields
    media_type = (fields.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type == "multipart/byteranges" or strong_validator(response) is None:
        return None
    lines = fields.get_all("content-range")
    part = parse_content_range(lines[0]) if len(lines) == 1 else None
    if part is None or fields.get("content-length") not in {None, str(part.size)}:
        return None
    return part


def strong_validator(response: Response | StoredResponse) -> str | None:
    """What tells this answer's bytes from all others of its target (RFC 9110 §8.8.1).

    Last-Modified, where there is no ETag, only if Date is later (RFC 9110 §8.8.2.2).
    """
    fields = response.fields
    if "etag" in fields:
        tag = single_tag(fields)
        return tag.opaque if tag is not None and not tag.weak else None
    lines = fields.get_all("last-modified")
    now = response.response_time
    modified = parse_http_date(lines[0].strip(), now) if len(lines) == 1 else None
    date = parse_http_date((fields.get("date") or "").strip(), now)
    settled = modified is not None and date is not None and date - modified >= _CLOCK_GRAIN_S
    return lines[0].strip() if settled else None


def as_whole(response: Response) -> Response:
    """The head of the 200 of which a 206 is a part: by this it is judged whether to store it."""
    fields = response.fields.without("content-range", "content-length")
    return replace(response, status=OK, reason="OK", fields=fields)


def beginning(response: Response, size: int) -> Response | None:
    """The head of a 200 that broke off after `size` bytes as one of a part (RFC 9111 §3.3).

    None if nothing can be made of it.
    """
    announced = response.fields.get("content-length") or ""
    length = int(announced) if announced.isascii() and announced.isdigit() else 0
    if response.status != OK or not 0 < size < length:
        return None
    fields = response.fields.without("content-length", "content-range")
    fields = fields.with_added("Content-Range", _written(0, size, length))
    cut = replace(response, status=PARTIAL_CONTENT, fields=fields)
    return None if received_part(cut) is None else cut


def join(one: Part, body: bytes, other: Part, other_body: bytes) -> tuple[Part, bytes] | None:
    """Two parts of the same bytes as one; None if there is a gap or a contradiction."""
    if other.first < one.first:
        one, body, other, other_body = other, other_body, one, body
    length = one.length if other.length is None else other.length
    if one.length not in {None, length} or other.first > one.end:
        return None
    end = max(one.end, other.end)
    if length is not None and end > length:
        return None
    shared = min(one.end, other.end) - other.first
    offset = other.first - one.first
    if body[offset : offset + shared] != other_body[:shared]:
        return None
    return Part(one.first, end, length), body + other_body[shared:]


def combine(older: StoredResponse, newer: StoredResponse) -> StoredResponse | None:
    """Two stored parts as one, with the older head updated by the newer (RFC 9111 §3.4, §3.2).

    None if they cannot be one: then the newer stands alone.
    """
    validator = strong_validator(newer)
    if older.part is None or newer.part is None or validator is None:
        return None
    joined = join(older.part, older.body, newer.part, newer.body)
    if joined is None or strong_validator(older) != validator:
        return None
    part, body = joined
    fields = Fields((*older.fields.without(*newer.fields.names()), *newer.fields))
    return replace(newer, part=part, body=body, fields=fields)


def completed(stored: StoredResponse) -> StoredResponse:
    """A part that holds everything is the complete 200; others are as they were."""
    if stored.part is None or not stored.part.is_all:
        return stored
    return replace(stored, status=OK, reason="OK", part=None)


def asks_one_range(request: Request) -> bool:
    """Whether a GET asks for one range of bytes, of whatever length all of it may be."""
    text = request.fields.get("range")
    if text is None or request.method != "GET":
        return False
    return len(parse_range(text, _BEYOND_ALL) or ()) == 1


def excerpt(stored: StoredResponse, text: str) -> StoredResponse | None:
    """The 206 to this Range from a stored part; None if that is not all of it (RFC 9111 §3.3)."""
    part = stored.part
    if part is None:
        return None
    spans = parse_range(text, part.length or _BEYOND_ALL) or ()
    if len(spans) != 1:
        return None
    first, end = spans[0]
    if first < part.first or end > part.end:
        return None
    fields = stored.fields.with_set("Content-Range", _written(first, end, part.length))
    body = stored.body[first - part.first : end - part.first]
    return replace(stored, fields=fields, body=body, part=None)


def _written(first: int, end: int, length: int | None) -> str:
    return f"bytes {first}-{end - 1}/{'*' if length is None else length}"
