"""Calls: how one goes to a URL, what it says before it is sent, and a connection given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from proxy.errors import ClientError
from proxy.fields import NO_FIELDS, Fields
from proxy.flow.balance import CircuitBreaker, Target
from proxy.flow.call import Asked, Call
from proxy.flow.connection import Connector
from proxy.flow.limits import Limits
from proxy.flow.roundtrip import Channel
from proxy.rules.settings import Breaker, Timeouts
from tests.support.larder import until
from tests.support.raw_upstream import RawConnection, raw_upstream, replies

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
AT = 1_700_000_000.0


@pytest.fixture
async def connector() -> AsyncIterator[Connector]:
    made = Connector()
    yield made
    await made.close()


def call(path: str = "/x?q=%20", method: str = "GET", fields: Fields = NO_FIELDS) -> Call:
    limits = Limits.start(Timeouts())
    return Call(method, path, fields, b"", limits, AT, repeats=True)


def status(sent: Call) -> int | None:
    """Of the answer, if all of it is here."""
    return None if sent.whole_head is None else sent.whole_head.status


def target(connector: Connector, url: str) -> Target:
    return Target(connector.endpoint(url), CircuitBreaker(Breaker()))


@pytest.mark.parametrize(
    ("url", "path", "line"),
    [
        ("http://up.test", "/x?q=%20", b"GET /x?q=%20 HTTP/1.1\r\nHost: up.test\r\n"),
        ("http://up.test:81/a/b/", "/x//y", b"GET /a/b/x//y HTTP/1.1\r\nHost: up.test:81\r\n"),
        ("http://up.test/a", "*", b"GET * HTTP/1.1\r\nHost: up.test\r\n"),
    ],
)
async def test_it_goes_to_each_url_behind_its_base_path(
    connector: Connector, url: str, path: str, line: bytes
) -> None:
    assert call(path).toward(target(connector, url)).head == line + b"\r\n"


async def test_a_line_too_many_is_the_clients_fault(connector: Connector) -> None:
    with pytest.raises(ClientError):
        call("/x\r\nX-A: 1").toward(target(connector, "http://up.test"))


async def test_before_it_is_sent_there_is_nothing_to_wait_for() -> None:
    unsent, heard = call(), list[int]()
    await unsent.came()
    unsent.listen(lambda: heard.append(1))
    unsent.abort()
    assert (unsent.whole_head, heard) == (None, [])


async def test_what_is_sent_is_told_of_and_waited_for(connector: Connector) -> None:
    async with raw_upstream(replies(OK, OK)) as upstream:
        to = target(connector, upstream.url)
        for listens in (True, False):
            sent = call()
            lease = await connector.acquire(to.endpoint, sent.limits, careful=False)
            channel = sent.channel = Channel(lease, sent.limits, lambda: AT)
            channel.send(sent.toward(to))
            assert status(sent) is None
            if listens:
                heard = asyncio.Event()
                sent.listen(heard.set)
                await heard.wait()
            else:
                await sent.came()
            assert status(sent) == 200
            assert channel.whole_answer().whole == b"ok"
        assert upstream.accepted == 1
        await connector.close()


async def test_who_listens_no_more_is_not_told(connector: Connector) -> None:
    async with raw_upstream(replies(OK)) as upstream:
        to, sent = target(connector, upstream.url), call()
        lease = await connector.acquire(to.endpoint, sent.limits, careful=False)
        channel = sent.channel = Channel(lease, sent.limits, lambda: AT)
        channel.send(sent.toward(to))
        heard = list[int]()
        sent.listen(lambda: heard.append(1))
        sent.listen(None)
        await sent.came()
        assert heard == []
        sent.abort()
        await connector.close()


async def test_what_is_aborted_ends_its_connection(connector: Connector) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.head()
        assert await connection.rest() == b""

    async with raw_upstream(script) as upstream:
        to, sent = target(connector, upstream.url), call()
        lease = await connector.acquire(to.endpoint, sent.limits, careful=False)
        sent.channel = Channel(lease, sent.limits, lambda: AT)
        sent.channel.send(sent.toward(to))
        sent.abort()
        sent.abort()
        assert not lease.wire.is_fit(careful=False)
        assert len(to.endpoint.pool) == 0


async def test_what_was_asked_is_done_once_and_for_all(connector: Connector) -> None:
    """Nobody is told any more, no limit runs, the URL is well, the connection is free."""
    heard, came = list[int](), list[bytes]()

    def take(data: bytes) -> bool:
        came.append(data)
        return True

    async with raw_upstream(replies(OK)) as upstream:
        to = target(connector, upstream.url)
        to.breaker.failed(0.0)
        limits = Limits.start(Timeouts(first_byte=0.05))
        lease = await connector.acquire(to.endpoint, limits, careful=False)
        began = lease.wire.ask(call().toward(to).head, take)
        lease.wire.watch.begin(limits, "first_byte", "peer")
        asked = Asked(lease, to, began)
        lease.wire.heard = lambda: heard.append(1)
        await until(lambda: bool(came))
        asked.done(60.0)
        assert (came, to.breaker.is_spotless, len(to.endpoint.pool)) == ([OK], True, 1)
        await asyncio.sleep(0.06)  # longer than the limit
        assert heard == []
        assert to.endpoint.pool.take(careful=True) is lease
        lease.close()


async def test_what_its_upstream_keeps_for_no_time_is_not_used_again(
    connector: Connector,
) -> None:
    async with raw_upstream(replies(OK)) as upstream:
        to, came = target(connector, upstream.url), list[bytes]()
        lease = await connector.acquire(to.endpoint, Limits.start(Timeouts()), careful=False)

        def take(data: bytes) -> bool:
            came.append(data)
            return True

        asked = Asked(lease, to, lease.wire.ask(call().toward(to).head, take))
        await until(lambda: bool(came))
        asked.done(0.0)
        assert to.endpoint.pool.take(careful=False) is None
