"""Laws of Fields: bytes in are bytes out, look-ups ignore case, and nothing is changed in place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.fields import Fields

NAMES = st.sampled_from(["A", "a", "Set-Cookie", "SET-COOKIE", "x-b", "X-B", "c"])
VALUES = st.text(st.characters(max_codepoint=255), max_size=10)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=5))
def test_bytes_in_are_bytes_out(raw: list[tuple[bytes, bytes]]) -> None:
    wire = b"".join(name + b": " + value + b"\r\n" for name, value in raw)
    assert Fields.from_raw(raw).to_bytes() == wire


@given(PAIRS, NAMES)
def test_look_ups_agree_with_the_lines_and_ignore_case(
    pairs: list[tuple[str, str]], name: str
) -> None:
    fields = Fields(pairs)
    lines = tuple(value for own, value in pairs if own.lower() == name.lower())
    assert fields.get_all(name) == fields.get_all(name.swapcase()) == lines
    assert fields.get(name) == (", ".join(lines) if lines else None)
    assert (name in fields) == bool(lines) == (name.lower() in fields.names())


@given(PAIRS, NAMES, VALUES)
def test_copies_say_what_was_changed_and_the_original_nothing(
    pairs: list[tuple[str, str]], name: str, value: str
) -> None:
    fields = Fields(pairs)
    without, with_set, with_added = (
        fields.without(name),
        fields.with_set(name, value),
        fields.with_added(name, value),
    )
    others = tuple(pair for pair in pairs if pair[0].lower() != name.lower())
    assert without.items == others
    assert with_set.items == (*others, (name, value))
    assert with_added.items == (*pairs, (name, value))
    assert (fields.items, len(fields), list(fields)) == (tuple(pairs), len(pairs), pairs)


@given(PAIRS, PAIRS)
def test_equality_is_by_lines_in_order(
    pairs: list[tuple[str, str]], others: list[tuple[str, str]]
) -> None:
    assert (Fields(pairs) == Fields(others)) == (pairs == others)
    assert hash(Fields(pairs)) == hash(Fields(list(pairs)))
