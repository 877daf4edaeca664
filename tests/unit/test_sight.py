"""What a look-up's finding is worth to a route."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.messages import CacheKey, StoredResponse, Variants
from proxy.outcomes import NotServed, Tier
from proxy.sight import Sight, sighted
from proxy.store.base import Found
from tests.support.build import stored
from tests.unit.decisions.routed import route_of

ROUTE = route_of("ttl: 1m")
PLACE = CacheKey(b"key")
MINE: StoredResponse = replace(stored(), route_digest=ROUTE.digest)
FOREIGN = replace(MINE, route_digest="another")
MARKER = Variants(names=("accept",), expires_at=1.0)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(NotServed.ABSENT, Sight(PLACE, None), id="nothing"),
        pytest.param(
            NotServed.STORE_DOWN, Sight(PLACE, None, missing=NotServed.STORE_DOWN), id="no-store"
        ),
        pytest.param(
            Found(MARKER, Tier.MEMORY), Sight(PLACE, None, missing=NotServed.VARIANT), id="marker"
        ),
        pytest.param(
            Found(FOREIGN, Tier.MEMORY),
            Sight(PLACE, None, missing=NotServed.ROUTE_CHANGED),
            id="other-rules",
        ),
        pytest.param(
            Found(MINE, Tier.SHARED, soft=True),
            Sight(PLACE, MINE, Tier.SHARED, soft=True),
            id="an-answer",
        ),
    ],
)
def test_what_a_finding_is_worth(found: Found | NotServed, expected: Sight) -> None:
    assert sighted(ROUTE, PLACE, found) == expected
