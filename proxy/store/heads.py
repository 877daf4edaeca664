"""The head of stored bytes: everything of an entry but its body, as one MessagePack array.

Knows the entries and nothing of how their bytes are framed or packed (codec.py). Invariant:
a field's place in the array is the format; a version only ever gets fields at its end.
Texts are MessagePack's, or bytes in versions 1 and 2 and where one is no UTF-8 (`as_bytes`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import astuple
from typing import Any, Final, Generic, TypeVar

import msgspec

from proxy.errors import CorruptEntryError
from proxy.fields import Fields
from proxy.messages import Alias, Part, Stored, StoredResponse, Variants
from proxy.store.base import Record

Text = TypeVar("Text", str, bytes)


class Head(msgspec.Struct, Generic[Text], array_like=True, frozen=True):
    """Every version. The order is the format: new fields are at the end, with defaults."""

    variants: bool
    names: tuple[Text, ...]
    status: int
    reason: Text
    fields: tuple[tuple[Text, Text], ...]
    body_bytes: int
    body_crc: int
    request_time: float
    response_time: float
    initial_age: float
    lifetime: float
    keep: float
    stale_while_revalidate: float
    stale_if_error: float
    must_revalidate: bool
    no_cache: bool
    unused: tuple[Text, ...]
    selecting: tuple[Text, ...]
    tags: tuple[Text, ...]
    born: tuple[int, int]
    route: Text
    route_digest: Text
    method: Text
    url: Text
    head: Text
    expires_at: float
    generations: tuple[int, ...]
    epoch: str
    places: tuple[bytes, ...] = ()
    part: tuple[int, int, int | None] | None = None
    target: bytes = b""
    created_at: float = 0.0
    validators: tuple[tuple[Text, Text], ...] = ()
    aliases: tuple[bytes, ...] = ()
    cost: float = 0.0
    params: tuple[tuple[Text, Text], ...] = ()
    learned: float = 0.0


_TEXTS: Final = (
    *("names", "reason", "fields", "selecting", "tags", "route", "route_digest"),
    *("method", "url", "head", "validators", "params"),
)


def text_out(text: str) -> bytes:
    """Text as UTF-8; a lone surrogate (JSON may hold one) goes through."""
    return text.encode("utf-8", "surrogatepass")


def text_in(data: bytes) -> str:
    """The inverse of `text_out`."""
    return data.decode("utf-8", "surrogatepass")


def as_bytes(head: Head[str]) -> Head[bytes]:
    """The same head for those who read its texts as bytes."""
    return Head(**_mapped(head, text_out))


def as_text(head: Head[bytes]) -> Head[str]:
    """The inverse of `as_bytes`; CorruptEntryError if a text is damaged."""
    try:
        return Head(**_mapped(head, text_in))
    except UnicodeDecodeError as error:
        raise CorruptEntryError("the text of a stored value is damaged") from error


def _mapped(head: Head[Any], how: Callable[[Any], object]) -> dict[str, Any]:
    parts = msgspec.structs.asdict(head)
    return parts | {name: _each(parts[name], how) for name in _TEXTS}


def _each(part: object, how: Callable[[Any], object]) -> object:
    return tuple(_each(one, how) for one in part) if isinstance(part, tuple) else how(part)


def head_of(record: Record, body: bytes) -> Head[str]:
    """The head of a record whose body is `body`."""
    entry = record.entry
    answer = entry if isinstance(entry, StoredResponse) else _NO_ANSWER
    return Head(
        variants=isinstance(entry, Variants),
        names=entry.names if isinstance(entry, Variants) else (),
        status=answer.status,
        reason=answer.reason,
        fields=answer.fields.items,
        body_bytes=len(body),
        body_crc=zlib.crc32(body),
        request_time=answer.request_time,
        response_time=answer.response_time,
        initial_age=answer.initial_age,
        lifetime=answer.lifetime,
        keep=answer.keep,
        stale_while_revalidate=answer.stale_while_revalidate,
        stale_if_error=answer.stale_if_error,
        must_revalidate=answer.must_revalidate,
        no_cache=answer.no_cache,
        unused=(),
        selecting=answer.selecting,
        tags=entry.tags,
        born=entry.born,
        route=entry.route,
        route_digest="" if isinstance(entry, Variants) else entry.route_digest,
        method=answer.method,
        url=entry.url,
        head=entry.head,
        expires_at=entry.expires_at,
        generations=record.generations,
        epoch=record.epoch,
        places=entry.places if isinstance(entry, Variants) else (),
        part=None if answer.part is None else astuple(answer.part),
        target=entry.target if isinstance(entry, Alias) else b"",
        created_at=answer.created_at,
        validators=answer.validators,
        aliases=answer.aliases,
        cost=answer.cost,
        params=answer.params,
        learned=answer.learned,
    )


def entry_of(head: Head[str], body: bytes) -> Stored:
    """The entry of a head."""
    if head.target:
        return Alias(
            target=head.target,
            route_digest=head.route_digest,
            expires_at=head.expires_at,
            tags=head.tags,
            born=head.born,
            url=head.url,
            route=head.route,
            head=head.head,
        )
    if head.variants:
        return Variants(
            names=head.names,
            expires_at=head.expires_at,
            tags=head.tags,
            born=head.born,
            url=head.url,
            route=head.route,
            head=head.head,
            places=head.places,
        )
    return _answer(head, body)


def with_body(entry: Stored, body: bytes) -> Stored:
    """The same with this body, if it is an answer; all else is shared."""
    if not isinstance(entry, StoredResponse):
        return entry
    made = object.__new__(StoredResponse)
    made.lay(entry.common, entry.seldom, entry.own_tags)
    made.fields, made.body, made.born = entry.fields, body, entry.born
    made.request_time, made.response_time = entry.request_time, entry.response_time
    made.initial_age, made.lifetime = entry.initial_age, entry.lifetime
    return made


def _answer(head: Head[str], body: bytes) -> StoredResponse:
    return StoredResponse(
        status=head.status,
        reason=head.reason,
        fields=Fields(head.fields),
        body=body,
        request_time=head.request_time,
        response_time=head.response_time,
        initial_age=head.initial_age,
        lifetime=head.lifetime,
        keep=head.keep,
        stale_while_revalidate=head.stale_while_revalidate,
        stale_if_error=head.stale_if_error,
        must_revalidate=head.must_revalidate,
        no_cache=head.no_cache,
        selecting=head.selecting,
        tags=head.tags,
        born=head.born,
        route=head.route,
        route_digest=head.route_digest,
        method=head.method,
        url=head.url,
        head=head.head,
        part=None if head.part is None else Part(*head.part),
        created_at=head.created_at,
        validators=head.validators,
        aliases=head.aliases,
        cost=head.cost,
        params=head.params,
        learned=head.learned,
    )


_NO_ANSWER: Final = StoredResponse(
    status=0, fields=Fields(), body=b"", request_time=0.0, response_time=0.0, lifetime=0.0
)
