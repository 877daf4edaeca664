"""Where a body ends, however its bytes are cut, and what is no body at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.fields import NO_FIELDS, Fields
from proxy.flow.framing import (
    MAX_SIZE_LINE,
    MAX_TRAILERS,
    Chunked,
    Counted,
    Framing,
    FramingError,
    UntilClose,
    framing_of,
)
from tests.unit.caching.table import table

ONE = b"1\r\na\r\n"
LAST = b"0\r\n\r\n"


def read(framing: Framing, *parts: bytes) -> bytes:
    """The content of these bytes."""
    content: list[bytes] = []
    for part in parts:
        framing.feed(part, content.append)
    return b"".join(content)


# -- chunks

WHOLE = table(
    ("empty", "9112 §7.1", LAST, b"", {}),
    ("one", "9112 §7.1", ONE + LAST, b"a", {}),
    ("line-ends-in-a-chunk", "9112 §7.1", b"6\r\na\r\n\r\nb\r\n" + LAST, b"a\r\n\r\nb", {}),
    ("hex-in-both-cases", "9112 §7.1", b"A\r\n0123456789\r\na\r\n0123456789\r\n" + LAST,
     b"0123456789" * 2, {}),
    ("leading-zeros", "9112 §7.1", b"0001\r\na\r\n000\r\n\r\n", b"a", {}),
    ("extension", "9112 §7.1.1", b'1;a=b;c="d\xe4"\r\na\r\n0;x\r\n\r\n', b"a", {}),
    ("padded-size", "9112 §7.1.1", b"1 \t\r\na\r\n0 ;x\r\n\r\n", b"a", {}),
    ("longest-line", "9112 §7.1.1", b"1;" + b"x" * (MAX_SIZE_LINE - 2) + b"\r\na\r\n" + LAST,
     b"a", {}),
    ("trailers", "9112 §7.1.2", ONE + b"0\r\nX-a: 1\r\nx-A:\t2 \r\nE:\r\n\r\n", b"a",
     {"x-a": "1, 2", "e": ""}),
)  # fmt: skip


@pytest.mark.parametrize(("data", "content", "trailers"), WHOLE)
def test_a_chunked_body_is_read_to_its_end_and_no_further(
    data: bytes, content: bytes, trailers: dict[str, str]
) -> None:
    framing = Chunked()
    assert read(framing, data) == content
    assert (framing.complete, framing.rest, framing.ended()) == (True, b"", True)
    assert {name: framing.trailers.get(name) for name in framing.trailers.names()} == trailers
    assert read(framing, b"GET") == b""
    assert framing.rest == b"GET"


BROKEN = table(
    ("no-size", "9112 §7.1", b"\r\n"),
    ("no-hex", "9112 §7.1", b"g\r\n"),
    ("signed", "9112 §7.1", b"+1\r\na\r\n"),
    ("negative", "9112 §7.1", b"-1\r\n"),
    ("prefixed", "9112 §7.1", b"0x1\r\na\r\n"),
    ("underscore", "9112 §7.1", b"1_0\r\n"),
    ("space-before", "9112 §7.1", b" 1\r\na\r\n"),
    ("two-numbers", "9112 §7.1", b"1 1\r\na\r\n"),
    ("other-digits", "9112 §7.1", b"\xef\xbc\x91\r\n"),
    ("over-63-bits", "9112 §7.1", b"8000000000000000\r\n"),
    ("seventeen-digits", "9112 §7.1", b"00000000000000001\r\na\r\n"),
    ("chunk-too-long", "9112 §7.1", b"1\r\nab\r\n"),
    ("lf-after-chunk", "9112 §7.1", b"1\r\na\n"),
    ("cr-after-chunk", "9112 §7.1", b"1\r\na\rb"),
    ("lf-after-size", "9112 §2.2", b"1\na\r\n"),
    ("cr-in-extension", "9112 §2.2", b"1;a\rb\r\na\r\n"),
    ("lf-in-extension", "9112 §2.2", b"1;a\nb\r\na\r\n"),
    ("nul-in-extension", "9112 §7.1.1", b"1;a\0b\r\na\r\n"),
    ("extension-too-long", "9112 §7.1.1", b"1;" + b"x" * MAX_SIZE_LINE),
    ("trailer-without-colon", "9112 §7.1.2", b"0\r\nX\r\n\r\n"),
    ("trailer-without-name", "9112 §7.1.2", b"0\r\n: 1\r\n\r\n"),
    ("trailer-name-spaced", "9112 §5.1", b"0\r\nX : 1\r\n\r\n"),
    ("trailer-folded", "9112 §5.2", b"0\r\nX: 1\r\n 2\r\n\r\n"),
    ("trailer-with-cr", "9112 §2.2", b"0\r\nX: 1\rY: 2\r\n\r\n"),
    ("trailer-with-lf", "9112 §2.2", b"0\r\nX: 1\nY: 2\r\n\r\n"),
    ("trailer-with-nul", "9110 §5.5", b"0\r\nX: \0\r\n\r\n"),
    ("trailer-too-long", "9110 §5.4", b"0\r\nX: " + b"x" * MAX_TRAILERS),
    ("too-many-trailers", "9110 §5.4", b"0\r\n" + b"X: 1\r\n" * (MAX_TRAILERS // 6 + 2)),
)


@pytest.mark.parametrize("data", BROKEN)
@pytest.mark.parametrize("cut", [1, 1 << 20], ids=["byte-by-byte", "whole"])
def test_what_is_not_plainly_chunked_is_refused(data: bytes, cut: int) -> None:
    framing = Chunked()
    with pytest.raises(FramingError):
        read(framing, *(data[at : at + cut] for at in range(0, len(data), cut)))
    assert not framing.complete


@pytest.mark.parametrize("size", range(len(ONE + b"0\r\nX: 1\r\n\r\n")))
def test_no_part_of_a_chunked_body_is_complete(size: int) -> None:
    framing = Chunked()
    read(framing, (ONE + b"0\r\nX: 1\r\n\r\n")[:size])
    assert not framing.ended()


def chunked(pieces: list[bytes], trailers: list[str]) -> bytes:
    lines = b"".join(b"T: %b\r\n" % value.encode("latin-1") for value in trailers)
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return body + b"0\r\n" + lines + b"\r\n"


def cut_at(data: bytes, places: list[int]) -> list[bytes]:
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


PLACES = st.lists(st.integers(0, 1 << 16), max_size=12)


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=6),
    st.lists(st.text("ab,;\"'", max_size=5), max_size=3),
    st.binary(max_size=5),
    PLACES,
)
def test_a_chunked_body_is_the_same_however_it_is_cut(
    pieces: list[bytes], trailers: list[str], behind: bytes, places: list[int]
) -> None:
    framing, body = Chunked(), chunked(pieces, trailers)
    got = read(framing, *cut_at(body, places[1:]), behind)
    assert (got, framing.complete, framing.rest) == (b"".join(pieces), True, behind)
    assert framing.trailers.get_all("t") == tuple(trailers)


def told(framing: Framing, parts: list[bytes]) -> tuple[bytes, bool, bool]:
    """Content, whether it is complete, and whether it is sound."""
    content: list[bytes] = []
    try:
        for part in parts:
            framing.feed(part, content.append)
    except FramingError:
        return b"".join(content), framing.complete, False
    return b"".join(content), framing.complete, True


@given(st.text("01a\r\n;X: ", max_size=30).map(str.encode), PLACES)
def test_any_bytes_at_all_are_judged_alike_however_they_are_cut(
    data: bytes, places: list[int]
) -> None:
    """And nothing but FramingError comes out. Completed: unsoundness may show a byte later."""
    whole, cut = told(Chunked(), [data + LAST]), told(Chunked(), cut_at(data + LAST, places))
    assert whole == cut


@given(st.integers(0, 50), st.binary(max_size=80), PLACES)
def test_a_counted_body_is_exactly_as_long_as_announced(
    length: int, data: bytes, places: list[int]
) -> None:
    framing = Counted(length)
    assert read(framing, *cut_at(data, places)) == data[:length]
    assert framing.ended() == (len(data) >= length)
    assert read(Counted(length), data) == data[:length]


def test_a_body_until_the_end_of_its_connection_is_complete_then() -> None:
    framing = UntilClose()
    assert (read(framing, b"a", b"b"), framing.complete) == (b"ab", False)
    assert (framing.ended(), framing.complete, framing.trailers) == (True, True, NO_FIELDS)


# -- which framing

CL, TE = "Content-Length", "Transfer-Encoding"
KINDS = table(
    ("length", "9112 §6.3(6)", 200, [(CL, "5")], True, Counted),
    ("chunked", "9112 §6.3(4)", 200, [(TE, "Chunked ")], True, Chunked),
    ("identity", "9112 §7", 200, [(TE, "identity")], True, UntilClose),
    ("neither", "9112 §6.3(8)", 200, [], True, UntilClose),
    ("head", "9112 §6.3(1)", 200, [(TE, "chunked")], False, Counted),
    ("204", "9112 §6.3(1)", 204, [(CL, "5")], True, Counted),
    ("304", "9112 §6.3(1)", 304, [(CL, "5")], True, Counted),
    ("101", "9110 §15.2.2", 101, [(CL, "5")], True, UntilClose),
)


@pytest.mark.parametrize(("status", "lines", "has_body", "kind"), KINDS)
def test_the_head_says_how_the_body_ends(
    status: int, lines: list[tuple[str, str]], has_body: bool, kind: type
) -> None:
    framing = framing_of(status, Fields(lines), has_body=has_body)
    assert type(framing) is kind
    assert framing.complete == (not has_body or status in {204, 304})


UNCLEAR = table(
    ("both", "9112 §6.3(3)", [(CL, "5"), (TE, "chunked")]),
    ("two-lengths", "9112 §6.3(5)", [(CL, "5"), (CL, "5")]),
    ("list", "9112 §6.3(5)", [(CL, "5, 5")]),
    ("signed", "9110 §8.6", [(CL, "+5")]),
    ("negative", "9110 §8.6", [(CL, "-5")]),
    ("other-digits", "9110 §8.6", [(CL, "\xb2")]),
    ("astronomical", "9110 §8.6", [(CL, "9" * 19)]),
    ("empty", "9110 §8.6", [(CL, "")]),
    ("two-codings", "9112 §6.1", [(TE, "gzip"), (TE, "chunked")]),
    ("chunked-twice", "9112 §6.1", [(TE, "chunked"), (TE, "chunked")]),
    ("not-quite-chunked", "9112 §6.1", [(TE, "xchunked")]),
    ("vertical-tab", "9112 §6.1", [(TE, "\x0bchunked")]),
)


@pytest.mark.parametrize("lines", UNCLEAR)
def test_a_head_that_frames_its_body_in_no_clear_way_is_refused(
    lines: list[tuple[str, str]],
) -> None:
    with pytest.raises(FramingError):
        framing_of(200, Fields(lines), has_body=True)
