"""The table of the admin API: consistent, and each operation exists."""

from __future__ import annotations

import re

import pytest

from proxy.edges.admin import Api
from proxy.edges.endpoints import ENDPOINTS, Endpoint, index


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.operation)
def test_each_operation_is_a_method_of_the_api(endpoint: Endpoint) -> None:
    assert callable(getattr(Api, endpoint.operation))
    assert re.findall(r"\{(\w+)\}", endpoint.path) == [member.name for member in endpoint.params]


def test_operations_and_places_are_unique() -> None:
    assert len({endpoint.operation for endpoint in ENDPOINTS}) == len(ENDPOINTS)
    assert len({(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}) == len(ENDPOINTS)


def test_the_index_lists_every_endpoint() -> None:
    text = index()
    assert all(endpoint.path in text and endpoint.summary in text for endpoint in ENDPOINTS)


def test_only_health_is_public() -> None:
    assert {endpoint.path for endpoint in ENDPOINTS if endpoint.public} == {
        "/health/live",
        "/health/ready",
    }
