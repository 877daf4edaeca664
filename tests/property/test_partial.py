"""Laws of parts: whatever is combined of one body, in whatever order, is a slice of that body."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from proxy.caching.partial import combine, completed, excerpt, parse_content_range
from proxy.caching.ranges import parse_range
from proxy.messages import Part, StoredResponse
from tests.support.build import stored

BODIES = st.binary(min_size=1, max_size=40)


@st.composite
def bodies_and_parts(draw: st.DrawFn) -> tuple[bytes, list[StoredResponse]]:
    """A body and parts of it, as they might come one after the other."""
    body = draw(BODIES)
    positions = st.integers(0, len(body) - 1)
    spans = draw(st.lists(st.tuples(positions, positions, st.booleans()), min_size=1, max_size=8))
    return body, [held(body, min(a, b), max(a, b) + 1, known) for a, b, known in spans]


def held(body: bytes, first: int, end: int, known: bool) -> StoredResponse:
    part = Part(first, end, len(body) if known else None)
    return stored(body[first:end], status=206, fields={"ETag": '"1"'}, part=part)


def put(older: StoredResponse, newer: StoredResponse) -> StoredResponse:
    return combine(older, newer) or newer


@given(bodies_and_parts())
def test_combining_parts_of_a_body_always_yields_a_slice_of_it(
    case: tuple[bytes, list[StoredResponse]],
) -> None:
    body, parts = case
    made = reduce(put, parts)
    assert made.part is not None
    assert made.body == body[made.part.first : made.part.end]
    assert made.part.length in {None, len(body)}
    whole = completed(made)
    assert (whole.part is None) is (made.part.length is not None and made.body == body)


@given(bodies_and_parts())
def test_combining_never_depends_on_which_came_first(
    case: tuple[bytes, list[StoredResponse]],
) -> None:
    _, parts = case
    one, other = parts[0], parts[-1]
    assert combine(one, other) == combine(other, one)


@given(bodies_and_parts(), st.integers(0, 45), st.integers(0, 45))
def test_a_cut_is_what_the_whole_body_would_have_given(
    case: tuple[bytes, list[StoredResponse]], first: int, last: int
) -> None:
    body, parts = case
    for asked in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        cut = excerpt(parts[0], asked)
        if cut is not None:
            spans = parse_range(asked, len(body))
            assert spans is not None
            assert [body[a:b] for a, b in spans] == [cut.body]
            told = parse_content_range(cut.fields.get("content-range") or "")
            assert told is not None
            assert (told.first, told.end) == spans[0]


@given(st.text())
def test_no_content_range_makes_the_parser_raise(text: str) -> None:
    part = parse_content_range(text)
    assert part is None or 0 <= part.first < part.end
