"""What a listing says of entries, and which of them it is about.

Knows entries and tiers; nothing of stores. Invariant: plain values, cheap enough for a
million of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from proxy.caching.etags import opaque_of
from proxy.messages import Alias, Position, Stored, StoredResponse, Variants
from proxy.outcomes import Tier


class EntryKind(StrEnum):
    """What stands under a key."""

    RESPONSE = "response"
    VARIANTS = "variants"
    ALIAS = "alias"


_KINDS: Final = {
    StoredResponse: EntryKind.RESPONSE,
    Variants: EntryKind.VARIANTS,
    Alias: EntryKind.ALIAS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryInfo:
    """What a listing says of an entry: everything but its fields and its body."""

    key: bytes
    kind: EntryKind
    status: int
    method: str
    url: str
    route: str
    head: str
    tags: tuple[str, ...]
    born: Position
    fresh_until: float
    expires_at: float
    body_bytes: int
    tier: Tier
    created_at: float = 0.0
    cost: float = 0.0
    params: tuple[tuple[str, str], ...] = ()
    etag: str | None = None
    """As `etag_of` has it."""

    @classmethod
    def of(cls, key: bytes, entry: Stored, tier: Tier) -> EntryInfo:
        """The listing's view of an entry in hand."""
        answer = entry if isinstance(entry, StoredResponse) else None
        return cls(
            key=key,
            kind=_KINDS[type(entry)],
            status=answer.status if answer else 0,
            method=answer.method if answer else "",
            url=entry.url,
            route=entry.route,
            head=entry.head,
            tags=entry.tags,
            born=entry.born,
            fresh_until=answer.fresh_until if answer else entry.expires_at,
            expires_at=entry.expires_at,
            body_bytes=len(answer.body) if answer else 0,
            tier=tier,
            created_at=answer.created_at if answer else 0.0,
            cost=answer.cost if answer else 0.0,
            params=answer.params if answer else (),
            etag=etag_of(entry),
        )


def etag_of(entry: Stored | EntryInfo) -> str | None:
    """The ETag that clients see, without weakness and quotes; "" if there is none.

    None of what is no answer but leads to one: that is judged itself.
    """
    if isinstance(entry, EntryInfo):
        return entry.etag
    if not isinstance(entry, StoredResponse):
        return None
    lines = entry.fields.get_all("etag")
    return opaque_of(lines[0]) if len(lines) == 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which entries a listing is about: all that is given must hold. The default is every entry."""

    prefix: str | None = None
    tag: str | None = None
    route: str | None = None

    def holds(self, listed: EntryInfo) -> bool:
        """Whether an entry is one of them; a prefix is of its readable head or its URL."""
        return (
            (self.tag is None or self.tag in listed.tags)
            and (self.route is None or self.route == listed.route)
            and (
                self.prefix is None
                or listed.head.startswith(self.prefix)
                or listed.url.startswith(self.prefix)
            )
        )
