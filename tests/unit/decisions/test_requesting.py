"""What goes up with a request: in the client's name, or in the proxy's own."""

from __future__ import annotations

import pytest

from proxy.decisions.requesting import (
    CLAIMS,
    CONDITIONS,
    touched,
    upstream_fields,
    upstream_trailers,
)
from proxy.decisions.trailing import NOT_IN_TRAILERS
from proxy.fields import Fields
from proxy.messages import CacheKey
from proxy.rules.misleading import OVERRIDE_FIELDS
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


@pytest.mark.parametrize(
    ("name", "route", "goes"),
    [
        ("X-Forwarded-Anything", HTTP, False),
        ("X_Forwarded_Host", HTTP, False),
        ("X_Real-IP", HTTP, False),
        ("Trailer", HTTP, False),
        ("X-Forward", HTTP, True),
        ("X-Forwarded-Proto", TIMED + "\nkey: {headers: [x-forwarded-proto]}", True),
    ],
)
def test_what_a_client_claims_goes_up_only_if_it_is_keyed(
    name: str, route: str, goes: bool
) -> None:
    asked = request(fields={name: "client"})
    fields = upstream_fields(upstream_of(), match(route).route, asked, None, KEY)
    assert (name in fields) is goes


def test_a_fill_with_a_part_asks_for_that_part_and_is_otherwise_the_same() -> None:
    """RFC 9110 §13.1.5, §14.2: a range and its own condition go together; no other may."""
    asked = request(fields=ASKED)
    found = match(HTTP).route
    ranged = upstream_fields(upstream_of(), found, asked, None, KEY, ranged=True)
    assert set(ranged) - set(sent()) == {("range", "client"), ("if-range", "client")}
    assert set(sent()) <= set(ranged)


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


HOPS: dict[str, tuple[dict[str, str], dict[str, str | None]]] = {
    "trailers": (
        {"TE": "gzip, trailers", "Connection": "TE"},
        {"te": "trailers", "connection": "TE"},
    ),
    "a-coding": ({"TE": "gzip", "Connection": "TE"}, {"te": None, "connection": None}),
    "upgrade": (
        {"Connection": "upgrade", "Upgrade": "h2c, websocket"},
        {"connection": "Upgrade", "upgrade": "websocket"},
    ),
    "both": (
        {"Connection": "upgrade, te", "Upgrade": "x", "TE": "trailers"},
        {"connection": "TE, Upgrade", "upgrade": "x", "te": "trailers"},
    ),
}


@pytest.mark.parametrize(("asked", "expected"), HOPS.values(), ids=HOPS)
def test_a_relayed_request_asks_of_the_next_hop_what_its_client_asked_of_this_one(
    asked: dict[str, str], expected: dict[str, str | None]
) -> None:
    """RFC 9110 §7.6.1, §7.8, §10.1.4; a fill asks for none of it."""
    made = [
        upstream_fields(upstream_of(""), match(HTTP).route, request(fields=asked), None, key)
        for key in (None, KEY)
    ]
    assert {name: made[0].get(name) for name in expected} == expected
    assert not {"te", "connection", "upgrade"} & made[1].names()


@pytest.mark.parametrize(
    ("method", "came", "goes"),
    [("TRACE", "5", "4"), ("OPTIONS", "1", "0"), ("OPTIONS", "x", "x"), ("GET", "5", "5")],
)
def test_max_forwards_is_counted_down(method: str, came: str, goes: str) -> None:
    """RFC 9110 §7.6.2."""
    asked = request(method, fields={"Max-Forwards": came})
    made = upstream_fields(upstream_of(""), match(HTTP).route, asked, None, None)
    assert made.get("max-forwards") == goes


def test_which_trailers_of_a_request_go_up() -> None:
    """RFC 9110 §6.5.1: none that means something in a head."""
    stays = [*CONDITIONS, *CLAIMS, *NOT_IN_TRAILERS, *OVERRIDE_FIELDS, "x-api-key", "X-Hop"]
    lines = [(name, "1") for name in (*stays, "X_Forwarded_For", "x-set", "X-Gone")]
    upstream = upstream_of("headers: {set: {x-set: a}, remove: [x-gone]}")
    asked = request("POST", fields={"Connection": "x-hop"})
    trailers = Fields([*lines, ("X-Sum", "1"), ("x-sum", "2")])
    told = upstream_trailers(upstream, asked, trailers)
    assert told == Fields([("X-Sum", "1"), ("x-sum", "2")])


@pytest.mark.parametrize("upstream", ["", "headers: {set: {X-Key: secret}, remove: [x-debug]}"])
def test_whatever_does_not_go_up_as_it_came_is_touched(upstream: str) -> None:
    fields = {**ASKED, "X-Key": "mine", "X-Debug": "1", "Via": "1.1 a", "TE": "trailers"}
    fields["Connection"] = "te"
    asked, past = request(fields=fields), upstream_of(upstream)
    up = upstream_fields(past, match(HTTP).route, asked, None, None)
    kept = {name.lower() for name, value in fields.items() if (name, value) in up.items}
    assert set(asked.fields.names()) - kept <= touched(past)
