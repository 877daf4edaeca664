"""Which routes belong to a session's life, and whose answers belong to one session."""

from __future__ import annotations

import pytest

from tests.support.build import request
from tests.unit.rules.support import SESSIONS, matched, route_config


@pytest.mark.parametrize(
    ("route", "reads", "keyed"),
    [
        ("ttl: 5m", False, False),
        ("ttl: 5m\nscope: shared", False, False),
        ("ttl: 5m\nscope: session", True, True),
        ("ttl: 5m\nscope: [session, header.x-org]", True, True),
        ("ttl: 5m\nscope: [header.x-org]", False, False),
        ('ttl: 5m\nkey: "of:{session}"', True, True),
        ('ttl: 5m\nkey: "of:{body.p}"', False, False),
        ('ttl: 5m\ntags: ["of:{session}"]', True, False),
        ('invalidate: {tags: ["of:{session}"]}', True, False),
        ("invalidate: {tags: [all]}", False, False),
    ],
)
def test_the_session_in_a_route(route: str, reads: bool, keyed: bool) -> None:
    found = matched(route_config(route, SESSIONS), request("POST", "/api/a")).route
    assert (found.reads_session, found.keyed_by_session) == (reads, keyed)
