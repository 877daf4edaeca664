"""The stored format: every field goes through, old bytes are still read, damage is an error."""

from __future__ import annotations

import base64
from dataclasses import fields, replace

import pytest

from proxy.errors import CorruptEntryError
from proxy.fields import Fields
from proxy.messages import Alias, Part, Stored, StoredResponse, Variants
from proxy.store import codec
from proxy.store.base import Fact, FactKind, Record
from tests.support.build import stored

FULL = StoredResponse(
    status=203,
    reason="Fine",
    fields=Fields([("ETag", '"a"'), ("x-\xe9", "\xff"), ("etag", "2")]),
    body=b"0123456789" * 100,
    request_time=1.5,
    response_time=2.5,
    initial_age=3.5,
    lifetime=4.5,
    keep=5.5,
    stale_while_revalidate=6.5,
    stale_if_error=7.5,
    must_revalidate=True,
    no_cache=True,
    selecting=("accept",),
    tags=("*", "\ud800", "t"),
    born=(1_700_000_000_000, 7),
    route="route",
    route_digest="digest",
    method="POST",
    url="/a?b=\xff",
    head="CACHE#\u2603",
    part=Part(10, 1010, None),
    created_at=0.5,
    validators=(("etag", '"their own"'),),
    aliases=(b"an alias", b"\xff"),
    cost=0.25,
    params=(("body.model", "m\u2603"),),
    learned=40.0,
)
OF_BEFORE_ALIASES = replace(
    FULL, created_at=0.0, validators=(), aliases=(), cost=0.0, params=(), learned=0.0
)
ALIAS = Alias(
    target=b"\x00target",
    route_digest="digest",
    expires_at=9.0,
    tags=("*", "t"),
    born=(1, 2),
    url="/u",
    route="r",
    head="h",
)
VARIANTS = Variants(
    names=("accept", "x"),
    expires_at=9.0,
    tags=("*",),
    born=(1, 2),
    url="/u",
    route="r",
    head="h",
    places=(b"one", b"\xff"),
)
# What version 1 wrote on the day it was made: FULL (as it was then), compressed, and VARIANTS.
VERSION_1 = {
    "response of before parts": (
        "TFJEUgEBAAAA4XMZZt/cABzCkMzLxARGaW5lk5LEBEVUYWfEAyJhIpLEBHgtw6nEAsO/ksQEZXRhZ8QBMs0D"
        "6M58hY/xyz/4AAAAAAAAy0AEAAAAAAAAy0AMAAAAAAAAy0ASAAAAAAAAy0AWAAAAAAAAy0AaAAAAAAAAy0Ae"
        "AAAAAAAAw8ORxApzZXQtY29va2llkcQGYWNjZXB0k8QBKsQD7aCAxAF0ks8AAAGLz+VoAAfEBXJvdXRlxAZk"
        "aWdlc3TEBFBPU1TEBy9hP2I9w7/ECUNBQ0hFI+KYg8tAIgAAAAAAAJMBAgOlZXBvY2gotS/9YOgCjQAAUDAx"
        "MjM0NTY3ODkBANtbFSQ="
    ),
    "response": (
        "TFJEUgEBAAAA6P0VDincAB7CkMzLxARGaW5lk5LEBEVUYWfEAyJhIpLEBHgtw6nEAsO/ksQEZXRhZ8QBMs0D"
        "6M58hY/xyz/4AAAAAAAAy0AEAAAAAAAAy0AMAAAAAAAAy0ASAAAAAAAAy0AWAAAAAAAAy0AaAAAAAAAAy0Ae"
        "AAAAAAAAw8ORxApzZXQtY29va2llkcQGYWNjZXB0k8QBKsQD7aCAxAF0ks8AAAGLz+VoAAfEBXJvdXRlxAZk"
        "aWdlc3TEBFBPU1TEBy9hP2I9w7/ECUNBQ0hFI+KYg8tAIgAAAAAAAJMBAgOlZXBvY2iQkwrNA/LAKLUv/WDo"
        "Ao0AAFAwMTIzNDU2Nzg5AQDbWxUk"
    ),
    "variants of before places": (
        "TFJEUgEAAAAAhATsu2/cABzDksQGYWNjZXB0xAF4AMQAkAAAywAAAAAAAAAAywAAAAAAAAAAywAAAAAAAAAA"
        "ywAAAAAAAAAAywAAAAAAAAAAywAAAAAAAAAAywAAAAAAAAAAwsKQkJHEASqSAQLEAXLEAMQDR0VUxAIvdcQB"
        "aMtAIgAAAAAAAJMBAgOlZXBvY2g="
    ),
    "variants": (
        "TFJEUgEAAAAAje6+hmDcAB3DksQGYWNjZXB0xAF4AMQAkAAAywAAAAAAAAAAywAAAAAAAAAAywAAAAAAAAAA"
        "ywAAAAAAAAAAywAAAAAAAAAAywAAAAAAAAAAywAAAAAAAAAAwsKQkJHEASqSAQLEAXLEAMQDR0VUxAIvdcQB"
        "aMtAIgAAAAAAAJMBAgOlZXBvY2iSxANvbmXEAf8="
    ),
}


def test_the_example_has_no_field_at_its_default() -> None:
    plain = replace(stored(b""), route="", url="")
    for field in fields(StoredResponse):
        assert getattr(FULL, field.name) != getattr(plain, field.name), field.name


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("entry", [FULL, VARIANTS, ALIAS, stored(b"")])
def test_round_trip(entry: Stored, compress: bool) -> None:
    record = Record(entry, (1, 1 << 61, 3), "epoch")
    data = codec.Codec(compress).encode(record)
    assert codec.Codec(not compress).decode(data) == record


def test_a_compressible_body_is_written_smaller() -> None:
    record = Record(stored(b"a" * 10_000))
    assert len(codec.Codec(compress=True).encode(record)) < 1000
    assert len(codec.Codec(compress=False).encode(record)) > 10_000


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("response of before parts", replace(OF_BEFORE_ALIASES, part=None)),
        ("response", OF_BEFORE_ALIASES),
        ("variants of before places", replace(VARIANTS, places=())),
        ("variants", VARIANTS),
    ],
    ids=["response-of-before-parts", "response", "variants-of-before-places", "variants"],
)
def test_old_bytes_are_read(name: str, entry: StoredResponse | Variants) -> None:
    record = codec.Codec().decode(base64.b64decode(VERSION_1[name]))
    assert record == Record(entry, (1, 2, 3), "epoch")


def test_a_listing_needs_only_the_head() -> None:
    data = codec.Codec().encode(Record(FULL))
    beginning = data[: codec.head_length(data)]
    assert len(beginning) < len(data)
    listed = codec.info(b"k", beginning)
    assert (listed.body_bytes, listed.tags, listed.born) == (1000, FULL.tags, FULL.born)
    assert listed.expires_at == FULL.expires_at


def test_any_cut_is_an_error() -> None:
    data = codec.Codec().encode(Record(FULL))
    for length in range(len(data)):
        with pytest.raises(CorruptEntryError):
            codec.Codec().decode(data[:length])


@pytest.mark.parametrize("compress", [True, False])
def test_any_flipped_byte_is_an_error_or_the_same(compress: bool) -> None:
    record = Record(replace(FULL, body=b"body" * 200), (1, 2, 3))
    data = codec.Codec(compress).encode(record)
    for index in range(len(data)):
        damaged = data[:index] + bytes([data[index] ^ 0x41]) + data[index + 1 :]
        try:
            assert codec.Codec().decode(damaged) == record
        except CorruptEntryError:
            continue


def test_an_unknown_version_is_an_error() -> None:
    data = bytearray(codec.Codec().encode(Record(FULL)))
    data[4] = 4
    with pytest.raises(CorruptEntryError, match="unknown version 4"):
        codec.Codec().decode(bytes(data))


@pytest.mark.parametrize(
    ("entry", "version"),
    [
        pytest.param(stored(b"x"), 1, id="answer"),
        pytest.param(VARIANTS, 1, id="variants"),
        pytest.param(ALIAS, 2, id="alias"),
        pytest.param(replace(stored(b"x"), validators=(("etag", '"1"'),)), 2, id="validators"),
        pytest.param(replace(stored(b"x"), aliases=(b"k",)), 1, id="aliased"),
    ],
)
def test_an_older_instance_misses_what_it_would_misread(entry: Stored, version: int) -> None:
    """It reads texts as bytes only; to version 1 an alias is an answer, our ETag the upstream's."""
    assert codec.Codec().encode(Record(entry))[4] == 3
    surrogate = replace(entry, tags=("*", "\ud800"))
    data = codec.Codec().encode(Record(surrogate))
    assert data[4] == version
    assert codec.Codec().decode(data).entry == surrogate


def test_a_body_larger_than_allowed_is_not_inflated() -> None:
    data = codec.Codec().encode(Record(stored(b"a" * 100_000)))
    with pytest.raises(CorruptEntryError, match="claims 100000 bytes"):
        codec.Codec(max_body=1000).decode(data)


def test_facts() -> None:
    facts = (
        Fact(FactKind.TAG, "\ud800"),
        Fact(FactKind.MATCH, "/a*", soft=True),
        Fact(FactKind.TAG, "t", unless="\u2603"),
    )
    assert codec.decode_facts(codec.encode_facts(facts)) == facts


def test_a_fact_that_spares_nothing_is_written_as_before_there_were_others() -> None:
    """Wide facts are found again by their bytes, and older instances read them."""
    assert codec.encode_facts((Fact(FactKind.TAG, "t"),)) == b"\x91\x93\xa3tag\xc4\x01t\xc2"


UNREADABLE = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\xc1", id="no MessagePack"),
    pytest.param(b"\x91\x93\xa7session\xc4\x01t\xc2", id="a kind of a later version"),
    pytest.param(b"\x91\x93\xa3tag\xc4\x01\xff\xc2", id="no text"),
]


@pytest.mark.parametrize("data", UNREADABLE)
def test_facts_that_cannot_be_read_are_a_purge_of_all(data: bytes) -> None:
    """One damaged record must neither stop every instance nor keep what it killed alive."""
    assert codec.decode_facts(data) == (Fact(FactKind.TAG, "*"),)


@pytest.mark.parametrize("entry", [FULL, replace(FULL, body=b"short"), ALIAS, VARIANTS])
def test_what_is_read_again_is_the_same(entry: Stored) -> None:
    made = codec.Codec()
    data = made.encode(Record(entry, (1, 2, 3), "epoch"))
    one, two = made.decode(data), made.decode(bytes(data))
    assert one == two == Record(entry, (1, 2, 3), "epoch")
    assert one.head is two.head
    assert data.startswith(one.head)


def test_of_what_is_read_again_the_body_is_looked_at_again() -> None:
    made = codec.Codec(compress=False)
    data = made.encode(Record(FULL))
    assert made.decode(data).entry == FULL
    for damaged in (data[:-1], data[:-1] + b"x", data + b"x"):
        with pytest.raises(CorruptEntryError, match="not the one that was written"):
            made.decode(damaged)
    assert made.decode(data).entry == FULL


def test_what_is_written_anew_is_read_anew() -> None:
    made = codec.Codec()
    one, two = (made.encode(Record(replace(FULL, lifetime=each))) for each in (1.0, 2.0))
    heads = [made.decode(data).head for data in (one, two, one)]
    assert heads[0] is heads[2]
    assert heads[0] != heads[1]
    assert made.decode(two).entry == replace(FULL, lifetime=2.0)
