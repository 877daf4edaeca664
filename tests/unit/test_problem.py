"""Every error of our own has one shape (RFC 9457)."""

from __future__ import annotations

import json

import pytest

from proxy.problem import phrase, problem


def test_a_problem_says_what_and_more() -> None:
    assert json.loads(problem(404, "no such route; see /api/routes", member="route")) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "no such route; see /api/routes",
        "member": "route",
    }


def test_a_title_may_be_given() -> None:
    assert json.loads(problem(502, "x", "the upstream broke"))["title"] == "the upstream broke"


@pytest.mark.parametrize(
    ("status", "said"), [(200, "OK"), (599, ""), (431, "Request Header Fields Too Large")]
)
def test_the_phrase_of_a_status(status: int, said: str) -> None:
    assert phrase(status) == said
