"""Problem details (RFC 9457)."""

from __future__ import annotations

import json

from proxy.edges.problem import ApiError


def test_a_problem_has_the_members_of_the_rfc_and_its_own() -> None:
    error = ApiError(400, "tag: is missing", member="tag")
    assert json.loads(error.render()) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "tag: is missing",
        "member": "tag",
    }
    assert str(error) == "tag: is missing"


def test_headers_go_along() -> None:
    assert ApiError(405, "no", {"Allow": "GET"}).headers == {"Allow": "GET"}
