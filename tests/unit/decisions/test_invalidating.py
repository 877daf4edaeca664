"""The tags of what a write changed, beyond what the rules say (RFC 9111 §4.4)."""

from __future__ import annotations

import pytest

from proxy.decisions.invalidating import url_tags
from tests.support.build import request, response
from tests.unit.caching.table import table
from tests.unit.decisions.routed import upstream_of

OWN = "@url:db /a?b=1"

TAGS = table(
    ("its-target", "9111 §4.4", "PUT", 204, {}, [OWN]),
    ("redirected", "9111 §4.4", "POST", 303, {}, [OWN]),
    ("failed", "9111 §4.4", "PUT", 400, {}, []),
    ("safe", "9111 §4.4", "GET", 200, {"Location": "/base/c"}, []),
    ("unknown-method", "9111 §4.4", "FROB", 200, {}, [OWN]),
    ("location", "9111 §4.4", "POST", 201, {"Location": "/base/c"}, [OWN, "@url:db /c"]),
    (
        "content-location-absolute",
        "9111 §4.4",
        "PUT",
        200,
        {"Content-Location": "http://up.test/base/c?d"},
        [OWN, "@url:db /c?d"],
    ),
    ("other-origin", "9111 §4.4", "POST", 201, {"Location": "http://else.test/base/c"}, [OWN]),
    ("outside-the-base-path", "9111 §4.4", "POST", 201, {"Location": "/c"}, [OWN]),
    ("beside-the-base-path", "9111 §4.4", "POST", 201, {"Location": "/based/c"}, [OWN]),
    (
        "credentials-are-in-no-tag",
        "tags",
        "POST",
        201,
        {"Location": "/base/c?key=s&e=1"},
        [OWN, "@url:db /c?e=1"],
    ),
    (
        "groups",
        "9875 §3",
        "POST",
        200,
        {"Cache-Group-Invalidation": '"g", "h"'},
        [OWN, "@group:db:g", "@group:db:h"],
    ),
)


@pytest.mark.parametrize(("method", "status", "fields", "expected"), TAGS)
def test_what_a_write_invalidates(
    method: str, status: int, fields: dict[str, str], expected: list[str]
) -> None:
    asked = request(method, "/a?b=1")
    assert url_tags(upstream_of(), asked, response(status, fields=fields)) == expected
