"""Entity tags and their two comparisons (RFC 9110 §8.8.3).

Floor 1, pure. An opaque tag is compared as it is written, quotes and all, so a
tag that an upstream forgot to quote still matches itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from proxy.fields import Fields

_TAG: Final = re.compile(r'(?P<weak>W/)?(?P<opaque>"[^"]*"|[^", \t]+)')


@dataclass(frozen=True, slots=True)
class EntityTag:
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
    return EntityTag(found["opaque"], found["weak"] is not None) if found else None


def parse_tags(text: str) -> tuple[EntityTag, ...]:
    """Read every entity tag of a list (RFC 9110 §13.1.2); commas may stand inside a tag."""
    return tuple(
        EntityTag(found["opaque"], found["weak"] is not None) for found in _TAG.finditer(text)
    )


def single_tag(fields: Fields) -> EntityTag | None:
    """The ETag of a response; None if absent or on lines that differ."""
    lines = set(fields.get_all("etag"))
    return parse_tag(lines.pop()) if len(lines) == 1 else None
