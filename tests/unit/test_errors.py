"""Errors: what a gateway answers to each, and that all are Larder's own."""

from __future__ import annotations

import inspect

import pytest

from proxy import errors
from proxy.errors import (
    ClientError,
    LarderError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BaseException)
]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_can_be_caught_as_larders_own(kind: type[BaseException]) -> None:
    assert issubclass(kind, LarderError)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (UpstreamError, 502),
        (UpstreamConnectError, 502),
        (UpstreamProtocolError, 502),
        (UpstreamTimeoutError, 504),
    ],
)
def test_what_a_gateway_says_of_an_upstream(kind: type[UpstreamError], status: int) -> None:
    """RFC 9110 §15.6.3, §15.6.5."""
    assert kind("why").status == status


def test_a_clients_error_says_what_to_answer() -> None:
    error = ClientError(417, "no such expectation")
    assert (error.status, error.detail, str(error)) == (
        (417, "no such expectation", "no such expectation")
    )
