from __future__ import annotations

import pytest

from proxy.caching.forwarding import forwarded_for, hops_left, one_hop_less, times_passed, via
from proxy.fields import NO_FIELDS, Fields
from tests.support.build import FieldLines, as_fields, request
from tests.unit.caching.table import lines, table

VIA = table(
    ("first", "9110 §7.6.3", [], "1.1 larder"),
    ("after-others", "9110 §7.6.3", ["1.0 a, 1.1 b (x)"], "1.0 a, 1.1 b (x), 1.1 larder"),
    ("after-two-lines", "9110 §7.6.3", ["1.0 a", "1.1 b"], "1.0 a, 1.1 b, 1.1 larder"),
)


@pytest.mark.parametrize(("arrived", "expected"), VIA)
def test_via_is_added_to(arrived: list[str], expected: str) -> None:
    assert via(lines("Via", *arrived), "1.1", "larder").get_all("via") == (expected,)


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
    fields = forwarded_for(NO_FIELDS, "192.0.2.1", "https", "api.test")
    assert fields == Fields(
        [
            ("X-Forwarded-For", "192.0.2.1"),
            ("Forwarded", "for=192.0.2.1;host=api.test;proto=https"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "api.test"),
        ]
    )


CLAIMS = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "1",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;host=evil.test",
}


def test_a_clients_claims_about_itself_are_dropped() -> None:
    fields = forwarded_for(as_fields(CLAIMS), "192.0.2.1", "http", "api.test")
    assert fields == forwarded_for(NO_FIELDS, "192.0.2.1", "http", "api.test")


def test_a_trusted_peers_claims_are_kept_and_added_to() -> None:
    fields = forwarded_for(as_fields(CLAIMS), "192.0.2.1", "http", "api.test", trusted=True)
    assert fields.get("x-forwarded-for") == "203.0.113.9, 192.0.2.1"
    assert fields.get("forwarded") == (
        "for=203.0.113.9;host=evil.test, for=192.0.2.1;host=api.test;proto=http"
    )
    assert fields.get_all("x-forwarded-proto") == ("https",)
    assert fields.get_all("x-forwarded-host") == ("evil.test",)


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
    assert forwarded_for(NO_FIELDS, peer, "http", "h").get("forwarded") == expected


def test_a_host_with_a_port_is_quoted() -> None:
    assert 'host="h:80"' in (forwarded_for(NO_FIELDS, "::1", "http", "h:80").get("forwarded") or "")


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


def test_each_hop_takes_one() -> None:
    assert one_hop_less(lines("max-forwards", "3"), 3).get_all("Max-Forwards") == ("2",)
