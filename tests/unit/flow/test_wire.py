"""Wires: what a kept-alive connection is still good for, and what writing to a dead one says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from proxy.errors import UpstreamProtocolError
from proxy.flow.answer_head import Head
from proxy.flow.connection import Connector, Lease
from proxy.flow.limits import Limits
from proxy.flow.wire import ConnectionLost, StaleConnectionError, Wire
from proxy.rules.settings import Timeouts
from tests.support.ports import LOOPBACK

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Lease, socket.socket]]:
    """A leased connection, and its other end as a blocking socket the test works by hand."""
    connector = Connector()
    with socket.create_server((LOOPBACK, 0)) as server:
        endpoint = connector.endpoint(f"http://{LOOPBACK}:{server.getsockname()[1]}")
        lease = await connector.acquire(endpoint, Limits.start(Timeouts()), careful=False)
        peer, _ = server.accept()
        with peer:
            yield lease, peer
        lease.close()
    await connector.close()


async def read_head(wire: Wire) -> Head:
    await wire.came()
    return wire.take_head()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_connection_at_rest_is_fit(ends: tuple[Lease, socket.socket]) -> None:
    assert ends[0].wire.is_fit(careful=True)


async def test_an_end_of_stream_the_loop_has_not_read_is_seen_by_the_careful(
    ends: tuple[Lease, socket.socket],
) -> None:
    lease, peer = ends
    peer.shutdown(socket.SHUT_WR)
    assert lease.wire.is_fit(careful=False)
    assert not lease.wire.is_fit(careful=True)
    await settle()
    assert not lease.wire.is_fit(careful=False)
    assert not lease.wire.is_fit(careful=True)


async def test_a_byte_at_rest_ends_the_connection(ends: tuple[Lease, socket.socket]) -> None:
    lease, peer = ends
    peer.send(b"H")
    await settle()
    assert not lease.wire.is_connected()
    assert not lease.wire.is_fit(careful=False)


async def test_writing_to_an_ended_connection_says_so(ends: tuple[Lease, socket.socket]) -> None:
    lease, peer = ends
    peer.close()
    await settle()
    with pytest.raises(ConnectionLost):
        lease.wire.write(b"x")
    with pytest.raises(ConnectionLost):
        await lease.wire.drain()


@pytest.mark.parametrize(
    ("uses", "sent", "stale"),
    [(1, b"", False), (2, b"", True), (2, b"HTTP/1.1 200", False)],
)
async def test_only_a_used_connection_that_ends_without_a_byte_is_stale(
    ends: tuple[Lease, socket.socket], uses: int, sent: bytes, stale: bool
) -> None:
    lease, peer = ends
    for _ in range(uses - 1):
        lease.wire.begin(has_answer_body=True)
        peer.send(OK)
        await read_head(lease.wire)
        lease.wire.rest()
    lease.wire.begin(has_answer_body=True)
    peer.send(sent)
    peer.close()
    with pytest.raises(UpstreamProtocolError) as told:
        await read_head(lease.wire)
    assert isinstance(told.value, StaleConnectionError) == stale


async def test_the_first_failure_is_the_one_told(ends: tuple[Lease, socket.socket]) -> None:
    lease, _ = ends
    first, second = LookupError("first"), LookupError("second")
    lease.wire.begin(has_answer_body=True)
    lease.wire.fail(first)
    lease.wire.fail(second)
    with pytest.raises(LookupError, match="first"):
        lease.wire.body_at_hand()


CUT = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"6\r\na\r\n\r\nb\r\n1;x\r\nc\r\n0\r\nX-Sum: 1\r\n\r\n"
)


@pytest.mark.parametrize("second", [0, 1, 7])
async def test_an_answer_is_the_same_however_it_is_cut(
    ends: tuple[Lease, socket.socket], second: int
) -> None:
    wire = ends[0].wire
    for cut in range(len(CUT)):
        wire.begin(has_answer_body=True)
        for part in (CUT[:cut], CUT[cut : cut + second], CUT[cut + second :]):
            if part:
                wire.data_received(part)
        heads = [await read_head(wire) for _ in range(2)]
        assert [head.status for head in heads] == [103, 200], cut
        assert wire.body_at_hand() == b"a\r\n\r\nbc", cut
        assert wire.body_is_over
        wire.rest()
        assert wire.is_fit(careful=True)


# -- being told instead of waiting


async def told(wire: Wire, peer: socket.socket, *pieces: bytes) -> list[int]:
    """After each piece, how often whoever listens was told."""
    said, counts = list[bool](), []
    wire.begin(has_answer_body=True)
    wire.heard = lambda: said.append(True)
    for piece in pieces:
        peer.send(piece)
        await settle()
        counts.append(len(said))
    return counts


async def test_who_listens_is_told_once_a_head_is_here(ends: tuple[Lease, socket.socket]) -> None:
    lease, peer = ends
    whole = OK.replace(b": 0", b": 2") + b"ok"
    assert await told(lease.wire, peer, whole[:9], whole[9:-1], whole[-1:]) == [0, 1, 1]
    head = lease.wire.whole_head
    assert head is not None
    assert (head.status, lease.wire.take_head()) == (200, head)
    assert lease.wire.whole_head is None


@pytest.mark.parametrize(
    "came",
    [
        OK.replace(b": 0", b": 2") + b"o",
        OK.replace(b"Content-Length: 0\r\n", b""),
        b"HTTP/1.1 103 Early\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early\r\n\r\n",
        OK.replace(b": 0", b": x"),
        b"nonsense\r\n\r\n",
    ],
)
async def test_only_all_of_one_answer_is_whole(
    ends: tuple[Lease, socket.socket], came: bytes
) -> None:
    lease, peer = ends
    assert await told(lease.wire, peer, came) == [1]
    assert lease.wire.whole_head is None


async def test_who_listens_is_told_of_the_end_too(ends: tuple[Lease, socket.socket]) -> None:
    lease, peer = ends
    said: list[bool] = []
    lease.wire.begin(has_answer_body=True)
    lease.wire.heard = lambda: said.append(True)
    peer.close()
    await settle()
    assert (len(said), lease.wire.whole_head) == (1, None)
    with pytest.raises(UpstreamProtocolError):
        lease.wire.take_head()
