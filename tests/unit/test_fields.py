"""Fields: what the laws in tests/property do not say by themselves."""

from __future__ import annotations

import pytest

from proxy.fields import NO_FIELDS, Fields

LINES = Fields([("Accept", "a"), ("X-Token", "secret"), ("ACCEPT", "b"), ("Empty", "")])


@pytest.mark.parametrize(
    ("name", "combined", "lines"),
    [
        ("accept", "a, b", ("a", "b")),
        ("x-TOKEN", "secret", ("secret",)),
        ("empty", "", ("",)),
        ("absent", None, ()),
    ],
)
def test_lines_of_one_name_are_combined_in_order(
    name: str, combined: str | None, lines: tuple[str, ...]
) -> None:
    """RFC 9110 §5.3; an empty value is a value."""
    assert (LINES.get(name), LINES.get_all(name)) == (combined, lines)


def test_what_is_printed_of_fields_holds_no_secret() -> None:
    assert repr(LINES) == "Fields(Accept, X-Token, ACCEPT, Empty)"


def test_without_takes_several_names_at_once() -> None:
    assert LINES.without("ACCEPT", "empty").items == (("X-Token", "secret"),)


def test_without_any_takes_lower_case_names_and_leaves_alone_what_has_none() -> None:
    kept = LINES.without_any({"accept", "empty"})
    assert (kept.items, kept.lowered) == ((("X-Token", "secret"),), ("x-token",))
    assert LINES.without_any({"absent", "ACCEPT"}) is LINES


def test_only_text_can_be_a_name() -> None:
    assert 7 not in LINES
    assert NO_FIELDS != ()
