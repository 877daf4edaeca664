"""Connections that have ended: what is said of them, and what the kernel knows before the loop."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError

from proxy.errors import UpstreamProtocolError
from proxy.flow.lost import StaleConnectionError, is_readable, no_answer


@pytest.mark.parametrize("error", [None, EOFError(), ConnectionResetError("secret")])
@pytest.mark.parametrize("stale", [False, True])
def test_an_end_without_an_answer(error: BaseException | None, stale: bool) -> None:
    told = no_answer("api.test:80", error, stale=stale)
    assert str(told) == "api.test:80 closed the connection without an answer"
    assert type(told) is (StaleConnectionError if stale else UpstreamProtocolError)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (HttpProcessingError(message="Invalid header value: secret"), "Invalid header value"),
        (HttpProcessingError(message="Bad\n\n  b'secret'\n    ^"), "Bad"),
        (HttpProcessingError(), ""),
        (BadStatusLine("secret", "Bad status line: 'secret'"), "Bad status line"),
    ],
)
def test_what_is_not_http_is_named_and_not_quoted(error: BaseException, what: str) -> None:
    told = no_answer("api.test:80", error, stale=True)
    assert str(told) == f"api.test:80 sent what is not HTTP/1.1 ({what})"
    assert type(told) is UpstreamProtocolError  # something came: it is not stale


async def test_what_waits_at_a_socket_is_seen_before_the_loop_reads_it() -> None:
    mine, theirs = socket.socketpair()
    with theirs:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=mine)
        assert not is_readable(transport)
        theirs.send(b"x")
        assert is_readable(transport)
        transport.abort()


async def test_so_is_the_end() -> None:
    mine, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=mine)
    assert not is_readable(transport)
    theirs.close()
    assert is_readable(transport)
    transport.abort()


def test_where_there_is_no_transport_nothing_can_be_sent() -> None:
    assert is_readable(None)
