"""Stored bytes: a versioned format for StoredResponse, Variants and Alias.

    magic 4 | version 1 | flags 1 | head length 4 (big-endian) | CRC-32 of head 4 | head | body

The head is MessagePack, the body is zstd if flag 1 is set; so a listing reads
only the first bytes. Versions differ in who understands them and in how texts are written
(heads.py), and only ever get fields at the end; bytes of another one, or that fail their
checks, raise CorruptEntryError: a miss.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import zstandard

from proxy.errors import CorruptEntryError
from proxy.messages import Alias, Stored, StoredResponse
from proxy.outcomes import Tier
from proxy.store.base import EVERYTHING, Fact, FactKind, Record
from proxy.store.entry_info import EntryInfo
from proxy.store.heads import (
    Head,
    as_bytes,
    as_text,
    entry_of,
    head_of,
    text_in,
    text_out,
    with_body,
)
from proxy.store.known_heads import KnownHead, KnownHeads

MAGIC: Final = b"LRDR"
VERSION: Final = 3
FIRST: Final = 1
"""Texts are bytes, and so still where one is no UTF-8 (JSON may hold a lone surrogate)."""
ANEW: Final = 2
"""Of what a reader of version 1 would take for something else: the format is the same."""
_READ: Final = (FIRST, ANEW, VERSION)
HEAD_BYTES: Final = 16 * 1024
"""How much of a value a listing reads first; a longer head costs it a second read."""

_PREFIX: Final = struct.Struct(">4sBBII")
_ZSTD: Final = 1
_WORTH_COMPRESSING: Final = 512
_LEVEL: Final = 3


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Head[str])
_bytes_decoder = msgspec.msgpack.Decoder(Head[bytes])


class _Row(msgspec.Struct, array_like=True, frozen=True):
    """A fact as it is written; what a later version adds at the end makes it kill less at most."""

    kind: FactKind
    value: bytes
    soft: bool
    unless: bytes = b""


_facts_decoder = msgspec.msgpack.Decoder(list[_Row])


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
    _known: KnownHeads = field(default_factory=KnownHeads, init=False, compare=False)

    def encode(self, record: Record) -> bytes:
        """The bytes of a record."""
        entry = record.entry
        body = entry.body if isinstance(entry, StoredResponse) else b""
        version, head = _written(head_of(record, body), entry)
        packed = self._pack(body)
        flags = 0 if packed is None else _ZSTD
        prefix = _PREFIX.pack(MAGIC, version, flags, len(head), zlib.crc32(head))
        return b"".join((prefix, head, body if packed is None else packed))

    def decode(self, data: bytes) -> Record:
        """The record in `data`; CorruptEntryError if it is not one whole record."""
        head = self._known.of(data) or self._read(data)
        body = data[len(head.raw) :]
        if head.packed:
            body = self._unpack(body, head.body_bytes)
        if len(body) != head.body_bytes or zlib.crc32(body) != head.body_crc:
            raise CorruptEntryError("a stored body is not the one that was written")
        return Record(with_body(head.entry, body), head.generations, head.epoch, head.raw)

    def _read(self, data: bytes) -> KnownHead:
        """The head of `data`, known from now on."""
        flags, start, read = _read_head(data)
        if read.body_bytes > self.max_body:
            raise CorruptEntryError(f"a stored body claims {read.body_bytes} bytes")
        head = KnownHead(
            raw=data[:start],
            packed=bool(flags & _ZSTD),
            body_bytes=read.body_bytes,
            body_crc=read.body_crc,
            entry=entry_of(read, b""),
            generations=read.generations,
            epoch=read.epoch,
        )
        self._known.add(head)
        return head

    def _pack(self, body: bytes) -> bytes | None:
        if not self.compress or len(body) < _WORTH_COMPRESSING:
            return None
        packed = self._packer.compress(body)
        return packed if len(packed) < len(body) else None

    def _unpack(self, packed: bytes, length: int) -> bytes:
        try:
            return self._unpacker.decompress(packed, max_output_size=max(length, 1))
        except zstandard.ZstdError as error:
            raise CorruptEntryError("a stored body could not be decompressed") from error


def _written(head: Head[str], entry: Stored) -> tuple[int, bytes]:
    """Version, bytes. To version 1 an alias is an answer, our validators are the upstream's."""
    try:
        return VERSION, _encoder.encode(head)
    except UnicodeEncodeError:
        ours = isinstance(entry, StoredResponse) and bool(entry.validators)
        version = ANEW if ours or isinstance(entry, Alias) else FIRST
        return version, _encoder.encode(as_bytes(head))


def head_length(data: bytes) -> int:
    """How many bytes of a value a listing needs, by its beginning; 0 if it is none of ours."""
    try:
        return _PREFIX.size + _prefix(data)[2]
    except CorruptEntryError:
        return 0


def info(key: bytes, data: bytes) -> EntryInfo:
    """The listing's view of a value of which `data` is the first `head_length` bytes or more."""
    _, _, head = _read_head(data)
    entry = entry_of(head, b"")
    return replace(EntryInfo.of(key, entry, Tier.SHARED), body_bytes=head.body_bytes)


def encode_facts(facts: tuple[Fact, ...]) -> bytes:
    """The facts of one journal record.

    One that spares an ETag has one part more, which an older reader takes for a purge of all.
    """
    return _encoder.encode(
        [
            (fact.kind, text_out(fact.value), fact.soft)
            + ((text_out(fact.unless),) if fact.unless else ())
            for fact in facts
        ]
    )


def decode_facts(data: bytes) -> tuple[Fact, ...]:
    """The facts of one journal record; what cannot be read is taken for a purge of all.

    To refuse it would stop every instance at that record. A kind of fact that a
    newer version writes is met the same way: too much dies, never too little.
    """
    try:
        rows = _facts_decoder.decode(data)
        return tuple(
            Fact(row.kind, text_in(row.value), row.soft, text_in(row.unless)) for row in rows
        )
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return (Fact(FactKind.TAG, EVERYTHING),)


def _prefix(data: bytes) -> tuple[int, int, int, int]:
    """Version, flags, head length, head CRC."""
    if len(data) < _PREFIX.size or not data.startswith(MAGIC):
        raise CorruptEntryError("a stored value is not one of Larder's")
    _, version, flags, length, crc = _PREFIX.unpack_from(data)
    if version not in _READ:
        raise CorruptEntryError(f"a stored value has the unknown version {version}")
    return version, flags, length, crc


def _read_head(data: bytes) -> tuple[int, int, Head[str]]:
    """Flags, where the body starts, head."""
    version, flags, length, crc = _prefix(data)
    start = _PREFIX.size + length
    packed = data[_PREFIX.size : start]
    if len(packed) != length or zlib.crc32(packed) != crc:
        raise CorruptEntryError("the head of a stored value is damaged")
    try:
        if version == VERSION:
            return flags, start, _decoder.decode(packed)
        return flags, start, as_text(_bytes_decoder.decode(packed))
    except msgspec.MsgspecError as error:
        raise CorruptEntryError(f"the head of a stored value is damaged: {error}") from error
