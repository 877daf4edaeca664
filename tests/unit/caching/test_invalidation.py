from __future__ import annotations

import pytest

from proxy.caching.invalidation import SAFE_METHODS, urls_invalidated
from tests.support.build import FieldLines, response
from tests.unit.caching.table import table

TARGET = "https://api.test/a/b?c=%41"
LOC, CL = "Location", "Content-Location"

INVALIDATED = table(
    ("post", "9111 §4.4", "POST", 200, {}, [TARGET]),
    ("put", "9111 §4.4", "PUT", 204, {}, [TARGET]),
    ("delete", "9111 §4.4", "DELETE", 200, {}, [TARGET]),
    ("patch", "9111 §4.4", "PATCH", 200, {}, [TARGET]),
    ("unknown-method", "9111 §4.4", "M-FOO", 200, {}, [TARGET]),
    ("redirection", "9111 §4.4", "POST", 303, {}, [TARGET]),
    ("client-error", "9111 §4.4", "POST", 400, {LOC: "/x"}, []),
    ("server-error", "9111 §4.4", "POST", 500, {}, []),
    ("location", "9111 §4.4", "POST", 201, {LOC: "/x"}, [TARGET, "https://api.test/x"]),
    (
        "location-relative",
        "9111 §4.4",
        "POST",
        201,
        {LOC: "x?y"},
        [TARGET, "https://api.test/a/x?y"],
    ),
    ("content-location", "9111 §4.4", "POST", 200, {CL: "/x"}, [TARGET, "https://api.test/x"]),
    (
        "both",
        "9111 §4.4",
        "POST",
        200,
        {LOC: "/x", CL: "/y"},
        [TARGET, "https://api.test/x", "https://api.test/y"],
    ),
    ("both-alike", "9111 §4.4", "POST", 200, {LOC: "/x", CL: "/x"}, [TARGET, "https://api.test/x"]),
    ("itself", "9111 §4.4", "POST", 200, {LOC: TARGET}, [TARGET]),
    ("fragment", "9110 §4.2.5", "POST", 200, {LOC: "/x#y"}, [TARGET, "https://api.test/x"]),
    (
        "same-port",
        "9110 §4.3.1",
        "POST",
        200,
        {LOC: "https://API.test:443/x"},
        [TARGET, "https://API.test:443/x"],
    ),
    ("other-host", "9111 §4.4", "POST", 200, {LOC: "https://evil.test/x"}, [TARGET]),
    ("other-host-relative", "9111 §4.4", "POST", 200, {LOC: "//evil.test/x"}, [TARGET]),
    ("other-port", "9111 §4.4", "POST", 200, {LOC: "https://api.test:444/x"}, [TARGET]),
    ("other-scheme", "9111 §4.4", "POST", 200, {LOC: "http://api.test/x"}, [TARGET]),
    ("malformed-host", "9111 §4.4", "POST", 200, {LOC: "http://["}, [TARGET]),
    ("malformed-port", "9111 §4.4", "POST", 200, {LOC: "https://api.test:x/"}, [TARGET]),
    ("empty", "9111 §4.4", "POST", 200, {LOC: ""}, [TARGET]),
    *((f"safe-{m}", "9110 §9.2.1", m, 200, {LOC: "/x"}, []) for m in sorted(SAFE_METHODS)),
)


@pytest.mark.parametrize(("method", "status", "fields", "expected"), INVALIDATED)
def test_what_a_request_invalidates(
    method: str, status: int, fields: FieldLines, expected: list[str]
) -> None:
    answer = response(status, fields=fields)
    assert list(urls_invalidated(method, TARGET, answer)) == expected
