"""Stored responses as the admin API lists them: filters, pages, secrets hidden.

Knows EntryInfo and the rules that name things; not where entries are. Pages go
by key, so a listing needs no snapshot: what comes or goes meanwhile may be left
out, but nothing is listed twice. Invariant: no body, no header value of a
credential, no secret of a URL.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Final

from proxy.edges.ledger import in_units
from proxy.edges.members import Kind, Member
from proxy.edges.problem import ApiError
from proxy.edges.redact import HIDDEN, redact_text, redact_url
from proxy.fields import Fields
from proxy.messages import Alias, Stored, StoredResponse, Variants
from proxy.outcomes import NotServed, Tier
from proxy.rules.compiled import Config
from proxy.rules.secrets import is_secret_field
from proxy.rules.tags import upstream_tag
from proxy.store.base import EVERYTHING
from proxy.store.entry_info import EntryInfo, Selection

FILTERS: Final = (
    Member("prefix", Kind.TEXT, "whose key head or URL begins so"),
    Member("tag", Kind.TEXT, "with this tag"),
    Member("route", Kind.TEXT, "of the route of this name"),
    Member("session", Kind.TEXT, "of this session id"),
)
PAGING: Final = (
    Member("limit", Kind.COUNT, "at most so many; 100 unless given"),
    Member("cursor", Kind.TEXT, "the page after the one whose `cursor` this was"),
)
MEMBERS: Final = (*FILTERS, *PAGING)
DEFAULT_LIMIT: Final = 100
_BATCH: Final = 4096

Json = dict[str, object]
CountHits = Callable[[Collection[bytes]], Awaitable[Mapping[bytes, int | None]]]
KEY_DIGITS: Final = 64
LEAST_DIGITS: Final = 16


def selection(members: Mapping[str, object]) -> Selection:
    """The filters a store understands; `session` is left to `page`."""
    given = {name: str(members[name]) for name in ("prefix", "tag", "route") if name in members}
    return Selection(**given)


def read_key(text: str) -> bytes:
    """A key as listings print it, in hex; ApiError 400 otherwise."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ApiError(400, "key: must be 64 hexadecimal digits, as a listing prints it")
    return key


async def find_key(text: str, found: AsyncIterator[EntryInfo]) -> bytes:
    """The key that a text in hex is, or begins; ApiError 400 or 404 if it is not exactly one."""
    if len(text) >= KEY_DIGITS or len(text) < LEAST_DIGITS or not _is_hex(text):
        return read_key(text)
    keys = {entry.key async for entry in found if entry.key.hex().startswith(text.lower())}
    if len(keys) != 1:
        what = NotServed.ABSENT.sentence if not keys else "several keys begin so: give more digits"
        raise ApiError(404, what, reason=NotServed.ABSENT.value)
    return keys.pop()


def _is_hex(text: str) -> bool:
    return all(each in "0123456789abcdefABCDEF" for each in text)


async def page(
    found: AsyncIterator[EntryInfo],
    members: Mapping[str, object],
    config: Config,
    now: float,
    hits: CountHits,
) -> Json:
    """One page of a listing, by key, and the cursor of the next one (None at the end)."""
    after = read_key(str(members["cursor"])) if "cursor" in members else b""
    session = config.session_tag(str(members["session"])) if "session" in members else EVERYTHING
    given = members.get("limit", DEFAULT_LIMIT)
    limit = given if isinstance(given, int) else DEFAULT_LIMIT
    kept: list[EntryInfo] = []
    async for entry in found:
        if entry.key > after and session in entry.tags:
            kept.append(entry)
        if len(kept) > _BATCH + limit:
            kept = heapq.nsmallest(limit + 1, kept, key=_key_of)
    first = heapq.nsmallest(limit, kept, key=_key_of)
    counts = await hits([entry.key for entry in first])
    return {
        "entries": [{**listed(entry, now), "hits": counts.get(entry.key)} for entry in first],
        "cursor": first[-1].key.hex() if len(kept) > limit else None,
    }


def _key_of(entry: EntryInfo) -> bytes:
    return entry.key


def listed(entry: EntryInfo, now: float) -> Json:
    """One entry in a listing."""
    return {
        "key": entry.key.hex(),
        "head": redact_url(entry.head),
        "url": redact_url(entry.url),
        "route": entry.route,
        "provider": _provider(entry),
        "tier": entry.tier.value,
        "kind": entry.kind.value,
        "method": entry.method,
        "status": entry.status,
        "body_bytes": entry.body_bytes,
        "ttl_s": round(entry.fresh_until - now, 3),
        "expires_s": round(entry.expires_at - now, 3),
        "state": "fresh" if entry.fresh_until > now else "stale",
        "created_at": entry.created_at or None,
        "cost": in_units(entry.cost),
        "params": {redact_text(name): redact_text(value) for name, value in entry.params},
        "tags": [redact_url(tag) for tag in entry.tags],
    }


def _provider(entry: EntryInfo) -> str:
    """The upstream it is from."""
    begin = upstream_tag("")
    return next((tag[len(begin) :] for tag in entry.tags if tag.startswith(begin)), "")


def described(key: bytes, entry: Stored, tier: Tier, now: float, *, soft: bool) -> Json:
    """One entry in full, but for its body."""
    said = listed(EntryInfo.of(key, entry, tier), now)
    match entry:
        case StoredResponse():
            return {
                **said,
                "state": "soft-purged" if soft else said["state"],
                "soft_purged": soft,
                "session": _session(entry),
                "age_s": round(entry.age(now), 3),
                "lifetime_s": round(entry.lifetime, 3),
                "learned_s": round(entry.learned, 3) or None,
                "stale_while_revalidate_s": entry.stale_while_revalidate,
                "stale_if_error_s": entry.stale_if_error,
                "must_revalidate": entry.must_revalidate,
                "no_cache": entry.no_cache,
                "selecting": list(entry.selecting),
                "aliases": [digest.hex() for digest in entry.aliases],
                "stored_at": entry.response_time,
                "fields": shown_fields(entry.fields),
            }
        case Variants():
            return {**said, "selecting": list(entry.names)}
        case Alias():
            return {**said, "target": entry.target.hex()}


def _session(entry: StoredResponse) -> str | None:
    """The digest of the session it belongs to."""
    return next((tag for tag in entry.tags if tag.startswith("@session:")), None)


def shown_fields(fields: Fields) -> list[list[str]]:
    """Field lines for people, those that may carry a credential without their value."""
    return [
        [name, HIDDEN if is_secret_field(name) else redact_url(value)] for name, value in fields
    ]
