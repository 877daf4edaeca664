"""Scopes: who shares an answer."""

from __future__ import annotations

import pytest

from proxy.outcomes import Bypass
from proxy.rules.route import Identity
from tests.support.build import request
from tests.unit.rules.support import SESSIONS, identity, route_config

SCOPES = [
    ("ttl: 5m", {"authorization": "a"}, {"authorization": "b"}, False),
    ("ttl: 5m", {"x-api-key": "a"}, {"api-key": "a"}, False),
    ("ttl: 5m", {"cookie": "a=1"}, {}, False),
    ("ttl: 5m", {}, {}, True),
    ("ttl: 5m\nscope: shared", {"authorization": "a"}, {"authorization": "b"}, True),
    ("ttl: 5m\nscope: session", {"x-session-id": "a"}, {"x-session-id": "b"}, False),
    ("ttl: 5m\nscope: session", {"x-session-id": "a"}, {"cookie": "sid=a"}, True),
    ("ttl: 5m\nscope: [header.org]", {"org": "a", "authorization": "1"}, {"org": "a"}, True),
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
