"""The head of stored bytes: everything of an entry but its body, as one MessagePack array.

Knows the entries and nothing of how their bytes are framed or packed (codec.py). Invariant:
a field's place in the array is the format; a version only ever gets fields at its end.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import astuple
from typing import Final

import msgspec

from proxy.errors import CorruptEntryError
from proxy.fields import Fields
from proxy.messages import Alias, Part, Stored, StoredResponse, Variants
from proxy.store.base import Record


class Head(msgspec.Struct, array_like=True, frozen=True):
    """Versions 1 and 2. The order is the format: new fields are at the end, with defaults."""

    variants: bool
    names: tuple[bytes, ...]
    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
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
    unused: tuple[bytes, ...]
    selecting: tuple[bytes, ...]
    tags: tuple[bytes, ...]
    born: tuple[int, int]
    route: bytes
    route_digest: bytes
    method: bytes
    url: bytes
    head: bytes
    expires_at: float
    generations: tuple[int, ...]
    epoch: str
    places: tuple[bytes, ...] = ()
    part: tuple[int, int, int | None] | None = None
    target: bytes = b""
    created_at: float = 0.0
    validators: tuple[tuple[bytes, bytes], ...] = ()
    aliases: tuple[bytes, ...] = ()
    cost: float = 0.0
    params: tuple[tuple[bytes, bytes], ...] = ()
    learned: float = 0.0


def text_out(text: str) -> bytes:
    """Text as UTF-8; a lone surrogate (JSON may hold one) goes through."""
    return text.encode("utf-8", "surrogatepass")


def text_in(data: bytes) -> str:
    """The inverse of `text_out`."""
    return data.decode("utf-8", "surrogatepass")


def head_of(record: Record, body: bytes) -> Head:
    """The head of a record whose body is `body`."""
    entry = record.entry
    answer = entry if isinstance(entry, StoredResponse) else _NO_ANSWER
    return Head(
        variants=isinstance(entry, Variants),
        names=tuple(map(text_out, entry.names)) if isinstance(entry, Variants) else (),
        status=answer.status,
        reason=text_out(answer.reason),
        fields=_pairs_out(answer.fields),
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
        selecting=tuple(map(text_out, answer.selecting)),
        tags=tuple(map(text_out, entry.tags)),
        born=entry.born,
        route=text_out(entry.route),
        route_digest=text_out("" if isinstance(entry, Variants) else entry.route_digest),
        method=text_out(answer.method),
        url=text_out(entry.url),
        head=text_out(entry.head),
        expires_at=entry.expires_at,
        generations=record.generations,
        epoch=record.epoch,
        places=entry.places if isinstance(entry, Variants) else (),
        part=None if answer.part is None else astuple(answer.part),
        target=entry.target if isinstance(entry, Alias) else b"",
        created_at=answer.created_at,
        validators=_pairs_out(answer.validators),
        aliases=answer.aliases,
        cost=answer.cost,
        params=_pairs_out(answer.params),
        learned=answer.learned,
    )


def _pairs_out(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((text_out(name), text_out(value)) for name, value in pairs)


def _pairs_in(pairs: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((text_in(name), text_in(value)) for name, value in pairs)


def entry_of(head: Head, body: bytes) -> Stored:
    """The entry of a head; CorruptEntryError if its text is damaged."""
    try:
        return _compose(head, body)
    except UnicodeDecodeError as error:
        raise CorruptEntryError("the text of a stored value is damaged") from error


def _compose(head: Head, body: bytes) -> Stored:
    if head.target:
        return Alias(
            target=head.target,
            route_digest=text_in(head.route_digest),
            expires_at=head.expires_at,
            tags=tuple(map(text_in, head.tags)),
            born=head.born,
            url=text_in(head.url),
            route=text_in(head.route),
            head=text_in(head.head),
        )
    if head.variants:
        return Variants(
            names=tuple(map(text_in, head.names)),
            expires_at=head.expires_at,
            tags=tuple(map(text_in, head.tags)),
            born=head.born,
            url=text_in(head.url),
            route=text_in(head.route),
            head=text_in(head.head),
            places=head.places,
        )
    return _answer(head, body)


def _answer(head: Head, body: bytes) -> StoredResponse:
    return StoredResponse(
        status=head.status,
        reason=text_in(head.reason),
        fields=Fields(_pairs_in(head.fields)),
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
        selecting=tuple(map(text_in, head.selecting)),
        tags=tuple(map(text_in, head.tags)),
        born=head.born,
        route=text_in(head.route),
        route_digest=text_in(head.route_digest),
        method=text_in(head.method),
        url=text_in(head.url),
        head=text_in(head.head),
        part=None if head.part is None else Part(*head.part),
        created_at=head.created_at,
        validators=_pairs_in(head.validators),
        aliases=head.aliases,
        cost=head.cost,
        params=_pairs_in(head.params),
        learned=head.learned,
    )


_NO_ANSWER: Final = StoredResponse(
    status=0, fields=Fields(), body=b"", request_time=0.0, response_time=0.0, lifetime=0.0
)
