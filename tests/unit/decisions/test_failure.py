"""What may stand in for an answer that did not come."""

from __future__ import annotations

import pytest

from proxy.decisions.failure import may_stand_in
from proxy.messages import StoredResponse
from tests.support.build import request, stored
from tests.support.clock import NOW
from tests.unit.caching.table import table
from tests.unit.decisions.routed import HTTP, TIMED, route_of

BARE = stored()
WINDOW = stored(stale_if_error=30.0)
MUST = stored(stale_if_error=30.0, must_revalidate=True)
NO_CACHE = stored(stale_if_error=30.0, no_cache=True)

ROWS = table(
    ("in-its-window-after-a-5xx", "5861 §4", TIMED, WINDOW, 90, True, True),
    ("past-its-window-after-a-5xx", "5861 §4", TIMED, WINDOW, 91, True, False),
    ("in-its-window-unreachable", "5861 §4", TIMED, WINDOW, 90, False, True),
    ("a-rule's-lifetime-is-not-stretched", "RULES 3", TIMED, BARE, 61, False, False),
    ("any-stale-one-when-unreachable", "9111 §4.2.4", HTTP, BARE, 9999, False, True),
    ("not-when-the-upstream-answered", "9111 §4.2.4", HTTP, BARE, 61, True, False),
    ("must-revalidate", "9111 §5.2.2.2", HTTP, MUST, 61, False, False),
    ("no-cache", "9111 §5.2.2.4", HTTP, NO_CACHE, 61, False, False),
    ("fresh-but-purged-softly", "rule", TIMED, BARE, 30, True, False),
)


@pytest.mark.parametrize(("ttl", "found", "after", "reached", "expected"), ROWS)
def test_what_may_stand_in(
    ttl: str, found: StoredResponse, after: float, *, reached: bool, expected: bool
) -> None:
    route = route_of(ttl)
    assert may_stand_in(route, request(), found, NOW + after, reached=reached) is expected


ASKED = table(
    ("the-client-allows-it", "5861 §4", HTTP, BARE, "stale-if-error=60", True),
    ("not-for-so-long", "5861 §4", HTTP, BARE, "stale-if-error=10", False),
    ("the-upstream-forbids-it", "9111 §5.2.2.2", HTTP, MUST, "stale-if-error=60", False),
)


@pytest.mark.parametrize(("ttl", "found", "asked", "expected"), ASKED)
def test_what_a_client_allows(
    ttl: str, found: StoredResponse, asked: str, *, expected: bool
) -> None:
    sent = request(fields={"Cache-Control": asked})
    assert may_stand_in(route_of(ttl), sent, found, NOW + 100, reached=True) is expected
