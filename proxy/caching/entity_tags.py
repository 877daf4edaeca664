"""Entity tags and their two comparisons (RFC 9110 §8.8.3).

Floor 1, pure. An opaque tag is compared as it is written, quotes and all, so a
tag that an upstream forgot to quote still matches itself.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from proxy.fields import Fields

_TAG: Final = re.compile(r'(?P<weak>W/)?(?P<opaque>"[^"]*"|[^", \t]+)')


class EntityTag(NamedTuple):
    """One entity tag; `opaque` has its quotes."""

    opaque: str
    weak: bool = False

    def matches_strongly(self, other: EntityTag) -> bool:
        """Same bytes: equal and neither weak (RFC 9110 §8.8.3.2)."""
        return self == other and not self.weak

    def matches_weakly(self, other: EntityTag) -> bool:
        """Same meaning: equal but for weakness (RFC 9110 §8.8.3.2)."""
        return self.opaque == other.opaque


def parse_tag(text: str) -> EntityTag | None:
    """Read exactly one entity tag; None if it is anything else."""
    found = _TAG.fullmatch(text.strip(" \t"))
    return _tag(found) if found else None


def parse_tags(text: str) -> tuple[EntityTag, ...]:
    """Read every entity tag of a list (RFC 9110 §13.1.2); commas may stand inside a tag."""
    return tuple([_tag(found) for found in _TAG.finditer(text)])


def _tag(found: re.Match[str]) -> EntityTag:
    weak, opaque = found.groups()
    return EntityTag(opaque, weak is not None)


def single_tag(fields: Fields) -> EntityTag | None:
    """The ETag of a response; None if absent or on lines that differ."""
    lines = fields.get_all("etag")
    return parse_tag(lines[0]) if lines and lines.count(lines[0]) == len(lines) else None
