"""Heads of answers: what can be made of them, and what cannot."""

from __future__ import annotations

import pytest
from aiohttp import HttpVersion11
from aiohttp.http import RawResponseMessage
from multidict import CIMultiDict, CIMultiDictProxy

from proxy.fields import Fields
from proxy.flow.answer_head import Head, parse_head, problem_of
from tests.unit.caching.table import table


def test_text_is_the_bytes_that_came() -> None:
    """Aiohttp reads a reason as UTF-8; all text of ours is latin-1."""
    reason = b"\xc3\xa4\xff".decode("utf-8", "surrogateescape")
    raw = ((b"X", b"\xe4"), (b"x", b""))
    message = RawResponseMessage(
        HttpVersion11, 299, reason, CIMultiDictProxy(CIMultiDict()), raw, False, None, False, False
    )
    expected = Head(299, "\xc3\xa4\xff", Fields([("X", "\xe4"), ("x", "")]))
    assert parse_head(message) == expected


HEADS = table(
    ("plain", "9110 §15", 200, [], False, ""),
    ("chunked", "9112 §6.1", 200, [("Transfer-Encoding", " Chunked")], False, ""),
    ("gzip", "9112 §6.1", 200, [("Transfer-Encoding", "gzip, chunked")], False, "coding"),
    ("099", "9110 §15", 99, [], False, "which is none"),
    ("interim", "9110 §15.2", 103, [], False, ""),
    ("switch-unasked", "9110 §15.2.2", 101, [("Upgrade", "x")], False, "switched"),
    ("switch-to-nothing", "9110 §15.2.2", 101, [], True, "switched"),
    ("switch", "9110 §15.2.2", 101, [("Upgrade", "x")], True, ""),
)


@pytest.mark.parametrize(("status", "lines", "may_switch", "told"), HEADS)
def test_what_is_wrong_with_a_head(
    status: int, lines: list[tuple[str, str]], may_switch: bool, told: str
) -> None:
    problem = problem_of(Head(status, "", Fields(lines)), may_switch=may_switch)
    assert (told in problem, bool(problem)) == (True, bool(told))
