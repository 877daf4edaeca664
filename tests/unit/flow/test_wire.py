"""Wires: what a kept-alive connection is still good for, and what writing to a dead one says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from proxy.errors import UpstreamProtocolError
from proxy.flow.answer_head import Head
from proxy.flow.connection import Connector, Lease
from proxy.flow.limits import Limits
from proxy.flow.lost import ConnectionLost, StaleConnectionError
from proxy.flow.wire import KEEP_IDLE_S, Wire
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


def is_over(wire: Wire) -> bool:
    """Whether the body is, now."""
    return wire.body_is_over


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


# -- what is sent ready made, and taken as it comes

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WHOLE = OK.replace(b": 0", b": 2") + b"ok"


class Taker:
    """Takes what comes, or does not, and keeps it."""

    def __init__(self, *takes: bool) -> None:
        self.came: list[bytes] = []
        self._takes = list(takes)

    def __call__(self, data: bytes) -> bool:
        self.came.append(data)
        return self._takes.pop(0)


async def test_what_is_asked_goes_out_as_it_stands(ends: tuple[Lease, socket.socket]) -> None:
    lease, peer = ends
    before = asyncio.get_running_loop().time()
    at = lease.wire.ask(GET, Taker())
    assert before <= at <= asyncio.get_running_loop().time()
    await asyncio.sleep(0)
    assert (peer.recv(100), lease.wire.uses) == (GET, 1)


async def test_the_first_that_comes_is_offered_and_no_more_if_it_is_taken(
    ends: tuple[Lease, socket.socket],
) -> None:
    lease, peer = ends
    wire, heard = lease.wire, list[int]()
    for number in range(3):
        taker = Taker(True)
        wire.ask(GET, taker)
        wire.heard = lambda: heard.append(1)
        peer.send(WHOLE)
        await settle()
        assert (taker.came, wire.whole_head, heard) == ([WHOLE], None, []), number
        wire.rest()
        assert wire.is_fit(careful=True)


async def test_what_is_not_taken_is_read_and_what_comes_behind_it_not_offered(
    ends: tuple[Lease, socket.socket],
) -> None:
    lease, peer = ends
    wire, taker, heard = lease.wire, Taker(False), list[int]()
    wire.ask(GET, taker)
    await settle()
    wire.heard = lambda: heard.append(1)
    for piece in (WHOLE[:10], WHOLE[10:-1], WHOLE[-1:]):
        peer.send(piece)
        await settle()
    assert (taker.came, heard) == ([WHOLE[:10]], [1])
    assert wire.take_head().status == 200
    assert wire.body_at_hand() == b"ok"
    wire.rest()
    assert wire.is_fit(careful=True)


async def test_who_is_not_to_take_it_any_more_is_not_asked(
    ends: tuple[Lease, socket.socket],
) -> None:
    lease, peer = ends
    taker = Taker()
    lease.wire.ask(GET, taker)
    lease.wire.take = None
    peer.send(WHOLE)
    assert (await read_head(lease.wire)).status == 200
    assert taker.came == []


async def test_a_byte_behind_what_was_taken_ends_the_connection(
    ends: tuple[Lease, socket.socket],
) -> None:
    lease, peer = ends

    def take(_: bytes) -> bool:
        lease.wire.rest()
        return True

    lease.wire.ask(GET, take)
    peer.send(WHOLE)
    await settle()
    assert lease.wire.is_fit(careful=True)
    peer.send(WHOLE)
    await settle()
    assert not lease.wire.is_connected()


@pytest.mark.parametrize("took", [False, True])
async def test_whatever_came_before_a_request_begins_with_nothing(
    ends: tuple[Lease, socket.socket], took: bool
) -> None:
    lease, peer = ends
    wire, stale = lease.wire, Taker(took)
    wire.ask(GET, stale)
    peer.send(WHOLE)
    await settle()
    wire.rest()
    wire.begin(has_answer_body=False)
    assert (wire.whole_head, wire.coming, wire.should_close) == (None, None, False)
    assert wire.body_at_hand() == b""
    assert not is_over(wire)
    peer.send(OK.replace(b": 0", b": 9"))  # to HEAD
    assert (await read_head(wire)).fields.get("content-length") == "9"
    assert is_over(wire)
    assert len(stale.came) == 1


async def test_who_was_to_take_what_never_came_does_not_take_the_next(
    ends: tuple[Lease, socket.socket],
) -> None:
    lease, peer = ends
    taker = Taker()
    lease.wire.ask(GET, taker)
    lease.wire.begin(has_answer_body=True)
    peer.send(WHOLE)
    assert (await read_head(lease.wire)).status == 200
    assert taker.came == []


async def test_asking_on_an_ended_connection_is_told_by_its_answer(
    ends: tuple[Lease, socket.socket],
) -> None:
    lease, peer = ends
    peer.close()
    await settle()
    lease.wire.ask(GET, Taker())
    with pytest.raises(UpstreamProtocolError):
        await read_head(lease.wire)


@pytest.mark.parametrize("parsed", [False, True])
async def test_an_end_while_it_is_asked_is_told(
    ends: tuple[Lease, socket.socket], parsed: bool
) -> None:
    lease, peer = ends
    heard = list[int]()
    lease.wire.ask(GET, Taker(False))
    lease.wire.heard = lambda: heard.append(1)
    if parsed:
        peer.send(WHOLE[:10])
        await settle()
    peer.close()
    await settle()
    assert heard == [1]
    with pytest.raises(UpstreamProtocolError):
        lease.wire.take_head()


# -- how long it is kept


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Makes the wire's loop later by so many seconds."""

    def advance(seconds: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time() + seconds
        monkeypatch.setattr(loop, "time", lambda: now)

    return advance


@pytest.mark.parametrize(
    ("hint", "keep_s"),
    [("", KEEP_IDLE_S), ("timeout=7", 6.0), ("timeout=600", KEEP_IDLE_S), ("max=9", KEEP_IDLE_S)],
)
async def test_it_is_kept_as_its_answer_said_and_no_longer_than_we_keep_any(
    ends: tuple[Lease, socket.socket], later: Callable[[float], None], hint: str, keep_s: float
) -> None:
    lease, peer = ends
    lease.wire.begin(has_answer_body=True)
    line = f"Keep-Alive: {hint}\r\n" if hint else ""
    peer.send(OK[:-2] + line.encode() + b"\r\n")
    await read_head(lease.wire)
    assert lease.wire.keep_s == keep_s
    lease.wire.rest()
    later(keep_s - 0.5)
    assert lease.wire.is_fit(careful=False)
    later(0.6)
    assert not lease.wire.is_fit(careful=False)


async def test_what_was_not_read_is_kept_as_it_is_said_to_have_said(
    ends: tuple[Lease, socket.socket], later: Callable[[float], None]
) -> None:
    wire = ends[0].wire
    wire.rest(5.0)
    later(4.5)
    assert wire.is_fit(careful=False)
    later(0.6)
    assert not wire.is_fit(careful=False)
    wire.rest(0.0)
    assert not wire.is_fit(careful=False)


async def test_each_answer_says_it_anew(
    ends: tuple[Lease, socket.socket], later: Callable[[float], None]
) -> None:
    lease, peer = ends
    for answer in (OK[:-2] + b"Keep-Alive: timeout=2\r\n\r\n", OK):
        lease.wire.begin(has_answer_body=True)
        peer.send(answer)
        await read_head(lease.wire)
        lease.wire.rest()
    later(5.0)
    assert lease.wire.is_fit(careful=False)


# -- a body that is still to come


@pytest.mark.parametrize(
    ("came", "length"),
    [
        (WHOLE[:-1], 2),
        (WHOLE[:-2], 2),
        (WHOLE, None),
        (WHOLE[:-5], None),
        (OK, None),
        (OK.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"), None),
        (OK.replace(b"Content-Length: 0\r\n", b""), None),
        (b"HTTP/1.1 103 Early\r\n\r\n" + WHOLE[:-1], None),
        (b"HTTP/1.1 103 Early\r\nContent-Length: 2\r\n\r\n", None),
    ],
)
async def test_it_tells_of_a_body_whose_length_was_said_and_of_which_some_is_to_come(
    ends: tuple[Lease, socket.socket], came: bytes, length: int | None
) -> None:
    lease, peer = ends
    lease.wire.begin(has_answer_body=True)
    peer.send(came)
    await settle()
    coming = lease.wire.coming
    assert (None if coming is None else coming.length) == length


async def test_it_tells_of_none_that_will_not_come(ends: tuple[Lease, socket.socket]) -> None:
    lease, peer = ends
    lease.wire.begin(has_answer_body=True)
    peer.send(WHOLE[:-1])
    await settle()
    peer.close()
    await settle()
    assert lease.wire.coming is None


async def test_each_piece_of_it_is_told_of(ends: tuple[Lease, socket.socket]) -> None:
    lease, peer = ends
    heard = list[int]()
    lease.wire.begin(has_answer_body=True)
    for piece in (WHOLE[:-2], b"o", b"k"):
        lease.wire.heard = lambda: heard.append(1)
        peer.send(piece)
        await settle()
    assert heard == [1, 1, 1]
    assert lease.wire.whole_head is not None
