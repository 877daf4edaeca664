"""Stored bytes: a versioned format for StoredResponse and Variants.

    magic 4 | version 1 | flags 1 | head length 4 (big-endian) | CRC-32 of head 4 | head | body

The head is MessagePack, the body is zstd if flag 1 is set; so a listing reads
only the first bytes. A version only ever gets fields at its end; bytes of
another version, or that fail their checks, raise CorruptEntryError: a miss.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import astuple, dataclass, field, replace
from typing import Final

import msgspec
import zstandard

from proxy.errors import CorruptEntryError
from proxy.fields import Fields
from proxy.messages import Part, Stored, StoredResponse, Variants
from proxy.outcomes import Tier
from proxy.store.base import EVERYTHING, EntryInfo, Fact, FactKind, Record

MAGIC: Final = b"LRDR"
VERSION: Final = 1
HEAD_BYTES: Final = 16 * 1024
"""How much of a value a listing reads first; a longer head costs it a second read."""

_PREFIX: Final = struct.Struct(">4sBBII")
_ZSTD: Final = 1
_WORTH_COMPRESSING: Final = 512
_LEVEL: Final = 3


class _Head(msgspec.Struct, array_like=True, frozen=True):
    """Version 1. The order is the format: fields are only ever added at the end, with defaults."""

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


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Head)
_facts_decoder = msgspec.msgpack.Decoder(list[tuple[FactKind, bytes, bool]])


@dataclass(frozen=True, slots=True)
class Codec:
    """`compress`: whether bodies that gain by it are written as zstd; both are read."""

    compress: bool = True
    max_body: int = 1 << 30
    # Making one costs more than using it. Not for two threads at once, so nor is a codec.
    _packer: zstandard.ZstdCompressor = field(
        default_factory=lambda: zstandard.ZstdCompressor(level=_LEVEL), init=False, compare=False
    )
    _unpacker: zstandard.ZstdDecompressor = field(
        default_factory=zstandard.ZstdDecompressor, init=False, compare=False
    )

    def encode(self, record: Record) -> bytes:
        """The bytes of a record."""
        entry = record.entry
        body = entry.body if isinstance(entry, StoredResponse) else b""
        head = _encoder.encode(_head_of(record, body))
        packed = self._pack(body)
        flags = 0 if packed is None else _ZSTD
        prefix = _PREFIX.pack(MAGIC, VERSION, flags, len(head), zlib.crc32(head))
        return b"".join((prefix, head, body if packed is None else packed))

    def decode(self, data: bytes) -> Record:
        """The record in `data`; CorruptEntryError if it is not one whole record."""
        flags, start, head = _read_head(data)
        packed = memoryview(data)[start:]
        if head.body_bytes > self.max_body:
            raise CorruptEntryError(f"a stored body claims {head.body_bytes} bytes")
        body = self._unpack(packed, head.body_bytes) if flags & _ZSTD else bytes(packed)
        if len(body) != head.body_bytes or zlib.crc32(body) != head.body_crc:
            raise CorruptEntryError("a stored body is not the one that was written")
        return Record(_entry_of(head, body), head.generations, head.epoch)

    def _pack(self, body: bytes) -> bytes | None:
        if not self.compress or len(body) < _WORTH_COMPRESSING:
            return None
        packed = self._packer.compress(body)
        return packed if len(packed) < len(body) else None

    def _unpack(self, packed: memoryview, length: int) -> bytes:
        try:
            return self._unpacker.decompress(packed, max_output_size=max(length, 1))
        except zstandard.ZstdError as error:
            raise CorruptEntryError("a stored body could not be decompressed") from error


def head_length(data: bytes) -> int:
    """How many bytes of a value a listing needs, by its beginning; 0 if it is none of ours."""
    try:
        return _PREFIX.size + _prefix(data)[1]
    except CorruptEntryError:
        return 0


def info(key: bytes, data: bytes) -> EntryInfo:
    """The listing's view of a value of which `data` is the first `head_length` bytes or more."""
    _, _, head = _read_head(data)
    entry = _entry_of(head, b"")
    return replace(EntryInfo.of(key, entry, Tier.SHARED), body_bytes=head.body_bytes)


def encode_facts(facts: tuple[Fact, ...]) -> bytes:
    """The facts of one journal record."""
    return _encoder.encode([(fact.kind, text_out(fact.value), fact.soft) for fact in facts])


def decode_facts(data: bytes) -> tuple[Fact, ...]:
    """The facts of one journal record; what cannot be read is taken for a purge of all.

    To refuse it would stop every instance at that record. A kind of fact that a
    newer version writes is met the same way: too much dies, never too little.
    """
    try:
        rows = _facts_decoder.decode(data)
        return tuple(Fact(kind, text_in(value), soft) for kind, value, soft in rows)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return (Fact(FactKind.TAG, EVERYTHING),)


def text_out(text: str) -> bytes:
    """Text as UTF-8; a lone surrogate (JSON may hold one) goes through."""
    return text.encode("utf-8", "surrogatepass")


def text_in(data: bytes) -> str:
    """The inverse of `text_out`."""
    return data.decode("utf-8", "surrogatepass")


def _head_of(record: Record, body: bytes) -> _Head:
    entry = record.entry
    answer = entry if isinstance(entry, StoredResponse) else _NO_ANSWER
    return _Head(
        variants=isinstance(entry, Variants),
        names=tuple(map(text_out, entry.names)) if isinstance(entry, Variants) else (),
        status=answer.status,
        reason=text_out(answer.reason),
        fields=tuple((text_out(name), text_out(value)) for name, value in answer.fields),
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
        route_digest=text_out(answer.route_digest),
        method=text_out(answer.method),
        url=text_out(entry.url),
        head=text_out(entry.head),
        expires_at=entry.expires_at,
        generations=record.generations,
        epoch=record.epoch,
        places=entry.places if isinstance(entry, Variants) else (),
        part=None if answer.part is None else astuple(answer.part),
    )


def _entry_of(head: _Head, body: bytes) -> Stored:
    try:
        return _compose(head, body)
    except UnicodeDecodeError as error:
        raise CorruptEntryError("the text of a stored value is damaged") from error


def _compose(head: _Head, body: bytes) -> Stored:
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
    return StoredResponse(
        status=head.status,
        reason=text_in(head.reason),
        fields=Fields((text_in(name), text_in(value)) for name, value in head.fields),
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
    )


_NO_ANSWER: Final = StoredResponse(
    status=0, fields=Fields(), body=b"", request_time=0.0, response_time=0.0, lifetime=0.0
)


def _prefix(data: bytes) -> tuple[int, int, int]:
    """Flags, head length, head CRC."""
    if len(data) < _PREFIX.size or not data.startswith(MAGIC):
        raise CorruptEntryError("a stored value is not one of Larder's")
    _, version, flags, length, crc = _PREFIX.unpack_from(data)
    if version != VERSION:
        raise CorruptEntryError(f"a stored value has the unknown version {version}")
    return flags, length, crc


def _read_head(data: bytes) -> tuple[int, int, _Head]:
    """Flags, where the body starts, head."""
    flags, length, crc = _prefix(data)
    start = _PREFIX.size + length
    packed = data[_PREFIX.size : start]
    if len(packed) != length or zlib.crc32(packed) != crc:
        raise CorruptEntryError("the head of a stored value is damaged")
    try:
        return flags, start, _decoder.decode(packed)
    except msgspec.MsgspecError as error:
        raise CorruptEntryError(f"the head of a stored value is damaged: {error}") from error
