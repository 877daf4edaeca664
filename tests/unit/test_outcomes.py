"""The closed vocabulary: every word once, with a sentence, fit for a metric's label."""

from __future__ import annotations

import re

import pytest

from proxy.outcomes import Bypass, Forward, NotServed, NotStored, Outcome, Reason, Refusal, Repeat

KINDS = (Bypass, NotStored, NotServed, Refusal, Repeat)


@pytest.mark.parametrize("reason", [each for kind in KINDS for each in kind], ids=repr)
def test_a_reason_is_a_word_with_a_sentence(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", reason.value)
    assert re.fullmatch(r"[^\n]{10,100}[^.\n]", reason.sentence)
    assert (
        f"{reason}" == reason.value == next(each for each in type(reason) if each == reason.value)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_word_stands_for_two_reasons(kind: type[Reason]) -> None:
    """An alias would be a member that StrEnum silently drops."""
    assert len(list(kind)) == len(kind.__members__)


def test_the_forward_words_are_those_of_the_standard() -> None:
    """RFC 9211 §2.2."""
    standard = {"bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"}
    assert {word.value for word in Forward} == standard


def test_a_word_is_found_by_its_text() -> None:
    """Equal things have equal hashes, which an enum of texts does not see to by itself."""
    words = {Outcome.HIT: 1, Bypass.GET_BODY: 2}
    assert (words["hit"], words["get-body"]) == (1, 2)  # type: ignore[index]  # as told to others
