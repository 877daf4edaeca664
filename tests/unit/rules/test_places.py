"""URLs, addresses, mounts, hosts, stores."""

from __future__ import annotations

import pytest

from proxy.rules import places
from proxy.rules.nodes import Map, parse_nodes
from proxy.rules.problems import Report
from proxy.rules.settings import Address
from proxy.rules.shapes import Reading, Shape

ROWS: list[tuple[Shape[object], str, object]] = [
    (places.URL, "https://h:1/p/", "https://h:1/p"),
    (places.URL, "http://[::1]:80", "http://[::1]:80"),
    (places.URL, "ftp://h", None),
    (places.URL, "http://", None),
    (places.URL, "http://h:x", None),
    (places.URL, "http://h:99999", None),
    (places.URL, "http://[::1", None),
    (places.URL, "http://h?q", None),
    (places.URL, "http://h#f", None),
    (places.URL, "http://é", None),
    (places.URL, "http://a b", None),
    (places.ADDRESS, "h:1", Address("h", 1)),
    (places.ADDRESS, ":1", Address("0.0.0.0", 1)),
    (places.ADDRESS, "[::1]:1", Address("::1", 1)),
    (places.ADDRESS, "::1:1", None),
    (places.ADDRESS, "h", None),
    (places.ADDRESS, "h:65536", None),
    (places.ADDRESS, "h:x", None),
    (places.MOUNT, "/", ""),
    (places.MOUNT, "/a/b/", "/a/b"),
    (places.MOUNT, "a", None),
    (places.MOUNT, "/a?b", None),
    (places.MOUNT, "/a//b", None),
    (places.HOST, "a.b-c", "a.b-c"),
    (places.HOST, "a:80", None),
    (places.HOST, "-a", None),
    (places.ORIGIN, "*", "*"),
    (places.ORIGIN, "https://App.example", "https://app.example"),
    (places.ORIGIN, "http://[::1]:5173", "http://[::1]:5173"),
    (places.ORIGIN, "capacitor://localhost", "capacitor://localhost"),
    (places.ORIGIN, "null", None),
    (places.ORIGIN, "https://a/", None),
    (places.ORIGIN, "https://a, https://b", None),
    (places.ORIGIN, "https://*.a", None),
    (places.METHOD, "GET", "GET"),
    (places.METHOD, "M-SEARCH", "M-SEARCH"),
    (places.METHOD, "get", None),
    (places.METHOD, "*", None),
    (places.SHARED, "none", "none"),
    (places.SHARED, "sqlite:p", "sqlite:p"),
    (places.SHARED, "sqlite:", None),
    (places.SHARED, "redis://:p@h:1/0", "redis://:p@h:1/0"),
    (places.SHARED, "rediss://h", "rediss://h"),
    (places.SHARED, "redis://h:x", None),
    (places.SHARED, "redis://", None),
    (places.SHARED, "redis+cluster://h", None),
    (places.SHARED, "memcached://h", None),
]


@pytest.mark.parametrize(("shape", "text", "expected"), ROWS)
def test_places(shape: Shape[object], text: str, expected: object) -> None:
    report = Report()
    node = parse_nodes(f"k: '{text}'", "f", {}, report)
    assert isinstance(node, Map)
    assert shape.read(node.items[0][1], Reading(report)) == expected
    assert len(report.problems) == (expected is None)
