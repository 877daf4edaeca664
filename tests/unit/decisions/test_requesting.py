"""What goes up with a request: in the client's name, or in the proxy's own."""

from __future__ import annotations

import pytest

from proxy.decisions.requesting import CLAIMS, CONDITIONS, upstream_fields
from proxy.fields import Fields
from proxy.messages import CacheKey
from tests.support.build import request, stored
from tests.unit.decisions.routed import HTTP, TIMED, match, upstream_of

KEY = CacheKey(b"k")
ASKED = {
    **dict.fromkeys((*CONDITIONS, *CLAIMS), "client"),
    "Host": "larder.test",
    "Expect": "100-continue",
    "Connection": "x-hop",
    "X-Hop": "1",
    "Accept-Encoding": "gzip",
    "Authorization": "Bearer t",
    "X-Own": "1",
}


def sent(
    *, route: str = HTTP, key: CacheKey | None = KEY, upstream: str = "", validate: bool = False
) -> Fields:
    """What goes up of ASKED."""
    asked = request(fields=ASKED)
    old = stored(fields={"ETag": '"1"', "Last-Modified": "then"}) if validate else None
    return upstream_fields(upstream_of(upstream), match(route).route, asked, old, key)


@pytest.mark.parametrize("key", [KEY, None], ids=["to-be-stored", "relayed"])
def test_hop_by_hop_fields_and_what_is_ours_to_write_stay_here(key: CacheKey | None) -> None:
    """RFC 9110 §7.6.1; Host and Expect belong to each connection."""
    fields = sent(key=key)
    assert fields.names() & {"host", "expect", "connection", "x-hop"} == set()
    assert (fields.get("authorization"), fields.get("x-own")) == ("Bearer t", "1")
    assert fields.get("via") == "1.1 larder"


def test_a_fill_is_made_in_the_proxys_own_name() -> None:
    assert sent().names() & {*CONDITIONS, *CLAIMS} == set()


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_relayed_request_keeps_its_conditions(name: str) -> None:
    assert sent(key=None).get(name) == "client"


def test_a_relayed_request_says_for_whom_it_is_and_not_what_the_client_claims() -> None:
    """RFC 7239 §4."""
    fields = sent(key=None)
    assert fields.get("forwarded") == "for=127.0.0.1;host=larder.test;proto=http"
    assert fields.get("x-forwarded-for") == "127.0.0.1"
    assert (fields.get("x-forwarded-host"), fields.get("x-forwarded-proto")) == (
        ("larder.test", "http")
    )


CODINGS = {
    "by-rfc": (HTTP, KEY, "gzip"),
    "by-a-rule": (TIMED, KEY, "identity"),
    "by-rfc-but-judged-by-its-body": (
        HTTP + "\nstore_if: {response.body.ok: true}",
        KEY,
        "identity",
    ),
    "relayed": (TIMED, None, "gzip"),
}


@pytest.mark.parametrize(("route", "key", "expected"), CODINGS.values(), ids=CODINGS)
def test_identity_is_asked_for_where_the_body_must_be_read_or_serve_everybody(
    route: str, key: CacheKey | None, expected: str
) -> None:
    assert sent(route=route, key=key).get("accept-encoding") == expected


def test_a_validation_carries_the_stored_validators() -> None:
    """RFC 9111 §4.3.1, in place of the client's own."""
    fields = sent(validate=True)
    assert fields.get_all("if-none-match") == ('"1"',)
    assert fields.get_all("if-modified-since") == ("then",)


def test_the_upstreams_own_edits_come_last() -> None:
    fields = sent(upstream='headers: {set: {authorization: "Bearer ours"}, remove: [x-own, via]}')
    assert (fields.get_all("authorization"), "x-own" in fields, "via" in fields) == (
        (("Bearer ours",), False, False)
    )
