"""Scopes: who shares an answer."""

from __future__ import annotations

import pytest

from proxy.outcomes import Bypass
from proxy.rules.route import Identity
from proxy.rules.secrets import CREDENTIAL_FIELDS, CREDENTIAL_PARAMETERS
from tests.support.build import request
from tests.unit.rules.support import SESSIONS, identity, matched, route_config

SCOPES = [
    ("ttl: 5m", {"authorization": "a"}, {"authorization": "b"}, False),
    ("ttl: 5m", {"x-api-key": "a"}, {"api-key": "a"}, False),
    ("ttl: 5m", {"cookie": "a=1"}, {}, False),
    ("ttl: 5m", {}, {}, True),
    ("ttl: 5m\nscope: shared", {"authorization": "a"}, {"authorization": "b"}, True),
    ("ttl: 5m\nscope: session", {"x-session-id": "a"}, {"x-session-id": "b"}, False),
    ("ttl: 5m\nscope: session", {"x-session-id": "a"}, {"cookie": "sid=a"}, True),
    ("ttl: 5m\nscope: [header.org]", {"org": "a", "authorization": "1"}, {"org": "a"}, True),
    ("ttl: 5m", {"x-auth-token": "a"}, {"x-auth-token": "b"}, False),
    ("ttl: 5m", {"private-token": "a"}, {}, False),
    ("ttl: 5m", {"token": "a"}, {"x-access-token": "a"}, False),
    ("ttl: 5m", {"x-mine": "a"}, {"x-mine": "b"}, True),
    ("ttl: 5m\ncredentials: [header.me]", {"me": "a", "cookie": "1"}, {"me": "a"}, True),
    ("ttl: 5m\ncredentials: [header.me]", {"me": "a"}, {"me": "b"}, False),
]


@pytest.mark.parametrize(("route", "left", "right", "same"), SCOPES)
def test_who_shares_an_answer(
    route: str, left: dict[str, str], right: dict[str, str], same: bool
) -> None:
    config = route_config(route, SESSIONS)
    pair = [identity(config, request("POST", "/api/a", fields=fields)) for fields in (left, right)]
    assert all(isinstance(found, Identity) for found in pair)
    assert (pair[0] == pair[1]) is same


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ("session", Bypass.NO_SESSION),
        ("[session]", Bypass.NO_SESSION),
        ("[header.x]", Bypass.MISSING_SELECTOR),
    ],
)
def test_a_scope_that_the_request_lacks(scope: str, reason: Bypass) -> None:
    config = route_config(f"ttl: 5m\nscope: {scope}", SESSIONS)
    assert identity(config, request("POST", "/api/a")) is reason


TEMPLATE = 'ttl: 5m\nkey: "k"'


@pytest.mark.parametrize("name", CREDENTIAL_FIELDS)
def test_no_credential_crosses_under_the_default_scope(name: str) -> None:
    """RULES: an answer given to one credential never reaches another unless a rule says so."""
    config = route_config(TEMPLATE)
    found = {
        identity(config, request("POST", "/api/a", fields=fields))
        for fields in ({name: "a"}, {name: "b"}, {})
    }
    assert len(found) == 3


@pytest.mark.parametrize("name", CREDENTIAL_PARAMETERS)
def test_nor_does_one_in_the_query(name: str) -> None:
    """Whatever its case: ASP.NET and others do not tell it apart."""
    config = route_config(TEMPLATE)
    targets = ("/api/a", f"/api/a?{name}=a", f"/api/a?{name}=b", f"/api/a?{name.upper()}=c")
    assert len({identity(config, request("POST", target)) for target in targets}) == 4


def test_where_a_session_is_found_is_a_credential() -> None:
    """Unless `credentials` names others."""
    top = "sessions: {from: [header.x-visitor, query.v, body.visitor]}"
    asked = [
        request("POST", "/api/a"),
        request("POST", "/api/a", fields={"x-visitor": "a"}),
        request("POST", "/api/a", fields={"x-visitor": "b"}),
        request("POST", "/api/a?v=a"),
        request("POST", "/api/a", body='{"visitor":"a"}'),
    ]
    config = route_config(TEMPLATE, top)
    assert len({identity(config, each) for each in asked}) == len(asked)
    assert matched(config, asked[0]).route.needs_body("POST")
    own = route_config(f"{TEMPLATE}\ncredentials: [header.me]", top)
    assert len({identity(own, each) for each in asked}) == 1
