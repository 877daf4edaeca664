"""The clock, the ports and the builders."""

from __future__ import annotations

import socket

import pytest

from tests.support.build import as_bytes, request, response, stored
from tests.support.clock import NOW, ManualClock
from tests.support.origin import Origin
from tests.support.ports import LOOPBACK, free_port, free_ports, listening


def test_the_clock_moves_only_when_told(clock: ManualClock) -> None:
    assert (clock(), clock.advance(1.5), clock()) == (NOW, NOW + 1.5, NOW + 1.5)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_free_ports_differ_and_can_be_bound() -> None:
    ports = free_ports(8)
    assert len(set(ports)) == 8
    with socket.socket() as sock:
        sock.bind((LOOPBACK, ports[0]))


async def test_listening_waits_for_a_server_and_names_one_that_never_comes() -> None:
    async with Origin() as origin:
        await listening(origin.port)
    port = free_port()
    with pytest.raises(TimeoutError, match=f"nothing listens on {LOOPBACK}:{port}"):
        await listening(port, within_s=0.02)


def test_built_values_are_the_plainest_and_take_changes() -> None:
    assert request().body == b""
    assert request("POST", body=None).body is None
    assert request(fields={"A": "1"}, scheme="https").fields.get("a") == "1"
    assert response(404, request_time=NOW - 2).status == 404
    assert stored(lifetime=5).ttl(NOW) == 5
    with pytest.raises(TypeError):
        request(nonsense=1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"\xff", b"\xff"), ("é", b"\xc3\xa9"), ([1, {"a": None}], b'[1,{"a":null}]')],
)
def test_bodies_become_bytes(body: object, expected: bytes) -> None:
    assert as_bytes(body) == expected
