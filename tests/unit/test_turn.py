"""What a turn asks of the upstream, and what goes past the cache at the client's wish."""

from __future__ import annotations

import pytest

from proxy.outcomes import Bypass
from proxy.turn import client_bypass
from tests.support.build import request
from tests.unit.caching.table import table
from tests.unit.rules.support import matched, route_config

BYPASSES = table(
    ("plain", "9111 §4", {}, None),
    ("no-store", "9111 §5.2.1.5", {"Cache-Control": "no-store"}, Bypass.NO_STORE),
    ("no-cache-is-looked-up", "9111 §5.2.1.4", {"Cache-Control": "no-cache"}, None),
    ("if-match", "9110 §13.1.1", {"If-Match": "*"}, Bypass.CONDITION),
    ("if-unmodified-since", "9110 §13.1.4", {"If-Unmodified-Since": "x"}, Bypass.CONDITION),
    ("if-none-match-is-ours-to-judge", "9111 §4.3.2", {"If-None-Match": "*"}, None),
    (
        "upgrade",
        "9110 §7.8",
        {"Connection": "upgrade", "Upgrade": "websocket", "Cache-Control": "no-store"},
        Bypass.UPGRADE,
    ),
    (
        "no-store-first",
        "9111 §5.2.1.5",
        {"Cache-Control": "no-store", "If-Match": "*"},
        Bypass.NO_STORE,
    ),
)


@pytest.mark.parametrize(("fields", "expected"), BYPASSES)
def test_what_goes_past_the_cache(fields: dict[str, str], expected: Bypass | None) -> None:
    match = matched(route_config("ttl: 1m", match="/a"), request(target="/api/a", fields=fields))
    assert client_bypass(match) is expected


@pytest.mark.parametrize("name", ["If-Match", "If-Unmodified-Since"])
def test_conditions_on_an_etag_of_ours_are_judged_here(name: str) -> None:
    config = route_config("etag: content", match="/a")
    match = matched(config, request(target="/api/a", fields={name: "*"}))
    assert client_bypass(match) is None
