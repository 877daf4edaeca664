from __future__ import annotations

import pytest

from proxy.caching.forwarding import forwarded_for, hops_left, times_passed, via
from tests.support.build import FieldLines, request
from tests.unit.caching.table import lines, table

VIA = table(
    ("first", "9110 §7.6.3", [], "1.1 larder"),
    ("after-others", "9110 §7.6.3", ["1.0 a, 1.1 b (x)"], "1.0 a, 1.1 b (x), 1.1 larder"),
    ("after-two-lines", "9110 §7.6.3", ["1.0 a", "1.1 b"], "1.0 a, 1.1 b, 1.1 larder"),
)


@pytest.mark.parametrize(("arrived", "expected"), VIA)
def test_via_is_added_to(arrived: list[str], expected: str) -> None:
    assert via(lines("Via", *arrived).get("via"), (1, 1), "larder") == expected


PASSED = table(
    ("never", "9110 §7.6.3", [], 0),
    ("others", "9110 §7.6.3", ["1.1 other, larder 1.1"], 0),
    ("malformed", "9110 §7.6.3", ["larder"], 0),
    ("twice", "9110 §7.6.3", ["1.1 larder, 1.1 b", "HTTP/2 LARDER (x)"], 2),
)


@pytest.mark.parametrize(("arrived", "expected"), PASSED)
def test_a_loop_shows_in_via(arrived: list[str], expected: int) -> None:
    assert times_passed(lines("Via", *arrived), "larder") == expected


def test_forwarding_fields_say_who_asked_and_how() -> None:
    assert forwarded_for("192.0.2.1", "https", "api.test") == (
        ("X-Forwarded-For", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.1;host=api.test;proto=https"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "api.test"),
    )


NODES = table(
    ("ipv4", "7239 §6", "192.0.2.1", "for=192.0.2.1;host=h;proto=http"),
    ("ipv6", "7239 §6", "2001:db8::1", 'for="[2001:db8::1]";host=h;proto=http'),
    ("obfuscated", "7239 §6.3", "_hidden", "for=_hidden;host=h;proto=http"),
    ("unknown", "7239 §6.2", "", "for=unknown;host=h;proto=http"),
    ("not-obfuscated", "7239 §6.3", "_a;host=evil", "for=unknown;host=h;proto=http"),
    ("not-an-address", "7239 §6.2", "a;host=evil", "for=unknown;host=h;proto=http"),
)


@pytest.mark.parametrize(("peer", "expected"), NODES)
def test_nodes_are_written_so_that_they_can_be_read(peer: str, expected: str) -> None:
    assert dict(forwarded_for(peer, "http", "h"))["Forwarded"] == expected


def test_a_host_with_a_port_is_quoted() -> None:
    assert 'host="h:80"' in dict(forwarded_for("::1", "http", "h:80"))["Forwarded"]


HOPS = table(
    ("trace", "9110 §7.6.2", "TRACE", {"Max-Forwards": "3"}, 3),
    ("options", "9110 §7.6.2", "OPTIONS", {"Max-Forwards": "0"}, 0),
    ("get", "9110 §7.6.2", "GET", {"Max-Forwards": "0"}, None),
    ("absent", "9110 §7.6.2", "OPTIONS", {}, None),
    ("malformed", "9110 §7.6.2", "OPTIONS", {"Max-Forwards": "-1"}, None),
)


@pytest.mark.parametrize(("method", "fields", "expected"), HOPS)
def test_the_hops_left(method: str, fields: FieldLines, expected: int | None) -> None:
    assert hops_left(request(method, fields=fields)) == expected
