from __future__ import annotations

import pytest

from proxy.caching.status import (
    HEURISTICALLY_CACHEABLE,
    NEVER_STORED,
    STALE_IF_ERROR,
    UNDERSTOOD,
    WITHOUT_BODY,
    is_error,
)
from tests.unit.caching.table import table

CLASSES = table(
    ("interim", "9110 §15.2", 199, True),
    ("success", "9110 §15.3", 200, False),
    ("redirection", "9110 §15.4", 399, False),
    ("client-error", "9110 §15.5", 400, True),
    ("server-error", "9110 §15.6", 599, True),
    ("no-class", "9110 §15", 600, True),
)


@pytest.mark.parametrize(("status", "expected"), CLASSES)
def test_only_success_and_redirection_are_no_errors(status: int, expected: bool) -> None:
    assert is_error(status) is expected


def test_the_sets_do_not_contradict_each_other() -> None:
    assert HEURISTICALLY_CACHEABLE - {206} <= UNDERSTOOD
    assert not NEVER_STORED & (UNDERSTOOD | HEURISTICALLY_CACHEABLE)
    assert 206 not in UNDERSTOOD
    assert all(is_error(status) for status in STALE_IF_ERROR)


def test_the_statuses_without_content() -> None:
    assert {status for status in range(100, 600) if status in WITHOUT_BODY} == {
        *range(100, 200),
        204,
        304,
    }
