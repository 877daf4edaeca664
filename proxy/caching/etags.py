"""Entity tags of our own making, from bytes or from values (RFC 9110 §8.8.3).

Floor 1, pure. It knows texts and bytes, not where they come from. Invariants: the same
content, or the same values, make the same tag on every instance and in every run; two lists of
values that differ never share a tag, but for a collision of 128 bits; a tag is always one
that any client can send back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import xxhash

_PLAIN: Final = re.compile(r"[!#-+\--:<-\[\]-~]+", re.ASCII)
"""What may stand in a tag as it is: etagc without the comma, the semicolon and the backslash,
which some recipients split at or unescape, and our own separator."""

_CONTENT: Final = re.compile(r'(?:W/)?"xxh3-[0-9a-f]{32}"', re.ASCII)
_LONGEST: Final = 120


def content_tag(body: bytes) -> str:
    """The strong tag of a body: another byte, another tag."""
    return f'"xxh3-{xxhash.xxh3_128_hexdigest(body)}"'


def is_content_tag(text: str) -> bool:
    """Whether it is written as `content_tag` writes them."""
    return _CONTENT.fullmatch(text) is not None


def values_tag(texts: Sequence[str]) -> str:
    """The weak tag of some values, readable where they are: `W/"42;2026-01-31T08:00:00Z"`."""
    inner = ";".join(texts)
    if len(inner) > _LONGEST or not all(map(_PLAIN.fullmatch, texts)):
        parts = [text.encode("utf-8", "surrogatepass") for text in texts]
        inner = xxhash.xxh3_128_hexdigest(b"".join(b"%d:%b" % (len(p), p) for p in parts))
    return f'W/"{inner}"'


def opaque_of(text: str) -> str:
    """What a tag says without its weakness and quotes: what weak comparison compares (§8.8.3.2).

    "" of what is no tag.
    """
    bare = text.strip(" \t").removeprefix("W/")
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] == '"' else bare
