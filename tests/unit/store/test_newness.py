"""Which of two entries is the later one."""

from __future__ import annotations

import pytest

from proxy.messages import Alias, Stored, Variants
from proxy.outcomes import Tier
from proxy.store.base import Found
from proxy.store.newness import is_newer, is_over
from tests.support.build import stored
from tests.support.clock import NOW

ALIAS = Alias(target=b"t", route_digest="d", expires_at=NOW + 60)
MARKER = Variants(names=("accept",), expires_at=NOW + 60)


@pytest.mark.parametrize(
    ("entry", "other", "newer"),
    [
        pytest.param(stored(born=(2, 0)), stored(born=(1, 0)), True, id="born-later"),
        pytest.param(
            stored(born=(1, 0), response_time=NOW + 5), stored(born=(2, 0)), False, id="born-first"
        ),
        pytest.param(stored(response_time=NOW + 1), stored(), True, id="answered-later"),
        pytest.param(stored(lifetime=90.0), stored(lifetime=60.0), True, id="prolonged"),
        pytest.param(stored(), stored(), False, id="the-same"),
        pytest.param(stored(lifetime=60.0), stored(lifetime=90.0), False, id="not-prolonged"),
    ],
)
def test_the_later_one(entry: Stored, other: Stored, newer: bool) -> None:
    assert is_newer(entry, other) is newer


@pytest.mark.parametrize(
    ("entry", "soft", "over"),
    [
        (stored(lifetime=1.0), False, False),
        (stored(lifetime=0.0), False, True),
        (stored(lifetime=1.0), True, True),
        (ALIAS, False, False),
        (MARKER, False, False),
    ],
)
def test_what_may_have_a_later_one(entry: Stored, soft: bool, over: bool) -> None:
    assert is_over(Found(entry, Tier.MEMORY, soft), NOW) is over
